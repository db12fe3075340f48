"""Classification of documents, with one label or several: metrics by name, and tables by label.

A metric of your own is a function that registers itself, in a module of this package or of another:

    @METRICS.add("jaccard")
    def jaccard(targets, decisions, scores):
        ...

Every run's record has it from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from patentlab.config.registry import METRICS
from patentlab.protocols import Scores, Targets

if TYPE_CHECKING:
    import pandas as pd

Metric = Callable[[Targets, Targets, Scores], float]
"""Targets, decisions (zeros and ones of shape ``(documents, labels)``) and probabilities of that shape → a number."""


def evaluate(
    targets: Targets, decisions: Targets, scores: Scores, names: Collection[str] | None = None
) -> dict[str, float]:
    """All registered metrics, or some.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        decisions: The same shape.
        scores: Probabilities of that shape.
        names: Of the metrics; None for all.

    Returns:
        Those of this module are scikit-learn's, with undefined values as 0: F1 (micro, macro, weighted by support,
        and mean over documents), precision and recall (micro, macro), accuracy (documents whose labels are exactly
        right) and Hamming loss, of the decisions; mean average precision and label ranking average precision, of the
        scores.
    """
    wanted = {name: metric for name, metric in METRICS.items() if names is None or name in names}
    return {name: metric(targets, decisions, scores) for name, metric in wanted.items()}


def unparsable(scores: Scores) -> dict[str, float]:
    """The share of documents whose written answer names no label.

    Args:
        scores: Shape ``(documents, labels)``.

    Returns:
        ``unparsable``, where answers were written: all scores are zeros and ones; else nothing.
    """
    written = len(scores) > 0 and bool(np.isin(scores, (0, 1)).all())
    return {"unparsable": float((scores.max(axis=1) <= 0).mean())} if written else {}


def _of_decisions(function: str, **options: object) -> Metric:
    """A metric of scikit-learn that looks at decisions."""

    def metric(targets: Targets, decisions: Targets, scores: Scores) -> float:
        import sklearn.metrics

        return float(getattr(sklearn.metrics, function)(targets, decisions, **options))

    return metric


for _average in ("micro", "macro", "weighted", "samples"):
    METRICS.add(f"f1_{_average}")(_of_decisions("f1_score", average=_average, zero_division=0))
    if _average in ("micro", "macro"):
        METRICS.add(f"precision_{_average}")(_of_decisions("precision_score", average=_average, zero_division=0))
        METRICS.add(f"recall_{_average}")(_of_decisions("recall_score", average=_average, zero_division=0))
METRICS.add("accuracy")(_of_decisions("accuracy_score"))
METRICS.add("hamming_loss")(_of_decisions("hamming_loss"))


@METRICS.add("map_macro")
def map_macro(targets: Targets, decisions: Targets, scores: Scores) -> float:
    """Mean average precision over the labels that occur; 0 where none does."""
    from sklearn.metrics import average_precision_score

    occurring = targets.any(axis=0)
    return float(average_precision_score(targets[:, occurring], scores[:, occurring])) if occurring.any() else 0.0


@METRICS.add("map_micro")
def map_micro(targets: Targets, decisions: Targets, scores: Scores) -> float:
    """Average precision over all pairs of document and label; 0 where no label occurs."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(targets, scores, average="micro")) if targets.any() else 0.0


@METRICS.add("lrap")
def lrap(targets: Targets, decisions: Targets, scores: Scores) -> float:
    """Label ranking average precision."""
    from sklearn.metrics import label_ranking_average_precision_score

    return float(label_ranking_average_precision_score(targets, scores))


def per_label(targets: Targets, decisions: Targets, names: Sequence[str]) -> pd.DataFrame:
    """Precision, recall, F1 and support of each label.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        decisions: The same shape.
        names: The labels, in order.

    Returns:
        A row per label: ``label, precision, recall, f1, support, predicted``.
    """
    import pandas as pd
    from sklearn.metrics import precision_recall_fscore_support

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

    Where each document has exactly one label this is the confusion matrix, a row a cell.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        decisions: The same shape.
        names: The labels, in order.

    Returns:
        ``label, given, documents, share``: documents with a label that were given another, which they do not have; and
        those that were given the label itself. The share is of the documents with the label. Cells with 0 are left out.
    """
    import pandas as pd

    true, decided = targets.astype(np.int64), decisions.astype(np.int64)
    counts = true.T @ (decided * (1 - true))
    np.fill_diagonal(counts, (true * decided).sum(axis=0))
    rows, columns = np.nonzero(counts)
    label, given = (np.array(names, dtype=object)[positions] for positions in (rows, columns))
    documents = counts[rows, columns]
    return pd.DataFrame(
        {"label": label, "given": given, "documents": documents, "share": documents / true.sum(axis=0)[rows]}
    )
