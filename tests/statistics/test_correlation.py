import numpy as np
import pytest
from scipy import stats

from patentlab.statistics.correlation import (
    between_clusters,
    fisher_interval,
    pearson,
    permutation_p,
    reliability,
    spearman,
    within_groups,
)
from patentlab.statistics.undecidable import UndecidableError


def test_pearson_and_spearman_are_those_of_scipy():
    generator = np.random.default_rng(0)
    x = generator.normal(size=30)
    y = 0.5 * x + generator.normal(size=30)
    found, reference = pearson(x, y), stats.pearsonr(x, y)
    interval = reference.confidence_interval(0.95)
    assert (found.r, found.p, found.low, found.high) == pytest.approx(
        (reference.statistic, reference.pvalue, interval.low, interval.high), rel=1e-9
    )
    ranks, by_scipy = spearman(x, y), stats.spearmanr(x, y)
    assert (ranks.r, ranks.p) == pytest.approx((by_scipy.statistic, by_scipy.pvalue), rel=1e-9)
    wider = fisher_interval(ranks.r, 30)
    assert ranks.low < wider[0] and ranks.high > wider[1]
    exact = spearman([1, 2, 3, 4, 5], [2, 1, 3, 5, 4])
    assert exact.p == pytest.approx(16 / 120)  # 8 orders of the 120 have ρ ≥ 0.8, and as many ρ ≤ −0.8


def test_permutation_p_is_exact_for_few_pairs_and_near_the_t_test_for_many():
    # of 4! = 24 pairings two have |r| as large as the rising one: itself and its mirror image
    assert permutation_p([1, 2, 3, 4], [1, 2, 3, 4.5]) == pytest.approx(2 / 24)
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(2, 40))
    assert permutation_p(x, y) == pytest.approx(stats.pearsonr(x, y).pvalue, abs=0.02)


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        ([1, 2, 3], [1, 2, 3], "needs at least 4 pairs, has 3"),
        ([1, 1, 1, 1], [1, 2, 3, 4], "the values do not vary"),
        ([0.1 + 0.2, 0.3, 0.3, 0.3], [1, 2, 3, 4], "the values do not vary"),
        ([1, 2, 3, np.nan], [1, 2, 3, 4], "some values are no numbers"),
        ([1, 2, 3, 4], [2, 4, 6, 8], "the correlation is exactly 1, and has no interval"),
    ],
)
def test_what_cannot_be_told_is_said(x: list[float], y: list[float], sentence: str):
    with pytest.raises(UndecidableError, match=sentence):
        pearson(x, y)


def test_clusters_count_once():
    generator = np.random.default_rng(0)
    names = np.repeat([f"g{number}" for number in range(7)], [1, 2, 3, 4, 5, 6, 7])
    x, y = generator.normal(size=(2, len(names)))
    of_x, of_y = ([values[names == name].mean() for name in np.unique(names)] for values in (x, y))
    found, means = between_clusters(x, y, names), pearson(of_x, of_y)
    assert (found.r, found.low, found.high, found.n) == (means.r, means.low, means.high, 7)
    assert found.p == permutation_p(of_x, of_y)
    with pytest.raises(UndecidableError, match="needs at least 6 generators, has 5"):
        between_clusters(x[names < "g5"], y[names < "g5"], names[names < "g5"])


def test_what_is_left_within_groups_is_the_partial_correlation():
    from statsmodels.formula.api import ols

    generator = np.random.default_rng(1)
    groups = np.repeat(["a", "b", "c"], [4, 5, 6])
    x, y = generator.normal(size=(2, 15)) + 3 * np.repeat([0, 1, 2], [4, 5, 6])
    table = {"x": x, "y": y, "groups": groups}
    left = [ols(f"{name} ~ groups", table).fit().resid for name in ("x", "y")]
    assert within_groups(x, y, groups) == pytest.approx(np.corrcoef(*left)[0, 1])
    with pytest.raises(UndecidableError, match="do not vary within groups"):
        within_groups([1, 1, 1, 2, 2, 2], [1, 2, 3, 1, 2, 4], ["a"] * 3 + ["b"] * 3)
    with pytest.raises(UndecidableError, match="needs at least 6 pairs in 3 groups"):
        within_groups([1, 2, 3, 4, 5], [1, 3, 2, 5, 4], ["a", "a", "b", "b", "c"])


def test_reliability_of_a_published_table():
    # Shrout and Fleiss 1979, Psychological Bulletin 86, table 2: four judges of six targets, ICC(3, 4) = .91
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert reliability(ratings) == pytest.approx(0.91, abs=0.005)
    assert reliability([[1.0, 2.0, 0.0], [1.5, 0.0, 1.4]]) == 0  # they differ by less than seeds do
    with pytest.raises(UndecidableError, match="at least 2 arms"):
        reliability([[1.0, 2.0]])
