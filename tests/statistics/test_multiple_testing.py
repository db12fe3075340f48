"""Adjusted p-values against statsmodels and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from patentlab.statistics.multiple_testing import benjamini_hochberg, holm, max_t_quantile
from patentlab.statistics.undecidable import UndecidableError

p_values = st.lists(st.floats(0, 1) | st.just(np.nan), max_size=12)


@settings(deadline=None, max_examples=30)
@given(p_values)
def test_adjusted_p_values_equal_those_of_statsmodels(values: list[float]):
    p = np.array(values)
    made = ~np.isnan(p)
    for adjust, method in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        adjusted = adjust(p)
        assert np.array_equal(np.isnan(adjusted), ~made)
        if made.any():
            np.testing.assert_allclose(adjusted[made], multipletests(p[made], method=method)[1], atol=1e-12)


def test_families_by_hand():
    # Holm: 3 × 0.01, 2 × 0.02, then no less than that; Benjamini and Hochberg: 3 × 0.01, 3/2 × 0.02, 3/3 × 0.03
    assert holm([0.03, 0.01, np.nan, 0.02])[[1, 3, 0]] == pytest.approx([0.03, 0.04, 0.04])
    assert benjamini_hochberg([0.03, 0.01, np.nan, 0.02])[[1, 3, 0]] == pytest.approx([0.03, 0.03, 0.03])


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_p_values_are_between_zero_and_one(adjust):
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjust([0.1, 1.1])


def test_the_largest_t_is_below_bonferronis_bound_and_above_that_of_one_mean():
    generator = np.random.default_rng(0)
    alike = generator.normal(size=(10, 1)) + 0.1 * generator.normal(size=(10, 12))
    apart = generator.normal(size=(10, 12))
    one, bonferroni = stats.t.isf(0.025, 9), stats.t.isf(0.025 / 12, 9)
    assert one < max_t_quantile(alike) < max_t_quantile(apart) <= bonferroni
    assert max_t_quantile(apart[:, :1]) == pytest.approx(one)
    assert max_t_quantile(apart) == max_t_quantile(apart)
    with pytest.raises(UndecidableError, match="the same 2 seeds or more"):
        max_t_quantile(apart[:1])


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_simultaneous_intervals_hold_all_means_as_often_as_promised(seeds: int, rho: float):
    for means in (6, 24):
        held, widths = 0, []
        for number in range(2000):
            generator = np.random.default_rng([number, seeds, means])
            values = np.sqrt(rho) * generator.normal(size=(seeds, 1))
            values = values + np.sqrt(1 - rho) * generator.normal(size=(seeds, means))
            quantile = max_t_quantile(values, draws=1000, seed=number)
            error = values.std(axis=0, ddof=1) / np.sqrt(seeds)
            held += bool((np.abs(values.mean(axis=0)) <= quantile * error).all())
            widths.append(2 * quantile * error.mean())
        print(f"\nmax-T, {seeds} seeds, {means} means, rho = {rho}: all held {held / 2000:.3f}", end="")
        print(f", width {np.mean(widths):.2f} standard deviations", end="")
        assert held / 2000 >= 0.93
