import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import TTestPower

from patentlab.statistics.power import (
    correlation_power,
    mean_power,
    points_for_correlation,
    points_for_correlations,
    pooled_sd,
    sd_interval,
    seeds_for_difference,
    smallest_correlation_difference,
    smallest_mean_difference,
    smallest_mean_differences,
)
from patentlab.statistics.undecidable import UndecidableError


@pytest.mark.parametrize(("difference", "sd", "n"), [(0.02, 0.015, 5), (0.5, 1.0, 34), (0.1, 0.05, 3)])
def test_power_of_paired_differences_is_that_of_statsmodels(difference: float, sd: float, n: int):
    reference = TTestPower()
    assert mean_power(difference, sd, n) == pytest.approx(reference.power(difference / sd, n, 0.05), rel=1e-6)
    smallest = smallest_mean_difference(sd, n)
    assert smallest == pytest.approx(sd * reference.solve_power(nobs=n, alpha=0.05, power=0.8), rel=1e-5)
    assert mean_power(smallest, sd, n) == pytest.approx(0.8, abs=1e-6)


def test_seeds_for_a_difference():
    assert seeds_for_difference(0.5, 1.0) == 34  # Cohen 1988's d = 0.5, paired
    exact = TTestPower().solve_power(effect_size=0.02 / 0.015, alpha=0.05, power=0.8)
    assert seeds_for_difference(0.02, 0.015) == np.ceil(exact)
    assert seeds_for_difference(-0.02, 0.015) == seeds_for_difference(0.02, 0.015)


def test_points_for_two_correlations():
    # Cohen 1988, table 4.4.1: q = .50 at power .80 needs 66 in each, two-sided
    assert points_for_correlations(np.tanh(0.5), 0.0) == 66
    assert correlation_power(0.95, 5, -0.73, 5) < 0.8 <= correlation_power(0.95, 6, -0.73, 6)
    assert points_for_correlations(0.95, -0.73) == 6


def test_power_of_fishers_test_by_simulation():
    generator = np.random.default_rng(0)
    x, noise = generator.normal(size=(2, 4000, 2, 20))
    rho = np.array([0.7, -0.1])[:, None]
    y = rho * x + np.sqrt(1 - rho**2) * noise
    x, y = (v - v.mean(-1, keepdims=True) for v in (x, y))
    r = (x * y).sum(-1) / np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    z = (np.arctanh(r[:, 0]) - np.arctanh(r[:, 1])) / np.sqrt(2 / 17)
    assert np.mean(np.abs(z) > 1.959964) == pytest.approx(correlation_power(0.7, 20, -0.1, 20), abs=0.025)


@given(st.integers(4, 500), st.integers(4, 500), st.floats(-0.9, 0.9))
def test_the_smallest_difference_has_the_wanted_power(n_1: int, n_2: int, around: float):
    difference = smallest_correlation_difference(n_1, n_2, around)
    assert 0 < difference < 2
    assert difference <= smallest_correlation_difference(n_1, n_2) + 1e-12
    half = np.arctanh(smallest_correlation_difference(n_1, n_2) / 2)
    middle = np.arctanh(around)
    power = correlation_power(np.tanh(middle + half), n_1, np.tanh(middle - half), n_2)
    assert power == pytest.approx(0.8, abs=1e-3)


def test_what_no_number_of_runs_can_show():
    with pytest.raises(UndecidableError, match="equal correlations"):
        points_for_correlations(0.3, 0.3)
    with pytest.raises(UndecidableError, match="difference of zero"):
        seeds_for_difference(0.0, 0.01)
    with pytest.raises(UndecidableError, match="more than 1,000,000 seeds"):
        seeds_for_difference(1e-6, 0.01)
    with pytest.raises(UndecidableError, match="do not vary"):
        mean_power(0.1, 0.0, 3)
    with pytest.raises(UndecidableError, match="at least 4 points"):
        smallest_correlation_difference(3, 14)


def test_points_for_one_correlation():
    # Cohen 1988, table 3.4.1: r = .50 at power .80 needs 28 pairs, by the t test; Fisher's z says 29 or 30
    assert points_for_correlation(0.5) in (29, 30)
    assert points_for_correlation(-0.5) == points_for_correlation(0.5)
    with pytest.raises(UndecidableError):
        points_for_correlation(0.0)


def test_the_interval_of_a_standard_deviation():
    # heat flow meter data, NIST/SEMATECH e-Handbook, section 1.3.5.8: n = 100, s = 0.0063, gear diameters
    low, high = sd_interval(0.0063, 99)
    assert (low, high) == pytest.approx((0.00553, 0.00732), abs=5e-6)
    three = sd_interval(1.0, 2)
    assert three[1] / three[0] == pytest.approx(12.1, abs=0.1)


def test_a_spread_is_pooled_over_arms_that_share_seeds():
    generator = np.random.default_rng(0)
    apart = generator.normal(size=(200, 10)) + np.arange(10)
    sd, freedom = pooled_sd(apart)
    assert sd == pytest.approx(np.sqrt(apart.var(axis=0, ddof=1).mean()))
    assert freedom == pytest.approx(10 * 199, rel=0.1)
    alike = np.repeat(apart[:, :1], 10, axis=1)
    assert pooled_sd(alike)[1] == pytest.approx(199)
    assert pooled_sd(apart[:, :1]) == pytest.approx((apart[:, 0].std(ddof=1), 199))
    with pytest.raises(UndecidableError, match="do not vary"):
        pooled_sd(np.ones((3, 2)))


def test_what_so_many_seeds_show_is_known_as_well_as_their_spread():
    low, high = smallest_mean_differences(0.01, 2, 3)
    ends = sd_interval(0.01, 2)
    assert (low, high) == pytest.approx(tuple(smallest_mean_difference(sd, 3) for sd in ends))
    assert smallest_mean_differences(0.01, 2, 3, overlap=0.2)[0] == pytest.approx(low * np.sqrt(1 + 3 / 4))


@pytest.mark.slow
def test_the_interval_of_a_pooled_spread_covers_as_promised():
    for rho in (0.0, 0.5, 0.9):
        held = 0
        for number in range(2000):
            generator = np.random.default_rng(number)
            values = np.sqrt(rho) * generator.normal(size=(3, 1)) + np.sqrt(1 - rho) * generator.normal(size=(3, 8))
            low, high = sd_interval(*pooled_sd(values))
            held += low <= 1 <= high
        print(f"\nsd of three seeds, pooled over 8 arms, rho = {rho}: covered {held / 2000:.3f}", end="")
        assert held / 2000 >= 0.93
