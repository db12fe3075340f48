"""Scores of one classifier on resampled documents: a document drawn w times counts w times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from patentlab.statistics.arrays import CHUNK, Floats, booleans

Weights = NDArray[np.float32]
"""How often each document is drawn, whole numbers of shape ``(resamples, documents)``."""


def poisson_weights(documents: Sequence[int], resamples: int = 400, seed: int = 0) -> Weights:
    """How often each document is drawn in each resample, independently Poisson(1).

    A document's draws hang on its number alone, so that test sets which share documents are resampled together and
    none has to be held for the others (Chamandy, Muralidharan, Najmi and Naidu 2012, Estimating uncertainty for massive
    data streams). The size of a resample varies, and scores that are ratios of sums do not depend on it.

    Args:
        documents: A number of each, the same wherever it appears.
        resamples: Of the bootstrap.
        seed: Of the draws.
    """
    drawn = [np.random.default_rng([seed, number]).poisson(1.0, resamples) for number in documents]
    return np.array(drawn, dtype=np.float32).reshape(len(drawn), resamples).T


def resampled_f1(true: ArrayLike, predicted: ArrayLike, weights: Weights) -> tuple[Floats, Floats]:
    """Micro- and macro-F1 of resampled documents; a label without true or predicted documents has F1 = 0.

    Args:
        true: Boolean, shape ``(documents, labels)``.
        predicted: As ``true``.
        weights: As of :func:`poisson_weights`.

    Returns:
        Both of shape ``(resamples,)``.

    Raises:
        ValueError: Shapes differ, or values are not boolean.
        UndecidableError: Values are missing.
    """
    a, b = booleans(true, predicted, dimensions=2)
    return resampled_f1_of_counts(a & b, a.astype(np.float32) + b, weights)


def resampled_f1_of_counts(hits: ArrayLike, sizes: ArrayLike, weights: Weights) -> tuple[Floats, Floats]:
    """The same of counts, where a document may have a label many times, as entities of a type.

    Args:
        hits: What is true and predicted, shape ``(documents, labels)``.
        sizes: What is true, and what is predicted, added up; the same shape.
        weights: As of :func:`poisson_weights`.

    Returns:
        Micro- and macro-F1, both of shape ``(resamples,)``.
    """
    drawn_hits, drawn_sizes = (
        (weights @ np.asarray(counts, dtype=np.float32)).astype(np.float64) for counts in (hits, sizes)
    )
    micro = _f1(drawn_hits.sum(axis=1), drawn_sizes.sum(axis=1))
    return micro, _f1(drawn_hits, drawn_sizes).mean(axis=1)


def resampled_average_precision(true: ArrayLike, scores: ArrayLike, weights: Weights) -> Floats:
    """Mean average precision of resampled documents, over the labels that occur among them; 0 where none does.

    With weights of 1 it is scikit-learn's ``average_precision_score`` with ``average="macro"`` of these labels, ties
    included: the precision at the score of each true document, ``P(score >= s)`` of hits over all.

    Args:
        true: Boolean, shape ``(documents, labels)``.
        scores: The higher the likelier, of the same shape.
        weights: As of :func:`poisson_weights`.

    Returns:
        Shape ``(resamples,)``.

    Raises:
        ValueError: ``true`` has another number of dimensions, or is not boolean.
        UndecidableError: Values are missing.
    """
    (known,) = booleans(true, dimensions=2)
    ranked = np.asarray(scores)
    labels, documents = np.nonzero(known.T)  # every true pair, label by label
    precisions = np.zeros((len(weights), known.shape[1]))
    for part in _parts(len(labels), len(known)):
        label, document = labels[part], documents[part]
        above = (ranked[:, label] >= ranked[document, label]).astype(np.float32)
        retrieved, hits = weights @ above, weights @ (above * known[:, label])
        precision = np.divide(hits, retrieved, out=np.zeros_like(hits), where=retrieved > 0)
        starts = np.flatnonzero(np.diff(label, prepend=-1))
        precisions[:, label[starts]] += np.add.reduceat(weights[:, document] * precision, starts, axis=1)
    sizes = (weights @ known.astype(np.float32)).astype(np.float64)
    occurring = (sizes > 0).sum(axis=1)
    total = np.divide(precisions, sizes, out=np.zeros_like(sizes), where=sizes > 0).sum(axis=1)
    return np.asarray(np.divide(total, occurring, out=np.zeros_like(total), where=occurring > 0))


def _f1(hits: Floats, sizes: Floats) -> Floats:
    return np.divide(2 * hits, sizes, out=np.zeros_like(sizes), where=sizes > 0)


def _parts(pairs: int, documents: int) -> Iterator[slice]:
    """Parts of true pairs whose comparisons with all documents take bounded memory."""
    size = max(1, CHUNK // (3 * 4 * documents))
    for start in range(0, pairs, size):
        yield slice(start, start + size)
