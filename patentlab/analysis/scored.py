"""Test scores of runs on resampled documents: each run is read once, and little of it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from patentlab.analysis.predictions import Judged, read_run
from patentlab.statistics.arrays import Floats
from patentlab.statistics.resampled_scores import (
    Weights,
    poisson_weights,
    resampled_average_precision,
    resampled_f1_of_counts,
)
from patentlab.statistics.undecidable import UndecidableError

RESAMPLED = ("f1_micro", "f1_macro", "map_macro")
"""Metrics that predictions are resampled for."""

_HELD = 16  # test sets whose draws are kept: those of a sweep's seeds come in turn


@dataclass(frozen=True, eq=False)
class Scored:
    """What a run's predictions say of its test documents.

    Attributes:
        ids: Of the documents, sorted.
        labels: Their names.
        true: Which labels documents have, or how many entities of each type; shape ``(documents, labels)``.
        right: Which documents have exactly their labels, shape ``(documents,)``.
        score: By metric, on the documents as they are.
        resampled: By metric, on resampled documents, shape ``(resamples,)``. The draws of a document are the
            same in all runs, so that those of two runs may be subtracted.
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    true: NDArray[Any]
    right: NDArray[np.bool_]
    score: Mapping[str, float]
    resampled: Mapping[str, Floats]


class ScoredRuns:
    """Scores of runs, read when they are first asked for.

    Args:
        folders: Of runs, by name.
        resamples: Of the documents.
        seed: Of the resamples.
    """

    def __init__(self, folders: Mapping[str, Path], resamples: int = 400, seed: int = 0) -> None:
        self._folders, self._resamples, self._seed = folders, resamples, seed
        self._scored: dict[str, Scored | str] = {}
        self._draws: dict[tuple[str, ...], Weights] = {}
        self._true: dict[bytes, tuple[tuple[str, ...], NDArray[Any]]] = {}

    def __call__(self, run: str, read: Judged | str | None = None) -> Scored:
        """Those of a run.

        Args:
            run: Its name.
            read: Its predictions, where they are at hand, or why there are none.

        Raises:
            UndecidableError: It has no predictions; the sentence says why.
        """
        if run not in self._scored:
            try:
                found = read_run(run, self._folders) if read is None else read
                self._scored[run] = found if isinstance(found, str) else self._score(found)
            except UndecidableError as reason:
                self._scored[run] = str(reason)
        scored = self._scored[run]
        if isinstance(scored, str):
            raise UndecidableError(scored)
        return scored

    def _score(self, run: Judged) -> Scored:
        weights = self._weights(run.ids)
        micro, _ = resampled_f1_of_counts(*run.f1_counts("f1_micro"), weights)
        _, macro = resampled_f1_of_counts(*run.f1_counts("f1_macro"), weights)
        found = {"f1_micro": micro, "f1_macro": macro}
        if run.ranked is not None:
            found["map_macro"] = resampled_average_precision(run.true, run.ranked, weights)
        values, resampled = ({name: float(one[0]) for name, one in found.items()},
                             {name: one[1:] for name, one in found.items()})  # fmt: skip
        # runs with the same test set hold one copy of it
        ids, true = self._true.setdefault(_digest("\n".join(run.ids).encode(), run.true.tobytes()), (run.ids, run.true))
        return Scored(ids, run.labels, true, run.right, values, resampled)

    def _weights(self, ids: tuple[str, ...]) -> Weights:
        """Those of resamples, below a row of ones."""
        if ids not in self._draws:
            if len(self._draws) >= _HELD:
                self._draws.pop(next(iter(self._draws)))
            numbers = [int.from_bytes(_digest(name.encode())) for name in ids]
            drawn = poisson_weights(numbers, self._resamples, self._seed)
            self._draws[ids] = np.vstack([np.ones(len(ids), np.float32), drawn])
        return self._draws[ids]


def check_same_documents(first: Scored | Judged, second: Scored | Judged) -> None:
    """Whether what two runs predicted can be compared document by document.

    Args:
        first: Of one run.
        second: Of the other.

    Raises:
        UndecidableError: Test documents or their labels differ.
    """
    if first.ids != second.ids:
        raise UndecidableError("different test documents")
    if first.labels != second.labels or not np.array_equal(first.true, second.true):
        raise UndecidableError("different labels of the test documents")


def _digest(*parts: bytes) -> bytes:
    found = blake2b(digest_size=8)
    for part in parts:
        found.update(part)
    return found.digest()
