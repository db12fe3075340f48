"""Aggregates and intervals against scipy, statsmodels and direct enumeration."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from patentlab.statistics.aggregation import (
    Interval,
    bootstrap_probability_of_improvement,
    cluster_means,
    interquartile_mean,
    probability_of_improvement,
    standard_error,
    stratified_bootstrap,
    t_interval,
    t_test_p,
)
from patentlab.statistics.undecidable import UndecidableError


def mean(values: np.ndarray) -> float:
    return float(np.mean(values))


def test_the_interquartile_mean_is_that_of_the_middle_half():
    scores = np.random.default_rng(0).permutation(np.r_[-1000, 0, 1, 2, 3, 5, 6, 1000]).reshape(2, 4)
    assert interquartile_mean(scores) == (1 + 2 + 3 + 5) / 4
    # of six scores a quarter is one and a half, and one is left out on either side
    assert interquartile_mean([0, 1, 2, 4, 5, 100]) == (1 + 2 + 4 + 5) / 4
    assert interquartile_mean([3, 3, 3, 3]) == 3


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))
def test_the_probability_of_improvement_is_the_mean_mann_whitney_u(seed: int, runs: int, others: int, tasks: int):
    generator = np.random.default_rng(seed)
    first, second = generator.integers(4, size=(runs, tasks)), generator.integers(4, size=(others, tasks))
    # exact, as p-values of the normal approximation warn of values that do not vary
    u = stats.mannwhitneyu(first, second, axis=0, method="exact").statistic
    found = probability_of_improvement(first, second)
    assert found == pytest.approx(np.mean(u / (runs * others)))
    assert found + probability_of_improvement(second, first) == pytest.approx(1)


def test_resampled_runs_give_the_quantiles_of_all_resamples():
    scores = np.array([[0.1], [0.4], [0.5], [0.9]])
    means = [np.mean(drawn) for drawn in product(scores[:, 0], repeat=4)]
    found = stratified_bootstrap(scores, mean, resamples=4000, confidence=0.8)
    assert found.estimate == scores.mean()
    for end, share in ((found.low, 0.1), (found.high, 0.9)):
        # standard error of a share of 4000 resamples, three times
        slack = 3 * np.sqrt(share * (1 - share) / 4000)
        assert np.quantile(means, share - slack) <= end <= np.quantile(means, share + slack)


def test_runs_are_resampled_within_each_task_and_not_across():
    scores = np.array([[0.0, 100.0], [1.0, 101.0], [2.0, 102.0]])
    seen: list[np.ndarray] = []

    def keep(drawn: np.ndarray) -> float:
        seen.append(drawn)
        return float(drawn.mean())

    found = stratified_bootstrap(scores, keep, resamples=500)
    drawn = np.array(seen[1:])
    assert set(np.unique(drawn[:, :, 0])) == {0, 1, 2}
    assert set(np.unique(drawn[:, :, 1])) == {100, 101, 102}
    assert np.any(drawn[:, :, 0] + 100 != drawn[:, :, 1])  # each task on its own
    ends = np.quantile(drawn.mean(axis=(1, 2)), [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(tuple(ends))


def test_the_interval_of_a_mean_has_the_width_that_theory_gives():
    scores = np.random.default_rng(1).normal(size=(20, 5))
    found = stratified_bootstrap(scores, mean, resamples=4000)
    error = np.sqrt(scores.var(axis=0).mean() / 20 / 5)
    assert found.high - found.low == pytest.approx(2 * stats.norm.ppf(0.975) * error, rel=0.06)


def test_the_two_sample_interval_holds_the_estimate_and_follows_the_gap():
    generator = np.random.default_rng(2)
    base = generator.normal(size=(8, 6))
    small, large = base + generator.normal(0.2, 0.3, base.shape), base + generator.normal(1.5, 0.3, base.shape)
    near = bootstrap_probability_of_improvement(small, base, resamples=1000)
    far = bootstrap_probability_of_improvement(large, base, resamples=1000)
    assert near.estimate == probability_of_improvement(small, base)
    assert near.low < near.estimate < near.high < 1
    assert near.low < 0.6 < far.low


def test_the_two_sample_interval_is_as_wide_as_that_of_a_direct_bootstrap():
    generator = np.random.default_rng(3)
    first, second = generator.normal(0.4, 1, size=(12, 1)), generator.normal(size=(9, 1))
    reference = stats.bootstrap(
        (first[:, 0], second[:, 0]),
        lambda a, b: np.mean(np.asarray(a)[:, None] > np.asarray(b)),
        vectorized=False,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    found = bootstrap_probability_of_improvement(first, second, resamples=4000)
    # two draws of the same distribution, with steps of 1/108
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.02)


def test_the_t_interval_equals_that_of_statsmodels():
    values = [0.71, 0.74, 0.69, 0.75, 0.73]
    found = t_interval(values, 0.9)
    assert found.estimate == pytest.approx(np.mean(values))
    assert (found.low, found.high) == pytest.approx(DescrStatsW(values).tconfint_mean(alpha=0.1))


def test_the_t_interval_of_a_published_sample():
    # heat flow meter data, NIST/SEMATECH e-Handbook, section 1.3.5.2: n = 195, mean 9.261460, s = 0.022789,
    # 95 % limits 9.258242 and 9.264679; any sample with these two moments has them
    generator = np.random.default_rng(0)
    sample = stats.zscore(generator.normal(size=195), ddof=1) * 0.022789 + 9.261460
    found = t_interval(sample)
    assert (found.low, found.high) == pytest.approx((9.258242, 9.264679), abs=1.5e-6)


def clustered(groups: int, size: int, seed: int) -> pd.DataFrame:
    """Values that share the deviation of their cluster."""
    generator = np.random.default_rng(seed)
    value = generator.normal(size=groups).repeat(size) + 0.1 * generator.normal(size=groups * size)
    return pd.DataFrame({"generator": np.repeat([f"g{group}" for group in range(groups)], size), "value": value})


def test_each_cluster_counts_once():
    values, clusters = [0.0] * 9 + [1.0, 2.0, 3.0], ["a"] * 9 + ["b", "c", "d"]
    assert cluster_means(values, clusters).tolist() == [0, 1, 2, 3]
    table = clustered(25, 40, 0).sample(frac=1, random_state=0)
    means = table.groupby("generator")["value"].mean()
    found = cluster_means(table["value"], table["generator"])
    assert sorted(found) == pytest.approx(sorted(means))


def test_the_t_test_and_its_interval_agree():
    values = [0.71, 0.74, 0.69, 0.75, 0.73]
    assert t_test_p(values, 0.7) == pytest.approx(stats.ttest_1samp(values, 0.7).pvalue)
    for overlap in (0.0, 0.2):
        confidence = 1 - t_test_p(values, 0.7, overlap)
        assert t_interval(values, confidence, overlap).low == pytest.approx(0.7)


def test_splits_of_one_corpus_have_the_standard_error_of_nadeau_and_bengio():
    values = np.array([0.71, 0.74, 0.69, 0.75, 0.73])
    # of ten documents two are test ones: n2 / n1 = 2 / 8
    expected = np.sqrt((1 / 5 + 2 / 8) * values.var(ddof=1))
    assert standard_error(values, 0.2) == pytest.approx(expected)
    assert standard_error(values) == pytest.approx(stats.sem(values))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(-5, 5), st.floats(0.1, 10))
def test_intervals_move_and_stretch_with_the_values(seed: int, shift: float, scale: float):
    values = np.random.default_rng(seed).normal(size=8)
    makers = (
        t_interval,
        lambda sample: stratified_bootstrap(sample.reshape(4, 2), mean, resamples=50),
    )
    for make in makers:
        plain, moved = make(values), make(values * scale + shift)
        assert plain.low <= plain.estimate <= plain.high
        for end in ("estimate", "low", "high"):
            expected = getattr(plain, end) * scale + shift
            assert getattr(moved, end) == pytest.approx(expected, abs=1e-9, rel=1e-9)


def test_seeds_repeat_resamples():
    scores = np.random.default_rng(5).normal(size=(5, 3))
    assert stratified_bootstrap(scores, interquartile_mean, seed=3, resamples=200) == stratified_bootstrap(
        scores, interquartile_mean, seed=3, resamples=200
    )
    assert stratified_bootstrap(scores, mean, seed=3, resamples=200) != stratified_bootstrap(
        scores, mean, seed=4, resamples=200
    )


EQUAL = [3 * 0.1, 0.3, 0.3, 0.3]  # but for rounding
TABLE = clustered(3, 2, 0)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: interquartile_mean([1, 2, 3]), "needs at least 4 scores, has 3"),
        (lambda: interquartile_mean([1, 2, 3, np.nan]), "1 of 4 values are missing"),
        (lambda: probability_of_improvement(np.zeros((0, 2)), np.zeros((3, 2))), "needs at least 1 run"),
        (lambda: probability_of_improvement([[np.nan]], [[1.0]]), "1 of 1 values are missing"),
        (lambda: stratified_bootstrap([[1.0, 2.0, 3.0, 4.0]], mean), "needs at least 2 runs, has 1"),
        (lambda: stratified_bootstrap([[1.0], [2.0], [3.0]], mean), "needs at least 4 scores, has 3"),
        (lambda: stratified_bootstrap([[1.0, 2.0], [1.0, 2.0]], mean), "the runs do not vary"),
        (lambda: stratified_bootstrap([[1.0, 2.0], [1.0, 3.0]], lambda _: 1.0), "does not vary over resamples"),
        (lambda: stratified_bootstrap([[1.0, 2.0], [1.0, 3.0]], lambda _: np.nan), "is not a number"),
        (
            lambda: bootstrap_probability_of_improvement(
                np.array([[5], [6], [7], [8]]), np.array([[1], [2], [3], [4]])
            ),
            "does not vary over resamples",
        ),
        (lambda: t_interval([1.0]), "needs at least 2 values, has 1"),
        (lambda: t_interval([1.0, np.nan]), "1 of 2 values are missing"),
        (lambda: t_interval(EQUAL), "the values do not vary"),
        (lambda: cluster_means([1.0, 2, 3], ["a", "b", "c"]), "needs at least 4 clusters, has 3"),
    ],
)
def test_what_the_data_cannot_give_is_a_sentence(call, sentence: str):
    with pytest.raises(UndecidableError, match=sentence):
        call()


def test_wrong_shapes_are_mistakes():
    with pytest.raises(ValueError, match="same tasks"):
        probability_of_improvement(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"shape \(runs, tasks\)"):
        stratified_bootstrap([1.0, 2, 3, 4], mean)
    with pytest.raises(ValueError, match=r"shape \(n,\)"):
        t_interval([[1.0, 2.0]])
    with pytest.raises(UndecidableError, match="clusters of some values are missing"):
        cluster_means([1.0, 2, 3, 4, 5], np.array(["a", "b", "c", "d", np.nan], dtype=object))
    with pytest.raises(ValueError, match="3 values, and clusters of 2"):
        cluster_means([1.0, 2, 3], ["a", "b"])
    assert Interval(1.0, 0.0, 2.0).dropped == 0
