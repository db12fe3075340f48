"""nDCG against a computation by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patentlab.evaluation.retrieval import label_jaccard, measure_retrieval, ndcg_at
from patentlab.protocols import Silent


def by_hand(vectors: np.ndarray, targets: np.ndarray, cutoff: int) -> float:
    values = []
    for query in range(len(targets)):
        others = [i for i in range(len(targets)) if i != query]
        own = set(np.flatnonzero(targets[query]))
        gains = {}
        for i in others:
            its = set(np.flatnonzero(targets[i]))
            gains[i] = len(own & its) / len(own | its)
        if not any(gains.values()):
            continue
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        ranked = sorted(others, key=lambda i: -float(unit[query] @ unit[i]))
        discounts = [1 / math.log2(rank + 2) for rank in range(cutoff)]
        dcg = sum(gains[i] * d for i, d in zip(ranked, discounts, strict=False))
        best = sum(g * d for g, d in zip(sorted(gains.values(), reverse=True), discounts, strict=False))
        values.append(dcg / best)
    return float(np.mean(values))


@settings(deadline=None, max_examples=25)
@given(st.integers(3, 15), st.integers(1, 12), st.integers(0, 1000))
def test_ndcg_equals_the_computation_by_hand(count: int, cutoff: int, seed: int):
    generator = np.random.default_rng(seed)
    targets = (generator.random((count, 4)) < 0.4).astype(np.int8)
    targets[:, 0] |= ~targets.any(axis=1)
    vectors = generator.normal(size=(count, 5))
    if not any((targets[i] & targets[j]).any() for i in range(count) for j in range(i)):
        return
    assert ndcg_at(vectors, targets, cutoff) == pytest.approx(by_hand(vectors, targets, cutoff))


def test_vectors_that_are_the_labels_rank_best_and_nothing_to_rank_is_no_number():
    targets = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.int8)
    assert ndcg_at(targets.astype(float), targets) == pytest.approx(1)
    assert math.isnan(ndcg_at(np.eye(2), np.eye(2, dtype=np.int8)))


def test_overlap_of_label_sets():
    targets = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 0]], dtype=np.int8)
    assert label_jaccard(targets).tolist() == [[1, 1 / 3, 1], [1 / 3, 1, 1 / 3], [1, 1 / 3, 1]]


def test_what_has_no_vectors_or_nothing_to_rank_is_not_measured():
    class Embedding:
        def embed(self, texts: list[str], progress: object) -> np.ndarray:
            return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    targets = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.int8)
    texts = ["a", "a", "aaaa", "aaaa"]
    assert measure_retrieval(Embedding(), texts, targets, "after", Silent()) == {"ndcg_at_10_after": pytest.approx(1)}
    assert measure_retrieval(object(), texts, targets, "after", Silent()) == {}
    without = np.vstack([targets[:3], [[0, 0]]]).astype(np.int8)
    assert measure_retrieval(Embedding(), texts, without, "after", Silent()) == {}
    assert measure_retrieval(Embedding(), texts[:2], np.eye(2, dtype=np.int8), "after", Silent()) == {}


def test_two_documents_are_no_ranking():
    assert np.isnan(ndcg_at(np.eye(2), np.ones((2, 1), dtype=np.int8)))
