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
    validation: tuple[np.ndarray, np.ndarray] | None = None,
) -> Path:
    """What a run writes of its test documents, behind validation documents (labels and scores, or a single one)."""
    task = (SingleLabel if single else MultiLabel)(LabelSpace(names))
    ids = ids if ids is not None else [f"d{number}" for number in range(len(true))]
    first = np.eye(1, len(names), dtype=np.int8), np.full((1, len(names)), 0.9, np.float32)
    labels, held = validation or first
    folder.mkdir(parents=True)
    tables = [
        task.predictions(_documents([f"v{n}" for n in range(len(labels))], labels, names), held, DECISION),
        task.predictions(_documents(ids, true, names), scores, DECISION),
    ]
    tables = [table.assign(set=of) for table, of in zip(tables, ("validation", "test"), strict=True)]
    pd.concat(tables, ignore_index=True).to_parquet(folder / "predictions.parquet", index=False)
    task.tables(true, scores, DECISION)["per_label"].to_csv(folder / "per_label.csv", index=False)
    return folder


def _documents(ids: Sequence[str], true: np.ndarray, names: tuple[str, ...]) -> list[Document]:
    return [
        Document(one, "", tuple(name for name, has in zip(names, row, strict=True) if has))
        for one, row in zip(ids, true, strict=True)
    ]


def pairs_of(rows: list[dict[str, Any]]) -> Runs:
    plain = {"contrast": "gain", "regime": "1:10", "mix": 0.2, "arm": "smollm2"}
    return Runs(pd.DataFrame([plain | row for row in rows]), CELL)
