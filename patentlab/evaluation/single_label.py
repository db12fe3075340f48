"""Exactly one label a document: scores to decisions, and what such scores are worth."""

from __future__ import annotations

import numpy as np

from patentlab.evaluation import classification
from patentlab.evaluation.calibration import expected_calibration_error
from patentlab.protocols import Scores, Targets


def decide(scores: Scores) -> Targets:
    """Give each document the label with the highest score.

    Args:
        scores: Probabilities of shape ``(documents, labels)``.

    Returns:
        Zeros and ones of the same shape, one 1 a row; none where no label has any probability: an answer was written
        that names none, and is wrong whatever was right.
    """
    decisions = np.zeros(scores.shape, dtype=np.int8)
    decisions[np.arange(len(scores)), scores.argmax(axis=1)] = 1
    decisions[scores.max(axis=1) <= 0] = 0
    return decisions


def brier_score(targets: Targets, scores: Scores) -> float:
    """Squared distance between probabilities and outcomes, summed over the labels as Brier defined it for classes.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``, one 1 a row.
        scores: Probabilities of the same shape.

    Returns:
        The mean over documents, between 0 and 2 (Brier 1950).
    """
    return float(((scores.astype(np.float64) - targets) ** 2).sum(axis=1).mean())


def evaluate(targets: Targets, scores: Scores) -> dict[str, float]:
    """All metrics of scores, and of the decisions for the highest one.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``, one 1 a row.
        scores: Probabilities of the same shape.

    Returns:
        As :func:`patentlab.evaluation.classification.evaluate`, with the calibration error of each document's highest
        score (Guo et al. 2017), the Brier score of classes, and ``unparsable``
        where answers were written.
    """
    decisions = decide(scores)
    right = np.asarray((decisions & targets).any(axis=1))
    return classification.evaluate(targets, decisions, scores) | {
        "ece": expected_calibration_error(scores.max(axis=1), right),
        "brier": brier_score(targets, scores),
        **classification.unparsable(scores),
    }
