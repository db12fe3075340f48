"""Variance components against a textbook, another library and a known truth; means of values that share levels."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from patentlab.statistics.aggregation import t_interval
from patentlab.statistics.undecidable import UndecidableError
from patentlab.statistics.variance import RESIDUAL, shared_mean, variance_components

# Snedecor and Cochran 1980 (Statistical Methods, 7th edition, section 13.7): calcium in turnip leaves, % of dry weight,
# four plants, three leaves of each, two determinations of each
CALCIUM = [
    [[3.28, 3.09], [3.52, 3.48], [2.88, 2.80]],
    [[2.46, 2.44], [1.87, 1.92], [2.19, 2.19]],
    [[2.77, 2.66], [3.74, 3.44], [2.55, 2.55]],
    [[3.78, 3.87], [4.07, 4.12], [3.31, 3.31]],
]


def test_a_nested_example_by_hand():
    values = np.array(CALCIUM)
    # mean squares: of plants 6 runs each, of leaves within plants 2 each, of determinations within leaves
    leaves, plants = values.mean(axis=2), values.mean(axis=(1, 2))
    of_plants = 6 * np.square(plants - values.mean()).sum() / 3
    of_leaves = 2 * np.square(leaves - plants[:, None]).sum() / 8
    within = np.square(values - leaves[:, :, None]).sum() / 12
    assert (of_plants, of_leaves, within) == pytest.approx((2.5201, 0.3288, 0.0067), abs=1e-4)  # as printed
    plant, leaf = np.repeat(range(4), 6), np.repeat(range(12), 2)
    found = variance_components(values.ravel(), {"plant": plant, "leaf": leaf})
    expected = [(of_plants - of_leaves) / 6, (of_leaves - within) / 2, within]
    assert [one.variance for one in found] == pytest.approx(expected)
    assert expected == pytest.approx([0.3652, 0.1610, 0.0067], abs=1e-4)  # as printed
    assert [one.share for one in found] == pytest.approx(np.array(expected) / sum(expected))
    assert [(one.name, one.levels) for one in found] == [("plant", 4), ("leaf", 12), (RESIDUAL, 12)]
    # the residual's interval is that of a variance
    ends = np.sqrt(12 * within / stats.chi2.ppf([0.975, 0.025], 12))
    assert (found[-1].low, found[-1].high) == pytest.approx(ends, rel=0.02)


def crossed(generator: np.random.Generator, sd: tuple[float, ...], sizes: tuple[int, int]) -> tuple[np.ndarray, ...]:
    one, two = (codes.ravel() for codes in np.indices(sizes))
    effects = [sd[i] * generator.normal(size=sizes[i])[codes] for i, codes in enumerate((one, two))]
    return 0.6 + effects[0] + effects[1] + sd[2] * generator.normal(size=one.size), one, two


def test_a_crossed_design_as_restricted_maximum_likelihood_has_it():
    values, one, two = crossed(np.random.default_rng(4), (1.0, 0.6, 0.4), (6, 5))
    found = variance_components(values, {"one": one, "two": two})
    table = pd.DataFrame({"y": values, "one": one, "two": two, "all": 1})
    parts = {"one": "0 + C(one)", "two": "0 + C(two)"}
    fit = MixedLM.from_formula("y ~ 1", groups="all", vc_formula=parts, data=table).fit(reml=True)
    assert [one.variance for one in found] == pytest.approx([*fit.vcomp, fit.scale], rel=2e-3)  # balanced: the same


def test_components_of_crossed_and_nested_sources_are_recovered():
    generator = np.random.default_rng(0)
    sd = np.array([0.02, 0.012, 0.01, 0.006, 0.008])
    index = np.indices((4, 2, 3, 2)).reshape(4, -1)
    split, regime, weights = index[0], index[0] * 2 + index[1], index[2]
    factors = {"split": split, "regime": regime, "weights": weights, "batches": regime * 2 + index[3]}
    repeats = 600
    variances, inside, inside_shares = np.empty((repeats, 5)), np.zeros(5), np.zeros(5)
    for number in range(repeats):
        values = 0.5 + sd[-1] * generator.normal(size=48)
        for spread, codes in zip(sd, factors.values(), strict=False):
            values += spread * generator.normal(size=codes.max() + 1)[codes]
        found = variance_components(values, factors, draws=1_000, seed=number)
        variances[number] = [one.variance for one in found]
        inside += [one.low <= spread <= one.high for one, spread in zip(found, sd, strict=True)]
        shares = sd**2 / np.square(sd).sum()
        inside_shares += [one.share_low <= share <= one.share_high for one, share in zip(found, shares, strict=True)]
    # estimates that would be negative are zeros, so that the means of the smaller ones are a little too high
    assert np.sqrt(variances.mean(axis=0)) == pytest.approx(sd, rel=0.08)
    assert (inside / repeats > 0.92).all() and (inside_shares / repeats > 0.9).all()


def test_a_design_that_is_not_balanced_is_unbiased_and_has_no_interval():
    generator = np.random.default_rng(1)
    one, two = (codes.ravel() for codes in np.indices((6, 5)))
    kept = np.delete(np.arange(30), [0, 1, 7, 13, 24])
    estimates = []
    for _ in range(800):
        values = 3 * generator.normal(size=6)[one] + 2 * generator.normal(size=5)[two] + generator.normal(size=30)
        found = variance_components(values[kept], {"one": one[kept], "two": two[kept]}, draws=2)
        estimates.append([part.variance for part in found])
        assert np.isnan([part.low for part in found]).all()
    assert np.mean(estimates, axis=0) == pytest.approx([9, 4, 1], rel=0.12)


def test_an_estimate_below_zero_is_zero_and_says_so():
    one, two = (codes.ravel() for codes in np.indices((3, 4)))
    values = np.array([1.0, 2, 3, 4, 2, 1, 4, 3, 3, 4, 1, 2])  # rows have equal means
    found = variance_components(values, {"one": one, "two": two})
    assert (found[0].variance, found[0].share, found[0].negative) == (0, 0, True)
    assert sum(part.share for part in found) == pytest.approx(1)
    assert found[0].low == 0


def test_components_may_be_parts_of_one():
    values, one, two = crossed(np.random.default_rng(6), (1.0, 0.6, 0.4), (6, 5))
    single = variance_components(values, {"one": one, "two": two})
    first, rest = variance_components(values, {"one": one, "two": two}, {"two": "rest", RESIDUAL: "rest"})
    assert (first.name, first.variance, first.low) == ("one", single[0].variance, single[0].low)
    assert (rest.name, rest.levels) == ("rest", 5)
    assert rest.variance == pytest.approx(single[1].variance + single[2].variance)
    assert single[2].low < rest.low < rest.variance**0.5 < rest.high


def test_one_spread_alone_is_that_of_the_values():
    values = np.random.default_rng(2).normal(size=9)
    (found,) = variance_components(values, {})
    assert found.variance == pytest.approx(values.var(ddof=1)) and found.share == 1


@pytest.mark.parametrize(
    ("factors", "why"),
    [
        ({"a": [0, 0, 1, 1], "b": [0, 0, 1, 1]}, "cannot tell b from the rest"),
        ({"a": [0, 1, 2, 3]}, "no run is left"),
        ({"a": [0, 0, 0, 0]}, "a has one level"),
    ],
)
def test_what_a_design_cannot_tell(factors: dict[str, list[int]], why: str):
    with pytest.raises(UndecidableError, match=why):
        variance_components([1.0, 2.0, 4.0, 3.0], factors)
    with pytest.raises(UndecidableError, match="do not vary"):
        variance_components([0.3, 0.1 + 0.2, 0.3, 0.3], factors)
    with pytest.raises(UndecidableError, match="1 of 4 values are missing"):
        variance_components([1.0, 2.0, np.nan, 3.0], factors)


def test_the_mean_of_independent_values_is_students():
    values = np.random.default_rng(3).normal(size=7)
    found, expected = shared_mean(values, [np.arange(7)]), t_interval(values)
    assert (found.mean, *found.interval()) == pytest.approx((expected.estimate, expected.low, expected.high))
    assert found.p(0.1) == pytest.approx(stats.ttest_1samp(values, 0.1).pvalue)


def test_values_that_share_levels_are_as_many_as_the_levels():
    values = np.array([1.0, 1.2, 3.0, 3.2, 2.0, 2.2])
    found, expected = shared_mean(values, [np.repeat(range(3), 2)]), t_interval([1.1, 3.1, 2.1])
    assert found.interval() == pytest.approx((expected.low, expected.high))


def test_the_interval_of_a_crossed_mean_holds_the_truth_and_one_over_single_runs_does_not():
    generator = np.random.default_rng(5)
    naive = shared = 0
    for _ in range(1_000):
        values, one, two = crossed(generator, (1.0, 0.5, 0.5), (5, 3))
        interval, ends = t_interval(values), shared_mean(values, [one, two]).interval()
        naive += interval.low <= 0.6 <= interval.high
        shared += ends[0] <= 0.6 <= ends[1]
    assert shared >= 940
    assert naive < 800
