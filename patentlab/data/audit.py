"""Duplicates among documents: the same text, nearly the same text, and text in much the same words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SHINGLE_WORDS = 3
TERMS = 10
"""Different words, stop words not counted, that a text needs for the cosine with another to say something: short ones
such as questions to an assistant differ in a word or two by nature, and grow together into chains."""

_PERMUTATIONS = 128
_MISSED = 1e-4  # of pairs just at the threshold, the share that may be missed


def same_text(texts: Sequence[str]) -> NDArray[np.int64]:
    """Group texts that are the same but for case and white space.

    Args:
        texts: Any texts.

    Returns:
        The group of each text, shape ``(texts,)``, numbered by first occurrence.
    """
    groups: dict[str, int] = {}
    return np.array([groups.setdefault(_normal(text), len(groups)) for text in texts], dtype=np.int64)


def similar_text(texts: Sequence[str], threshold: float) -> NDArray[np.int64]:
    """Group texts that are the same, or whose word 3-grams overlap by at least a Jaccard similarity.

    Pairs are proposed by MinHash and locality-sensitive hashing (Broder 1997; datasketch), which misses fewer than one
    in 10,000 of those at the threshold and still fewer above it, and then checked exactly. Groups are the connected
    components, so two texts of a group may be less alike than the threshold.

    Args:
        texts: Any texts.
        threshold: Above 0, at most 1.

    Returns:
        The group of each text, shape ``(texts,)``, numbered by first occurrence.
    """
    same = same_text(texts)
    _, first = np.unique(same, return_index=True)
    distinct = [shingles(texts[position]) for position in first]
    pairs = np.array(_similar_pairs(distinct, threshold), dtype=np.int64).reshape(-1, 2)
    return _grown_together(same, pairs)


def close_text(texts: Sequence[str], cosine: float) -> NDArray[np.int64]:
    """Group texts that are the same, or use much the same words: the cosine of their TF-IDF vectors is large.

    Finds continuations that were written anew, whose 3-grams hardly overlap. Logarithms of counts, English stop words
    left out, inverse document frequencies of these texts. Texts with fewer than :data:`TERMS` different words are
    compared for equality alone. Groups are connected components; time grows with the square of the number of texts.

    Args:
        texts: Any texts.
        cosine: Above 0, at most 1.

    Returns:
        The group of each text, shape ``(texts,)``, numbered by first occurrence.
    """
    from sklearn.neighbors import NearestNeighbors

    same = same_text(texts)
    _, first = np.unique(same, return_index=True)
    vectors, telling = _term_vectors([texts[one] for one in first])
    if not len(telling):
        return same
    index = NearestNeighbors(radius=1 - cosine, metric="cosine", algorithm="brute").fit(vectors[telling])
    near = index.radius_neighbors_graph().tocoo()
    return _grown_together(same, telling[np.stack([near.row, near.col], axis=1)])


def close_to(texts: Sequence[str], others: Sequence[str], cosine: float) -> NDArray[np.bool_]:
    """Which texts use much the same words as one of the others, as of :func:`close_text` but for chains of texts.

    Texts are not compared among themselves: time grows with the product of the two numbers.

    Args:
        texts: Any texts.
        others: What they are held against.
        cosine: Above 0, at most 1.

    Returns:
        Shape ``(texts,)``.
    """
    from sklearn.neighbors import NearestNeighbors

    vectors, telling = _term_vectors([*others, *texts])
    found = np.zeros(len(texts), dtype=bool)
    held, asked = telling[telling < len(others)], telling[telling >= len(others)]
    if len(held) and len(asked):
        index = NearestNeighbors(n_neighbors=1, metric="cosine", algorithm="brute").fit(vectors[held])
        found[asked - len(others)] = index.kneighbors(vectors[asked])[0][:, 0] <= 1 - cosine
    return found


def _term_vectors(texts: Sequence[str]) -> tuple[Any, NDArray[np.int64]]:
    """TF-IDF vectors, a sparse row a text, and the positions of those with words enough to be compared by them."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit_transform(texts)
    except ValueError:  # no text has a word
        return None, np.array([], dtype=np.int64)
    return vectors, np.flatnonzero(np.diff(vectors.indptr) >= TERMS)


def together(*groupings: NDArray[np.int64]) -> NDArray[np.int64]:
    """The finest grouping in which whatever is together in one of these is together.

    Args:
        groupings: Each of shape ``(texts,)``.

    Returns:
        The group of each text, shape ``(texts,)``, numbered by first occurrence.
    """
    joined, *others = groupings
    for other in others:
        _, first = np.unique(other, return_index=True)
        joined = _grown_together(joined, np.stack([joined, joined[first[other]]], axis=1))
    return joined


def _grown_together(groups: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Groups of which pairs, shape ``(pairs, 2)``, become one, as connected components."""
    count = int(groups.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(int(component[group]), len(numbers)) for group in groups], dtype=np.int64)


def shingles(text: str) -> frozenset[str]:
    """Runs of three words of a text; of a shorter text, all of it.

    Args:
        text: Any text; case and white space do not count.

    Returns:
        At least one.
    """
    words = _normal(text).split(" ")
    runs = zip(*(words[start:] for start in range(SHINGLE_WORDS)), strict=False)
    return frozenset(" ".join(run) for run in runs) or frozenset([" ".join(words)])


class SimilarityIndex:
    """Texts by their word 3-grams, and which of them are like another; see :func:`similar_text`.

    Args:
        threshold: Jaccard similarity, above 0, at most 1.
    """

    def __init__(self, threshold: float) -> None:
        from datasketch import MinHash, MinHashLSH

        self.threshold = threshold
        self._empty = MinHash(num_perm=_PERMUTATIONS, seed=1)  # to draw its permutations takes longer than to hash
        self._index = MinHashLSH(params=_bands(threshold), num_perm=_PERMUTATIONS)
        self._sets: list[frozenset[str]] = []
        self._hashed: tuple[frozenset[str], Any] | None = None

    def add(self, members: frozenset[str]) -> None:
        """Take up a text's 3-grams; texts are numbered from 0."""
        self._index.insert(len(self._sets), self._hash(members), check_duplication=False)
        self._sets.append(members)

    def similar(self, members: frozenset[str]) -> list[int]:
        """Numbers of the texts that are as similar as the threshold to one with these 3-grams."""
        candidates = self._index.query(self._hash(members))
        return [number for number in candidates if jaccard(self._sets[number], members) >= self.threshold]

    def _hash(self, members: frozenset[str]) -> Any:
        if self._hashed is None or self._hashed[0] is not members:  # who asks usually adds next
            hashed = self._empty.copy()
            hashed.update_batch([item.encode() for item in members])
            self._hashed = members, hashed
        return self._hashed[1]


def _similar_pairs(sets: Sequence[frozenset[str]], threshold: float) -> list[tuple[int, int]]:
    index = SimilarityIndex(threshold)
    pairs = []
    for position, members in enumerate(sets):
        pairs += [(other, position) for other in index.similar(members)]
        index.add(members)
    return pairs


def _bands(threshold: float) -> tuple[int, int]:
    """Bands and rows a band: as many rows, and so as few proposals, as a pair at the threshold may still be found with.

    A pair of similarity s shares a band with probability 1 − (1 − s^rows)^bands (Leskovec et al., Mining of Massive
    Datasets, section 3.4.2).
    """
    for rows in range(_PERMUTATIONS // 2, 0, -1):  # the library wants two bands at least
        bands = _PERMUTATIONS // rows
        if (1 - threshold**rows) ** bands <= _MISSED:
            return bands, rows
    return _PERMUTATIONS, 1


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """Shared members as a share of all members of two sets that are not both empty."""
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared)


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
