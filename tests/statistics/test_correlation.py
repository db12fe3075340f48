import numpy as np
import pytest
from scipy import stats

from patentlab.statistics.correlation import (
    fisher_interval,
    pearson,
    permutation_p,
    spearman,
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
