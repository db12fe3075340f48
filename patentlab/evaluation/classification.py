"""Multi-label and single-label classification: scores to decisions, decisions to metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    hamming_loss,
    label_ranking_average_precision_score,
    precision_recall_fscore_support,
)

from patentlab.corpus import Document, LabelSpace
from patentlab.evaluation.calibration import brier_score, expected_calibration_error
from patentlab.protocols import Scores, Targets

DEFAULT_THRESHOLD = 0.5


def decide(scores: Scores, threshold: float, single: bool) -> Targets:
    """Turn scores into decisions.

    Args:
        scores: Probabilities of shape ``(documents, labels)``.
        threshold: A label is given where its score is at least this.
        single: Give the label with the highest score instead, whatever the threshold.

    Returns:
        Zeros and ones of the same shape.
    """
    if single:
        decisions = np.zeros(scores.shape, dtype=np.int8)
        decisions[np.arange(len(scores)), scores.argmax(axis=1)] = 1
        return decisions
    # numpy would round a Python float to the scores' precision, onto one of them where two are neighbours
    return (scores >= np.float64(threshold)).astype(np.int8)


def choose_threshold(targets: Targets, scores: Scores, monitor: str = "f1_micro", single: bool = False) -> float:
    """The one threshold for all labels that scores best.

    For micro-F1 every cut between two neighbouring scores is tried; for macro-F1 a hundred quantiles of the scores.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``; validation documents, never test documents.
        scores: Probabilities of the same shape.
        monitor: ``f1_micro`` or ``f1_macro``.
        single: Decisions do not depend on a threshold.

    Returns:
        The midpoint between the two scores around the best cut; 0.5 where it is as good as any.
    """
    if single:
        return DEFAULT_THRESHOLD
    cuts = _cuts(scores)
    if monitor == "f1_micro":
        values = _micro_f1_at(targets, scores, cuts)
    else:
        cuts = np.unique(np.quantile(cuts, np.linspace(0, 1, 100), method="nearest")) if len(cuts) > 100 else cuts
        values = np.array([f1_score(targets, scores >= cut, average="macro", zero_division=0) for cut in cuts])
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


def metrics(targets: Targets, decisions: Targets) -> dict[str, float]:
    """Metrics of decisions (scikit-learn; undefined values count as 0).

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        decisions: The same shape.

    Returns:
        F1 (micro, macro, weighted by support, and mean over documents), precision and recall (micro, macro), accuracy
        (documents whose labels are exactly right) and Hamming loss, between 0 and 1.
    """
    values: dict[str, float] = {}
    for average in ("micro", "macro", "weighted", "samples"):
        precision, recall, f1, _ = precision_recall_fscore_support(targets, decisions, average=average, zero_division=0)
        values[f"f1_{average}"] = float(f1)
        if average in ("micro", "macro"):
            values |= {f"precision_{average}": float(precision), f"recall_{average}": float(recall)}
    values["accuracy"] = float(accuracy_score(targets, decisions))
    values["hamming_loss"] = float(hamming_loss(targets, decisions))
    return values


def score_metrics(targets: Targets, scores: Scores, single: bool) -> dict[str, float]:
    """Metrics of scores that need no threshold.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        scores: Probabilities of the same shape.
        single: Whether a document has exactly one label.

    Returns:
        Mean average precision (over labels that occur, and over all pairs), label ranking average precision, expected
        calibration error and Brier score.
    """
    occurring = targets.any(axis=0)
    some = occurring.any()
    return {
        "map_macro": float(average_precision_score(targets[:, occurring], scores[:, occurring])) if some else 0.0,
        "map_micro": float(average_precision_score(targets, scores, average="micro")) if some else 0.0,
        "lrap": float(label_ranking_average_precision_score(targets, scores)),
        "ece": expected_calibration_error(targets, scores, single),
        "brier": brier_score(targets, scores, single),
    }


def evaluate(targets: Targets, scores: Scores, threshold: float, single: bool) -> dict[str, float]:
    """Metrics of scores, and of the decisions at a threshold.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        scores: Probabilities of the same shape.
        threshold: See :func:`decide`.
        single: See :func:`decide`.

    Returns:
        As :func:`metrics` and :func:`score_metrics`.
    """
    return metrics(targets, decide(scores, threshold, single)) | score_metrics(targets, scores, single)


def evaluate_at_best(targets: Targets, scores: Scores, *, monitor: str, single: bool) -> dict[str, float]:
    """Metrics at the threshold that suits these very documents best: for validation documents, never for test ones.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        scores: Probabilities of the same shape.
        monitor: See :func:`choose_threshold`.
        single: See :func:`decide`.

    Returns:
        As :func:`metrics`.
    """
    return evaluate(targets, scores, choose_threshold(targets, scores, monitor, single), single)


def per_label(targets: Targets, decisions: Targets, names: Sequence[str]) -> pd.DataFrame:
    """Precision, recall, F1 and support of each label.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        decisions: The same shape.
        names: The labels, in order.

    Returns:
        A row per label: ``label, precision, recall, f1, support, predicted``.
    """
    precision, recall, f1, support = precision_recall_fscore_support(targets, decisions, average=None, zero_division=0)
    return pd.DataFrame(
        {
            "label": list(names),
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "support": support,
            "predicted": decisions.sum(axis=0),
        }
    )


def confusions(targets: Targets, decisions: Targets, names: Sequence[str]) -> pd.DataFrame:
    """What documents with a label were taken for.

    For a single-label task this is the confusion matrix, a row a cell.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        decisions: The same shape.
        names: The labels, in order.

    Returns:
        ``label, given, documents, share``: documents with a label that were given another, which they do not have; and
        those that were given the label itself. The share is of the documents with the label. Cells with 0 are left out.
    """
    true, decided = targets.astype(np.int64), decisions.astype(np.int64)
    counts = true.T @ (decided * (1 - true))
    np.fill_diagonal(counts, (true * decided).sum(axis=0))
    rows, columns = np.nonzero(counts)
    label, given = (np.array(names, dtype=object)[positions] for positions in (rows, columns))
    documents = counts[rows, columns]
    return pd.DataFrame(
        {"label": label, "given": given, "documents": documents, "share": documents / true.sum(axis=0)[rows]}
    )


def prediction_table(
    name: str, documents: Sequence[Document], labels: LabelSpace, scores: Scores, threshold: float
) -> pd.DataFrame:
    """Every decision, to be looked at or tested later.

    Args:
        name: Of the set of documents.
        documents: In the order of the scores.
        labels: The columns of the scores.
        scores: Probabilities of shape ``(documents, labels)``.
        threshold: See :func:`decide`.

    Returns:
        A row per document: ``id, set, labels, predicted, scores``.
    """
    predicted = labels.decode(decide(scores, threshold, labels.single))
    return pd.DataFrame(
        {
            "id": [document.id for document in documents],
            "set": name,
            "labels": [list(document.labels) for document in documents],
            "predicted": [list(names) for names in predicted],
            "scores": list(scores),
        }
    )
