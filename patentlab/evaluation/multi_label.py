"""Several labels a document: scores to decisions at one threshold, and what such scores are worth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from patentlab.evaluation import classification
from patentlab.evaluation.calibration import expected_calibration_error
from patentlab.protocols import Scores, Targets

DEFAULT_THRESHOLD = 0.5


def decide(scores: Scores, threshold: float) -> Targets:
    """Give each label whose score is at least the threshold.

    Args:
        scores: Probabilities of shape ``(documents, labels)``.
        threshold: One for all labels.

    Returns:
        Zeros and ones of the same shape.
    """
    # numpy would round a Python float to the scores' precision, onto one of them where two are neighbours
    return (scores >= np.float64(threshold)).astype(np.int8)


def choose_threshold(targets: Targets, scores: Scores, monitor: str = "f1_micro") -> float:
    """The one threshold for all labels that scores best.

    For micro-F1 every cut between two neighbouring scores is tried; for macro-F1 a hundred quantiles of the scores.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``; validation documents, never test documents.
        scores: Probabilities of the same shape.
        monitor: ``f1_micro`` or ``f1_macro``.

    Returns:
        The midpoint between the two scores around the best cut; 0.5 where it is as good as any.
    """
    from sklearn.metrics import f1_score

    cuts = _cuts(scores)
    if monitor == "f1_micro":
        values = _micro_f1_at(targets, scores, cuts)
    else:
        cuts = np.unique(np.quantile(cuts, np.linspace(0, 1, 100), method="nearest")) if len(cuts) > 100 else cuts
        values = _macro_f1_at(targets, scores, cuts)
    default = f1_score(targets, scores >= DEFAULT_THRESHOLD, average=monitor.removeprefix("f1_"), zero_division=0)
    if not len(values) or default >= values.max():
        return DEFAULT_THRESHOLD
    return float(cuts[values.argmax()])


def _cuts(scores: Scores) -> NDArray[np.float64]:
    """Midpoints between neighbouring distinct scores, rising."""
    distinct = np.unique(scores).astype(np.float64)
    return (distinct[1:] + distinct[:-1]) / 2


def _micro_f1_at(targets: Targets, scores: Scores, cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Micro-F1 at each cut: 2 TP / (predicted + true)."""
    order = np.argsort(scores, axis=None)
    ranked = scores.ravel()[order].astype(np.float64)
    hits = targets.ravel()[order].astype(np.int64)
    first = np.searchsorted(ranked, cuts)  # the first score that a cut lets through
    positives = int(hits.sum())
    true_positives = positives - np.concatenate([[0], np.cumsum(hits)])[first]
    predicted = len(ranked) - first
    return np.asarray(2 * true_positives / np.maximum(predicted + positives, 1))


def _macro_f1_at(targets: Targets, scores: Scores, cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Macro-F1 at each cut: the mean over labels of 2 TP / (predicted + true), 0 where a label has neither."""
    positives = targets.sum(axis=0, dtype=np.int64)
    values = np.empty((len(cuts), len(positives)))
    for label, ranked in enumerate(np.sort(scores, axis=0).T.astype(np.float64)):
        hits = np.sort(scores[targets[:, label] == 1, label]).astype(np.float64)
        predicted = len(ranked) - np.searchsorted(ranked, cuts)
        true_positives = len(hits) - np.searchsorted(hits, cuts)
        values[:, label] = 2 * true_positives / np.maximum(predicted + positives[label], 1)
    return np.asarray(values.mean(axis=1))


def brier_score(targets: Targets, scores: Scores) -> float:
    """Mean squared distance between probabilities and outcomes (Brier 1950), over all pairs of document and label.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        scores: Probabilities of the same shape.

    Returns:
        A value between 0 and 1.
    """
    return float(((scores.astype(np.float64) - targets) ** 2).mean())


def evaluate(
    targets: Targets, scores: Scores, threshold: float, thresholds: Mapping[str, float] | None = None
) -> dict[str, float]:
    """All metrics of scores, and of the decisions at a threshold.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        scores: Probabilities of the same shape.
        threshold: See :func:`decide`.
        thresholds: Of ``f1_micro`` and ``f1_macro``, where they are measured at their own; precision and recall of the
            same average go with them.

    Returns:
        As :func:`patentlab.evaluation.classification.evaluate`, with the calibration error of all pairs of document
        and label, and their Brier score.
    """
    found = classification.evaluate(targets, decide(scores, threshold), scores)
    for name, own in (thresholds or {}).items():
        if own != threshold:
            average = name.removeprefix("f1_")
            measured = (f"f1_{average}", f"precision_{average}", f"recall_{average}")
            found |= classification.evaluate(targets, decide(scores, own), scores, measured)
    return found | {
        "ece": expected_calibration_error(scores.ravel(), targets.ravel()),
        "brier": brier_score(targets, scores),
    }
