"""Measures of fidelity against direct computations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm

from patentlab.fidelity.measures import (
    compression_ratio,
    distinct_n,
    frechet_distance,
    median_bandwidth,
    mmd2,
    mmd2_interval,
    mmd2_test,
    self_overlap,
)


def direct_mmd2(x: np.ndarray, y: np.ndarray, sigma: float) -> float:
    """The sums of lemma 6, term by term."""

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-np.sum((a - b) ** 2) / (2 * sigma**2)))

    m, n = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    within_y = sum(k(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    across = sum(k(a, b) for a in x for b in y) / (m * n)
    return within_x + within_y - 2 * across


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 5), st.floats(0.1, 5), st.integers(0, 1000))
def test_mmd2_equals_the_direct_sums(size: int, other: int, width: int, sigma: float, seed: int):
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(size, width)), generator.normal(1, 2, size=(other, width))
    assert mmd2(x, y, sigma) == pytest.approx(direct_mmd2(x, y, sigma), abs=1e-6)
    assert mmd2_test(x, y, sigma, 9)[0] == pytest.approx(direct_mmd2(x, y, sigma), abs=1e-6)


def permutation_p_by_hand(x: np.ndarray, y: np.ndarray, sigma: float, permutations: int, seed: int) -> float:
    both, generator, m = np.concatenate([x, y]), np.random.default_rng(seed), len(x)
    observed = direct_mmd2(x, y, sigma)
    dealt = [both[generator.permutation(len(both))] for _ in range(permutations)]
    return (1 + sum(direct_mmd2(d[:m], d[m:], sigma) >= observed - 1e-12 for d in dealt)) / (1 + permutations)


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_the_p_value_equals_that_of_dealing_by_hand(shift: float):
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(9, 2)), generator.normal(shift, 1, size=(14, 2))
    assert mmd2_test(x, y, 1.5, 60, 4)[1] == pytest.approx(permutation_p_by_hand(x, y, 1.5, 60, 4), abs=1e-6)


def test_the_estimate_has_no_bias_and_p_is_uniform_for_equal_distributions():
    generator = np.random.default_rng(0)
    values, ps = [], []
    for seed in range(400):
        x, y = generator.normal(size=(10, 3)), generator.normal(size=(25, 3))
        value, p = mmd2_test(x, y, 1.7, 99, seed)
        values.append(value)
        ps.append(p)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    # p takes the values 0.01, 0.02, …: spread them over their steps before comparing with a continuous distribution
    spread = np.array(ps) - generator.random(len(ps)) / 100
    assert kstest(spread, "uniform").pvalue > 0.01


def test_a_shift_is_detected_and_a_larger_one_is_larger():
    generator = np.random.default_rng(1)
    reference = generator.normal(size=(60, 8))
    sigma = median_bandwidth(reference)
    found = [mmd2_test(generator.normal(shift, 1, size=(60, 8)), reference, sigma, 199) for shift in (0.5, 1.0, 2.0)]
    assert [p for _, p in found] == [pytest.approx(0.005)] * 3
    assert found[0][0] < found[1][0] < found[2][0]


def test_the_interval_is_that_of_leaving_each_vector_out():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(7, 2)), generator.normal(1, 1, size=(11, 2))
    variance = 0.0
    for own, other in ((x, y), (y, x)):
        without = [direct_mmd2(np.delete(own, i, axis=0), other, 1.5) for i in range(len(own))]
        variance += float((len(own) - 1) ** 2 / len(own) * np.var(without, ddof=1))
    half = norm.ppf(0.95) * np.sqrt(variance)
    estimate = direct_mmd2(x, y, 1.5)
    assert mmd2_interval(x, y, 1.5, 0.9) == pytest.approx((estimate - half, estimate + half))


def test_the_interval_covers_what_is_estimated():
    generator = np.random.default_rng(1)
    true = mmd2(generator.normal(size=(4000, 3)), generator.normal(0.7, 1, size=(4000, 3)), 1.7)
    held = 0
    for _ in range(300):
        low, high = mmd2_interval(generator.normal(size=(40, 3)), generator.normal(0.7, 1, size=(150, 3)), 1.7)
        held += low <= true <= high
    assert held / 300 > 0.91


def test_samples_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="three vectors at least, not 2 and 5"):
        mmd2_interval(np.zeros((2, 2)), np.zeros((5, 2)), 1.0)
    with pytest.raises(ValueError, match="two vectors at least"):
        mmd2(np.zeros((1, 2)), np.zeros((1, 2)), 1.0)
    with pytest.raises(ValueError, match="median distance is 0"):
        median_bandwidth(np.zeros((4, 2)))


def test_the_median_bandwidth_is_the_median_of_all_pairs():
    points = np.array([[0.0], [1.0], [3.0]])  # distances 1, 2, 3
    assert median_bandwidth(points) == 2


def test_frechet_distance_of_known_gaussians():
    generator = np.random.default_rng(2)
    x = generator.normal(size=(4000, 3)) * [1, 2, 3]
    y = generator.normal(size=(4000, 3)) * [2, 2, 1] + [1, 0, 0]
    # with diagonal covariances: |μ₁ − μ₂|² + Σ (σ₁ − σ₂)² (Dowson and Landau 1982)
    assert frechet_distance(x, y) == pytest.approx(1 + 1 + 0 + 4, rel=0.1)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-8)


def test_lexical_measures():
    assert distinct_n(["a b a b", "a b"], 2) == 2 / 4  # ab, ba, ab | ab
    assert distinct_n([], 2) == 0
    assert self_overlap(["a b c d e", "a b c d x", "q r s t u"]) == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert compression_ratio(["the same text over and over"] * 20) > 5 > compression_ratio(["abcdefgh"])
