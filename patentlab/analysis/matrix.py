"""The run matrix: a row a run, tidy columns."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from patentlab.sweep.journal import current_runs
from patentlab.tracking.record import FILE_NAME


def read_matrix(sweep: Path) -> pd.DataFrame:
    """Read the records of a sweep.

    Args:
        sweep: Folder with a folder a run.

    Returns:
        A row per record, ordered by run: ``run``, ``status``, ``key``, ``error``, and every nested value under its
        dotted name (``choices.model``, ``metrics.test.f1_micro``, …).
    """
    records = []
    for folder in current_runs(sweep):
        content = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        records.append({"run": folder.name} | content)
    return pd.json_normalize(records)


def write_matrix(matrix: pd.DataFrame, sweep: Path) -> Path:
    """Write the matrix beside the runs.

    Args:
        matrix: As of :func:`read_matrix`.
        sweep: The sweep's folder.

    Returns:
        The path of ``matrix.csv``.
    """
    path = sweep / "matrix.csv"
    matrix.to_csv(path, index=False)
    return path
