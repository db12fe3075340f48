"""How far probabilities can be taken at their word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from patentlab.protocols import Scores, Targets

BINS = 15


def expected_calibration_error(targets: Targets, scores: Scores, single: bool, bins: int = BINS) -> float:
    """Expected calibration error: the mean distance between stated and observed probability, over bins of equal width.

    With several labels a document every pair of document and label counts; with one label a document the highest
    score and whether it is right (Guo et al. 2017, equation 3).

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        scores: Probabilities of the same shape.
        single: Whether a document has exactly one label.
        bins: Their number.

    Returns:
        A value between 0 and 1, weighted by what each bin holds.
    """
    stated, observed = _stated_and_observed(targets, scores, single)
    position = np.clip(np.ceil(stated * bins).astype(int) - 1, 0, bins - 1)
    held = np.bincount(position, minlength=bins)
    gaps = np.bincount(position, weights=observed - stated, minlength=bins)
    return float(np.abs(gaps).sum() / held.sum())


def brier_score(targets: Targets, scores: Scores, single: bool) -> float:
    """Mean squared distance between probabilities and outcomes (Brier 1950).

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        scores: Probabilities of the same shape.
        single: Sum over the labels of a document, as Brier defined it for classes (0 to 2); else their mean (0 to 1).

    Returns:
        The mean over documents.
    """
    squares = (scores.astype(np.float64) - targets) ** 2
    return float(squares.sum(axis=1).mean() if single else squares.mean())


def _stated_and_observed(
    targets: Targets, scores: Scores, single: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not single:
        return scores.astype(np.float64).ravel(), targets.astype(np.float64).ravel()
    best = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    return scores[rows, best].astype(np.float64), targets[rows, best].astype(np.float64)
