"""Tests of two correlations against worked examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from patentlab.statistics.correlation_difference import (
    compare_independent,
    compare_nonoverlapping,
    compare_overlapping,
    compare_paired,
)
from patentlab.statistics.undecidable import UndecidableError

CORRELATIONS = st.floats(-0.95, 0.95)


def test_fisher_z_and_zou_interval_of_two_regimes():
    # Yousefiramandi and Cooney 2026: r = .95 and -.73; z = 6.47 needs 14 points in each regime
    found = compare_independent(0.95, 14, -0.73, 14)
    assert found.z == pytest.approx(6.47, abs=0.005)
    assert (found.low, found.high) == pytest.approx((1.262, 1.862), abs=5e-4)
    assert found.difference == pytest.approx(1.68)
    assert found.p == pytest.approx(2 * stats.norm.sf(found.z), rel=1e-12)


@pytest.mark.parametrize(
    ("r_1", "n_1", "r_2", "n_2", "z"),
    [
        (0.657, 62, 0.430, 143, 2.110737),  # Cohen, Cohen, West and Aiken 2003, p. 49, without rounding on the way
        (0.4, 100, 0.5, 100, -0.8751012342),  # stat-help.com's worksheet
    ],
)
def test_fisher_z_of_worked_examples(r_1: float, n_1: int, r_2: float, n_2: int, z: float):
    assert compare_independent(r_1, n_1, r_2, n_2).z == pytest.approx(z, abs=1e-6)


def test_zou_intervals_of_worked_examples():
    # Zou 2007, pp. 409 to 411: separate samples; one sample, overlapping; one sample, not overlapping, where the paper
    # rounds on the way and prints .500
    apart = compare_independent(0.49, 145, 0.36, 87)
    assert (apart.low, apart.high) == pytest.approx((-0.087, 0.359), abs=5e-4)
    overlapping = compare_overlapping(0.396, 0.179, 0.088, 66)
    assert (overlapping.low, overlapping.high) == pytest.approx((-0.093, 0.517), abs=5e-4)
    other = compare_nonoverlapping(0.396, 0.189, 0.208, 0.143, 0.023, 0.423, 66)
    assert (other.low, other.high) == pytest.approx((-0.096, 0.501), abs=5e-4)


@pytest.mark.parametrize(
    ("r_jk", "r_jh", "r_kh", "n", "z"),
    [
        (0.63, -0.03, -0.19, 15, 1.68),  # Meng, Rosenthal and Rubin 1992, p. 173
        (0.5, 0.2, 0.3, 50, 1.91),  # May and Hittner 1997, as the next two
        (0.5, 0.2, 0.8, 50, 3.50),
        (0.7, 0.4, 0.8, 50, 4.05),
    ],
)
def test_meng_of_worked_examples(r_jk: float, r_jh: float, r_kh: float, n: int, z: float):
    assert compare_overlapping(r_jk, r_jh, r_kh, n).z == pytest.approx(z, abs=0.005)


def test_steiger_of_worked_examples():
    # Silver, Hittner and May 2006 (depcor)
    found = compare_nonoverlapping(0.3, 0.4, r_jh=0.5, r_jm=0.8, r_kh=0.6, r_km=0.7, n=100)
    assert (found.z, 2 * stats.norm.sf(abs(found.z))) == pytest.approx((-1.0744, 0.2827), abs=5e-5)
    assert found.p == pytest.approx(0.28, abs=0.005)  # that of the interval
    # Steiger 1980, case B, p. 249, prints -1.4045, rounding on the way
    assert compare_nonoverlapping(0.5, 0.6, 0.8, 0.5, 0.5, 0.7, 103).z == pytest.approx(-1.4050, abs=5e-5)


@given(CORRELATIONS, CORRELATIONS, st.integers(4, 200), st.integers(4, 200))
def test_differences_mirror(r_1: float, r_2: float, n_1: int, n_2: int):
    found, mirrored = compare_independent(r_1, n_1, r_2, n_2), compare_independent(r_2, n_2, r_1, n_1)
    assert (found.z, found.low, found.high) == pytest.approx((-mirrored.z, -mirrored.high, -mirrored.low))
    assert found.low <= found.difference <= found.high
    assert found.low >= -2 and found.high <= 2


@given(CORRELATIONS, CORRELATIONS, st.integers(4, 200))
def test_without_correlations_between_them_dependent_tests_are_fishers_but_for_pooling(r_1: float, r_2: float, n: int):
    apart, together = compare_independent(r_1, n, r_2, n), compare_nonoverlapping(r_1, r_2, 0, 0, 0, 0, n)
    assert (together.z, together.low, together.high) == pytest.approx((apart.z, apart.low, apart.high), abs=1e-9)


def test_paired_points_choose_their_test():
    generator = np.random.default_rng(2)
    x = generator.normal(size=14)
    y_1, y_2 = x + generator.normal(size=(2, 14))
    same = compare_paired(x, y_1, x, y_2)
    r = np.corrcoef([x, y_1, y_2])
    assert same == compare_overlapping(r[0, 1], r[0, 2], r[1, 2], 14)
    assert same.test == "Meng"
    other = compare_paired(x, y_1, x + generator.normal(size=14), y_2)
    assert other.test == "Steiger"


def test_dependence_sharpens_the_test():
    # x and noise shared by both conditions: the paired test sees a difference that the test of separate samples misses
    generator = np.random.default_rng(3)
    rejected = np.zeros(2)
    for _ in range(300):
        x, noise = generator.normal(size=(2, 30))
        y_1 = 0.9 * x + 0.4 * noise + 0.2 * generator.normal(size=30)
        y_2 = 0.7 * x + 0.7 * noise + 0.2 * generator.normal(size=30)
        r_1, r_2 = np.corrcoef(x, y_1)[0, 1], np.corrcoef(x, y_2)[0, 1]
        rejected += [compare_paired(x, y_1, x, y_2).p < 0.05, compare_independent(r_1, 30, r_2, 30).p < 0.05]
    assert rejected[0] > rejected[1] + 30


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_paired_tests_hold_their_level(rho: float):
    """Both correlations are equal, and the points dependent: about 5% of tests at 5% reject."""
    generator = np.random.default_rng(4)
    covariance = np.full((4, 4), rho * 0.7) + np.diag([1 - rho * 0.7] * 4)
    covariance[0, 1] = covariance[1, 0] = covariance[2, 3] = covariance[3, 2] = rho
    rejected = [
        compare_paired(*generator.multivariate_normal(np.zeros(4), covariance, size=20).T).p < 0.05 for _ in range(1500)
    ]
    assert 0.03 < np.mean(rejected) < 0.07  # ± 3.5 standard errors of 0.0056


def test_too_few_points_give_no_difference():
    with pytest.raises(UndecidableError, match="needs at least 4 pairs, has 3"):
        compare_independent(0.5, 3, 0.2, 14)
    with pytest.raises(UndecidableError, match="exactly -1"):
        compare_independent(0.5, 14, -1.0, 14)
    with pytest.raises(UndecidableError, match="between -1 and 1"):
        compare_independent(1.5, 14, 0.0, 14)


def test_the_p_of_an_interval_is_where_it_ends_at_zero():
    generator = np.random.default_rng(3)
    x, y_1, y_2 = generator.normal(size=(3, 12))
    apart, found = compare_independent(0.8, 12, 0.1, 14), compare_paired(x, y_1, x + y_2, y_2)
    touching_apart = compare_independent(0.8, 12, 0.1, 14, 1 - apart.p_interval)
    touching_paired = compare_paired(x, y_1, x + y_2, y_2, 1 - found.p_interval)
    for touching in (touching_apart, touching_paired):
        assert min(abs(touching.low), abs(touching.high)) == pytest.approx(0, abs=1e-9)
    assert compare_independent(0.5, 10, 0.5, 20).p_interval == 1
    # Steiger's test has half its level of so few, and is told by the interval
    assert found.test == "Steiger" and found.p == found.p_interval
