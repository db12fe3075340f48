"""Scores of resampled documents against scikit-learn, with documents repeated as often as they are drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from patentlab.evaluation.classification import map_macro
from patentlab.statistics import resampled_scores
from patentlab.statistics.resampled_scores import poisson_weights, resampled_average_precision, resampled_f1
from patentlab.statistics.undecidable import UndecidableError


def drawn(documents: int, labels: int, seed: int, levels: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """True labels, one of which nobody has, and scores with ties."""
    generator = np.random.default_rng(seed)
    true = generator.random((documents, labels)) < 0.3
    true[:, 0] = False
    return true, (generator.integers(levels, size=true.shape) / levels).astype(np.float32)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(2, 5))
def test_a_document_that_is_drawn_twice_counts_twice(seed: int, documents: int, labels: int):
    true, scores = drawn(documents, labels, seed)
    predicted = scores > 0.5
    weights = poisson_weights(range(documents), resamples=6, seed=seed)
    micro, macro = resampled_f1(true, predicted, weights)
    precision = resampled_average_precision(true, scores, weights)
    for row, counts in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(documents), counts)
        if not len(rows):
            assert (micro[row], macro[row], precision[row]) == (0, 0, 0)
            continue
        assert micro[row] == pytest.approx(f1_score(true[rows], predicted[rows], average="micro", zero_division=0))
        assert macro[row] == pytest.approx(f1_score(true[rows], predicted[rows], average="macro", zero_division=0))
        expected = map_macro(true[rows].astype(np.int8), predicted[rows].astype(np.int8), scores[rows])
        assert precision[row] == pytest.approx(expected, rel=1e-5)


def test_whole_documents_give_the_score_itself_in_parts_too(monkeypatch: pytest.MonkeyPatch):
    true, scores = drawn(40, 6, 3)
    ones = np.ones((1, 40), np.float32)
    expected = average_precision_score(true[:, 1:], scores[:, 1:])
    assert resampled_average_precision(true, scores, ones) == pytest.approx([expected], rel=1e-6)
    monkeypatch.setattr(resampled_scores, "CHUNK", 12 * 40 * 7)  # seven true pairs at a time
    assert resampled_average_precision(true, scores, ones) == pytest.approx([expected], rel=1e-6)


def test_a_document_has_the_same_draws_wherever_it_is():
    first, second = poisson_weights([5, 2**60, 7], 2_000), poisson_weights([7, 9, 5], 2_000)
    assert np.array_equal(first[:, [0, 2]], second[:, [2, 0]])
    assert first.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.1)
    assert np.abs(np.cov(first.T) - np.eye(3)).max() < 0.15
    assert not np.array_equal(first, poisson_weights([5, 2**60, 7], 2_000, seed=1))
    assert poisson_weights([], 3).shape == (3, 0)


def test_what_is_no_label_is_refused():
    weights = poisson_weights(range(4), 2)
    with pytest.raises(ValueError, match="true or false"):
        resampled_average_precision(np.full((4, 1), 2), np.zeros((4, 1)), weights)
    with pytest.raises(UndecidableError, match="missing"):
        resampled_f1(np.full((4, 1), np.nan), np.zeros((4, 1)), weights)
