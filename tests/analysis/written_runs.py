"""Folders like those that runs leave behind, with predictions that are known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from patentlab.analysis.arms import Runs
from patentlab.corpus import Document, LabelSpace
from patentlab.tasks import Decision
from patentlab.tasks.documents import MultiLabel, SingleLabel

NAMES = ("G06F", "H04L", "NA", "nan")  # two that a careless reader takes for missing
CELL = ["regime", "mix"]
THRESHOLD = 0.5
DECISION = Decision(THRESHOLD)


def draw(documents: int, seed: int, noise: float = 0.3, of: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True labels that ``of`` decides, and scores with errors that ``seed`` decides."""
    true = np.random.default_rng(of).random((documents, len(NAMES))) < [0.5, 0.3, 0.2, 0.1]
    scores = 0.2 + 0.6 * true + np.random.default_rng([seed, of]).normal(0, noise, true.shape)
    return true.astype(np.int8), np.clip(scores, 0, 1).astype(np.float32)


def write(
    folder: Path,
    true: np.ndarray,
    scores: np.ndarray,
    *,
    single: bool = False,
    ids: Sequence[str] | None = None,
    names: tuple[str, ...] = NAMES,
) -> Path:
    """What a run writes of its test documents, behind validation documents that nobody shall read."""
    task = (SingleLabel if single else MultiLabel)(LabelSpace(names))
    ids = ids if ids is not None else [f"d{number}" for number in range(len(true))]
    documents = [
        Document(one, "", tuple(name for name, has in zip(names, row, strict=True) if has))
        for one, row in zip(ids, true, strict=True)
    ]
    validation = [Document("v", "", names[:1])]
    folder.mkdir(parents=True)
    tables = [
        task.predictions(validation, np.full((1, len(names)), 0.9, np.float32), DECISION).assign(set="validation"),
        task.predictions(documents, scores, DECISION).assign(set="test"),
    ]
    pd.concat(tables, ignore_index=True).to_parquet(folder / "predictions.parquet", index=False)
    task.tables(true, scores, DECISION)["per_label"].to_csv(folder / "per_label.csv", index=False)
    return folder


def pairs_of(rows: list[dict[str, Any]]) -> Runs:
    plain = {"contrast": "gain", "regime": "1:10", "mix": 0.2, "arm": "smollm2"}
    return Runs(pd.DataFrame([plain | row for row in rows]), CELL)
