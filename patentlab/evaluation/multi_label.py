"""Several labels a document: scores to decisions at one threshold, and what such scores are worth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from patentlab.evaluation import classification
from patentlab.evaluation.calibration import expected_calibration_error
from patentlab.protocols import Scores, Targets

DEFAULT_THRESHOLD = 0.5
_DIGITS = 12


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

    Every cut between two neighbouring scores is tried; of several that are best the lowest is taken.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``; validation documents, never test documents.
        scores: Probabilities of the same shape.
        monitor: ``f1_micro`` or ``f1_macro``.

    Returns:
        The midpoint between the two scores around the best cut; 0.5 where it is as good as any.
    """
    from sklearn.metrics import f1_score

    cuts = _cuts(scores)
    at = _micro_f1_at if monitor == "f1_micro" else _macro_f1_at
    values = at(targets, scores, cuts).round(_DIGITS)  # sums in another order are no other values
    default = f1_score(targets, scores >= DEFAULT_THRESHOLD, average=monitor.removeprefix("f1_"), zero_division=0)
    if not len(values) or round(default, _DIGITS) >= values.max():
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
    order = np.argsort(-scores, axis=0, kind="stable")
    hits = np.cumsum(np.take_along_axis(targets, order, axis=0), axis=0, dtype=np.int64)
    predicted = np.arange(1, len(scores) + 1)[:, None]
    f1 = 2 * hits / (predicted + targets.sum(axis=0, dtype=np.int64))
    # what each pair of document and label adds when it is let through, after those of its label that score higher
    steps = np.empty_like(f1)
    np.put_along_axis(steps, order, np.diff(f1, axis=0, prepend=0), axis=0)
    ranked = np.argsort(-scores, axis=None, kind="stable")
    sums = np.concatenate([[0], np.cumsum(steps.ravel()[ranked])])
    through = scores.size - np.searchsorted(np.sort(scores, axis=None).astype(np.float64), cuts)
    return np.asarray(sums[through] / scores.shape[1])


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
        and label, their Brier score, and ``unparsable`` where answers were written.
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
        **classification.unparsable(scores),
    }
