import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import brier_score_loss

from patentlab.evaluation import multi_label, single_label
from patentlab.evaluation.calibration import expected_calibration_error

TARGETS = arrays(np.int8, (20, 3), elements=st.integers(0, 1))
SCORES = arrays(np.float32, (20, 3), elements=st.floats(0, 1, width=32))


def reference(outcomes: list[float], stated: list[float], bins: int) -> float:
    """Guo et al. 2017, equation 3, bin by bin: each holds what is above its lower edge and at most its upper."""
    total = 0.0
    for index in range(bins):
        low, high = index / bins, (index + 1) / bins
        inside = [k for k, p in enumerate(stated) if low < p <= high or (index == 0 and p == 0)]
        if inside:
            gap = np.mean([outcomes[k] for k in inside]) - np.mean([stated[k] for k in inside])
            total += len(inside) / len(stated) * abs(float(gap))
    return float(total)


@given(TARGETS, SCORES, st.sampled_from([1, 4, 8]))
def test_calibration_error_of_labels_by_themselves(targets: np.ndarray, scores: np.ndarray, bins: int):
    expected = reference(targets.ravel().tolist(), scores.ravel().tolist(), bins)
    assert expected_calibration_error(scores.ravel(), targets.ravel(), bins) == pytest.approx(expected, abs=1e-9)


@given(arrays(np.int64, (20,), elements=st.integers(0, 2)), SCORES)
def test_calibration_error_of_the_best_label(true: np.ndarray, scores: np.ndarray):
    scores[scores.max(axis=1) <= 0] = 0.1  # where no label has any probability none is given
    best = scores.argmax(axis=1)
    expected = reference((best == true).astype(float).tolist(), scores.max(axis=1).tolist(), 8)
    targets = np.eye(3, dtype=np.int8)[true]
    assert expected_calibration_error(scores.max(axis=1), best == true, 8) == pytest.approx(expected, abs=1e-9)
    at_15_bins = reference((best == true).astype(float).tolist(), scores.max(axis=1).tolist(), 15)
    assert single_label.evaluate(targets, scores)["ece"] == pytest.approx(at_15_bins, abs=1e-9)


def test_a_perfect_and_a_hopeless_answer():
    targets = np.array([[1, 0], [0, 1]], dtype=np.int8)
    right, wrong = targets.astype(np.float32), (1 - targets).astype(np.float32)
    for evaluate in (single_label.evaluate, lambda t, s: multi_label.evaluate(t, s, 0.5)):
        assert evaluate(targets, right)["ece"] == 0
        assert evaluate(targets, wrong)["ece"] == 1
        assert evaluate(targets, right)["brier"] == 0


@given(TARGETS, SCORES)
def test_brier_is_scikit_learns_over_all_pairs(targets: np.ndarray, scores: np.ndarray):
    expected = brier_score_loss(targets.ravel(), scores.ravel(), pos_label=1)
    assert multi_label.brier_score(targets, scores) == pytest.approx(expected, abs=1e-6)


def test_brier_of_classes_is_the_sum_over_them():
    targets = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.int8)
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]], dtype=np.float32)
    assert single_label.brier_score(targets, scores) == pytest.approx((0.38 + 0.06) / 2)
