"""Retrieval: whether documents with like labels lie close together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from patentlab.protocols import Embeds, Progress, Targets

CUTOFF = 10
_MOST = 3000  # documents; every one is compared with every other


def label_jaccard(targets: Targets) -> NDArray[np.float64]:
    """Overlap of the label sets of every two documents.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``; every document has a label.

    Returns:
        Shape ``(documents, documents)``, from 0 to 1.
    """
    ones = targets.astype(np.float64)
    shared = ones @ ones.T
    sizes = ones.sum(axis=1)
    return np.asarray(shared / (sizes[:, None] + sizes[None, :] - shared))


def ndcg_at(vectors: NDArray[np.floating], targets: Targets, cutoff: int = CUTOFF) -> float:
    """NDCG of ranking, for each document, all others by cosine similarity (Järvelin and Kekäläinen 2002).

    The gain of a document is the Jaccard overlap of its label set with the query's. Queries that share no label with
    any other document have no ranking to miss, and are left out.

    Args:
        vectors: Shape ``(documents, width)``.
        targets: Zeros and ones of shape ``(documents, labels)``.
        cutoff: Ranks that count.

    Returns:
        The mean over queries, from 0 to 1; NaN where there is no query, or no two documents to rank for it.
    """
    from sklearn.metrics import ndcg_score

    vectors, targets = vectors[:_MOST], targets[:_MOST]
    if len(targets) < 3:
        return float("nan")
    relevance = label_jaccard(targets)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarity = (unit @ unit.T).astype(np.float64)
    others = ~np.eye(len(targets), dtype=bool)
    gains, scores = (matrix[others].reshape(len(targets), -1) for matrix in (relevance, similarity))
    queries = gains.max(axis=1) > 0
    return float(ndcg_score(gains[queries], scores[queries], k=cutoff)) if queries.any() else float("nan")


def measure_retrieval(
    classifier: object, texts: list[str], targets: Targets, when: str, progress: Progress
) -> dict[str, float]:
    """NDCG@10 of a classifier's vectors.

    Args:
        classifier: May have vectors.
        texts: Any.
        targets: Which labels they have, zeros and ones of shape ``(texts, labels)``.
        when: Part of the metric's name: ``before`` or ``after`` training.
        progress: Shows the vectors coming.

    Returns:
        As of :func:`ndcg_at`, under its name; nothing where the classifier has no vectors, a text no label, or there is
        no query.
    """
    if not isinstance(classifier, Embeds) or not targets.any(axis=1).all():
        return {}
    value = ndcg_at(classifier.embed(texts, progress), targets)
    return {} if np.isnan(value) else {f"ndcg_at_10_{when}": value}
