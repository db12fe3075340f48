"""The run matrix: a row a run, tidy columns; from the records of a sweep, or from MLflow alone."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from patentlab.analysis.predictions import measure_again
from patentlab.config import RequestError
from patentlab.sweep.journal import current_runs
from patentlab.tracking.mlflow import PARENT, RUNS_FILE, connect
from patentlab.tracking.record import FILE_NAME, flatten

_GROUPS = re.compile(r"^(?=[^\s#-])", re.MULTILINE)  # where a line starts at the margin, a top-level entry does
_LEFT_OUT = "model.recommended."  # settings that take effect as those of the trainer
FORMATS = ("csv", "parquet")
_AT_THEIR_OWN = [f"{name}_{average}" for name in ("f1", "precision", "recall") for average in ("micro", "macro")]
# as records called them once, where they have one of the earlier values
_RENAMED = {"settings.model.attention": "settings.model.attn_implementation"}
_EARLIER_VALUES = ("sdpa", "eager")
_NEUTRAL = {"settings.model.attention": "causal"}  # of settings that came later: what records without them mean
# of the instruction head: what runs whose task has no tags do not use, and earlier ones do not have
_OF_TAGS, _TASKS_WITH_TAGS = ("settings.head.wording.tags.", "settings.head.tag_tokens"), ("tagging", "joint")


def read_matrix(sweep: Path) -> pd.DataFrame:
    """Read the records of a sweep.

    Args:
        sweep: Folder with a folder a run.

    Returns:
        A row per run that the sweep consists of, in the order of its jobs: ``run``, ``status``, ``key``, ``error``,
        every nested value of the record under its dotted name (``choices.model``, ``metrics.test.f1_micro``, …), and
        every setting (``settings.trainer.learning_rate``). Lists are joined by commas. Earlier records have all metrics
        at one threshold; macro-F1 is measured at its own there, where predictions are at hand.
    """
    return _tidy(_row(folder.name, folder) for folder in current_runs(sweep))


def read_matrix_from_mlflow(uri: str, sweep: str, experiment: str | None = None) -> pd.DataFrame:
    """Read a sweep from MLflow, for where its folder is not at hand.

    Args:
        uri: Of the database or server.
        sweep: The sweep's name.
        experiment: MLflow's experiment; None for all.

    Returns:
        As :func:`read_matrix`; runs that were not mirrored are not in it.

    Raises:
        RequestError: There is no such sweep, or no such experiment.
    """
    client = connect(uri)
    experiments = list(client.search_experiments())
    if experiment is not None:
        experiments = [found for found in experiments if found.name == experiment]
        if not experiments:
            raise RequestError(f"experiment={experiment}: MLflow at {uri} has no such experiment")
    found = client.search_runs([one.experiment_id for one in experiments], f"tags.sweep = '{sweep}'")
    parents = [run for run in found if PARENT not in run.data.tags]
    if not parents:
        names = sorted({run.data.tags["sweep"] for run in client.search_runs([e.experiment_id for e in experiments])
                        if "sweep" in run.data.tags})  # fmt: skip
        raise RequestError(f"sweep={sweep}: MLflow at {uri} has no such sweep; it has {', '.join(names) or 'none'}")
    parent = parents[0].info.run_id
    with tempfile.TemporaryDirectory() as folder:
        runs = json.loads(Path(client.download_artifacts(parent, RUNS_FILE, folder)).read_text(encoding="utf-8"))
        rows = []
        for run, run_id in runs.items():
            place = Path(folder) / run_id
            place.mkdir()
            for name in (FILE_NAME, "config.yaml"):
                client.download_artifacts(run_id, name, str(place))
            rows.append(_row(run, place))
        return _tidy(rows)


def read_kept_matrix(path: Path) -> pd.DataFrame:
    """Read a matrix that was written before.

    Args:
        path: Of :func:`write_matrix`.

    Returns:
        As :func:`read_matrix`.

    Raises:
        RequestError: It is none.
    """
    try:
        matrix = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise RequestError(f"sweep={path}: cannot be read: {' '.join(str(error).split())[:200]}") from error
    if missing := [name for name in ("run", "status", "key") if name not in matrix]:
        raise RequestError(f"sweep={path}: is no run matrix: it has no column {', '.join(missing)}")
    for old, new in _RENAMED.items():
        if old in matrix and (earlier := matrix[old].isin(_EARLIER_VALUES)).any():
            values = matrix[old].where(earlier)
            matrix[new] = matrix[new].where(matrix[new].notna(), values) if new in matrix else values
            matrix[old] = matrix[old].mask(earlier)
            if matrix[old].isna().all():
                del matrix[old]
    return _with_neutral(matrix)


def write_matrix(matrix: pd.DataFrame, folder: Path, formats: Iterable[str] = FORMATS) -> list[Path]:
    """Write the matrix beside the runs.

    Args:
        matrix: As of :func:`read_matrix`.
        folder: The sweep's, or another that exists.
        formats: Of ``csv`` and ``parquet``.

    Returns:
        The paths, as ``formats`` name them.
    """
    paths = []
    for name in formats:
        path = folder / f"matrix.{name}"
        temporary = path.with_name(f".{os.getpid()}-{path.name}")  # processes that share a sweep write it each
        if name == "csv":
            matrix.to_csv(temporary, index=False)
        else:
            matrix.to_parquet(temporary, index=False)
        paths.append(temporary.replace(path))
    return paths


def _row(name: str, folder: Path) -> dict[str, Any]:
    record = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    if record["status"] == "finished" and record.get("threshold") is not None and not record.get("thresholds"):
        record["thresholds"], again = measure_again(folder)
        for of, metrics in again.items():
            record["metrics"][of] |= {name: metrics[name] for name in _AT_THEIR_OWN}
    row = {"run": name, **flatten(record)}
    settings = folder / "config.yaml"
    if settings.is_file() and record["key"]:
        for group in _GROUPS.split(settings.read_text(encoding="utf-8")):
            row |= _settings(group)
    return {key: ",".join(map(str, value)) if isinstance(value, list) else value for key, value in row.items()}


@lru_cache(maxsize=10_000)
def _settings(group: str) -> dict[str, Any]:
    """One group of a configuration. The runs of a sweep share most, and reading YAML takes most of the time."""
    content = yaml.load(group, Loader=yaml.CSafeLoader) or {}
    settings = {f"settings.{k}": v for k, v in flatten(content).items() if not k.startswith(_LEFT_OUT)}
    return {_RENAMED.get(name, name) if value in _EARLIER_VALUES else name: value for name, value in settings.items()}


def _tidy(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Columns of one type each: text where runs differ in the type of a value."""
    table = pd.DataFrame(list(rows))
    for column in table:
        present = table[column].dropna()
        kinds = {type(value) for value in present}
        if len(kinds) > 1 and not kinds <= {int, float}:
            table[column] = table[column].map(str, na_action="ignore")
    return _with_neutral(table)


def _with_neutral(matrix: pd.DataFrame) -> pd.DataFrame:
    """What runs mean that were made before a setting came, where others have it."""
    matrix = matrix.fillna({name: value for name, value in _NEUTRAL.items() if name in matrix})
    of_tags = [str(name) for name in matrix if str(name).startswith(_OF_TAGS)]
    if of_tags and "settings.data.task" in matrix:
        used = matrix["settings.data.task"].isin(_TASKS_WITH_TAGS)
        matrix = matrix.assign(**{name: matrix[name].where(used) for name in of_tags})
    return matrix
