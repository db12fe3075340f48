"""Tests of paired observations against statsmodels, scikit-learn and published examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.metrics import accuracy_score
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_statsmodels

from patentlab.statistics.significance import mcnemar, paired_permutation, subset_correct
from patentlab.statistics.undecidable import UndecidableError
from tests.statistics.classifiers import classifiers

# height differences of Darwin's crossed and self-fertilised maize, in eighths of an inch (Fisher 1935, section 17)
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def from_counts(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    sizes = [both, only_first, only_second, neither]
    return np.repeat([True, True, False, False], sizes), np.repeat([True, False, True, False], sizes)


# the tables of Fagerland, Lydersen and Laake 2013: airway hyper-responsiveness of 21 children (Bentur et al. 2009), and
# complete response of 161 patients (Cavo et al. 2012); p is the sum of binomial coefficients over 2^n
@pytest.mark.parametrize(
    ("table", "p_exact", "p_mid"),
    [
        ((1, 1, 7, 12), 2 * (1 + 8) / 2**8, (2 * (1 + 8) - 8) / 2**8),
        ((59, 6, 16, 80), 2 * 110_056 / 2**22, (2 * 110_056 - 74_613) / 2**22),
    ],
)
def test_mcnemar_of_published_tables(table: tuple[int, int, int, int], p_exact: float, p_mid: float):
    found = mcnemar(*from_counts(*table))
    assert (found.only_first, found.only_second) == table[1:3]
    assert found.p_exact == pytest.approx(p_exact)
    assert found.p_mid == pytest.approx(p_mid)


@given(st.integers(0, 5), st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_mcnemar_equals_statsmodels_and_its_definition(both: int, b: int, c: int, neither: int):
    if both + b + c + neither == 0:
        return
    found = mcnemar(*from_counts(both, b, c, neither))
    if b + c:
        assert found.p_exact == pytest.approx(mcnemar_of_statsmodels([[both, b], [c, neither]], exact=True).pvalue)
        # twice the tail, of which the outcome itself counts half
        tail = stats.binom.cdf(min(b, c), b + c, 0.5) - stats.binom.pmf(b, b + c, 0.5) / 2
        published = 1 - stats.binom.pmf(b, b + c, 0.5) / 2 if b == c else 2 * tail
        assert found.p_mid == pytest.approx(published)
        assert 0 < found.p_mid < found.p_exact <= 1
    else:
        assert (found.p_exact, found.p_mid) == (1, 1)


def test_mcnemar_refuses_what_it_cannot_count():
    with pytest.raises(UndecidableError, match="has 0"):
        mcnemar(np.array([], dtype=bool), np.array([], dtype=bool))
    with pytest.raises(UndecidableError, match="missing"):
        mcnemar([1.0, np.nan], [1.0, 0.0])
    with pytest.raises(ValueError, match=r"not \(2,\), \(3,\)"):
        mcnemar([True, False], [True, False, True])
    with pytest.raises(ValueError, match="1 or 0"):
        mcnemar([0.5, 1.0], [1.0, 0.0])


def test_subset_correct_averages_to_subset_accuracy():
    true, first, _ = classifiers(200, 3, 0)
    correct = subset_correct(true, first)
    assert correct.shape == (200,)
    assert correct.mean() == pytest.approx(accuracy_score(true, first))
    assert 0 < correct.mean() < 1


def test_the_permutation_test_of_darwins_maize():
    # Fisher 1935, section 21: in 863 of 2^15 choices of signs the sum is 314 or more, the 5.267 % of both sides
    assert paired_permutation(DARWIN, resamples=2**15) == pytest.approx(2 * 863 / 2**15)


def test_sampled_flips_come_near_to_all_of_them():
    p = 2 * 863 / 2**15
    for seed in range(3):
        assert paired_permutation(DARWIN, seed=seed) == pytest.approx(p, abs=6 * np.sqrt(p / 9999))
    assert paired_permutation(DARWIN, seed=1) == paired_permutation(DARWIN, seed=1)


@settings(deadline=None)
@given(arrays(float, st.integers(4, 9), elements=st.integers(-5, 5).map(float)))
def test_enumerated_flips_equal_those_by_hand(differences: np.ndarray):
    if not differences.any():
        with pytest.raises(UndecidableError, match="all zero"):
            paired_permutation(differences)
        return
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(differences))).reshape(len(differences), -1)
    sums = differences @ signs
    expected = min(1, 2 * np.mean(sums >= abs(differences.sum())))
    assert paired_permutation(differences) == pytest.approx(expected)


def test_clusters_flip_together():
    generator = np.random.default_rng(0)
    differences, clusters = generator.normal(0.3, 1, 40), np.repeat([3, 1, 7, 5, 2, 9, 11, 4], 5)
    sums = [differences[clusters == cluster].sum() for cluster in np.unique(clusters)]
    assert paired_permutation(differences, clusters) == paired_permutation(sums)
    names = [f"g{cluster}" for cluster in clusters]
    assert paired_permutation(differences, names) == paired_permutation(differences, clusters)
    # each on its own is no cluster
    assert paired_permutation(DARWIN, np.arange(15)) == paired_permutation(DARWIN)


def test_clustered_differences_are_rejected_as_often_as_promised():
    generator = np.random.default_rng(1)
    clusters = np.repeat(np.arange(8), 6)
    draws = generator.normal(size=(300, 8))[:, clusters] + 0.3 * generator.normal(size=(300, 48))
    together = np.mean([paired_permutation(row, clusters) <= 0.05 for row in draws])
    # 12 of 2^8 flips lie in the tails of the test of level 0.05
    assert together == pytest.approx(12 / 2**8, abs=4 * np.sqrt(0.05 * 0.95 / 300))
    apart = np.mean([paired_permutation(row, resamples=199) <= 0.05 for row in draws])
    assert apart > 0.2


def test_permutation_refuses_what_it_cannot_tell():
    with pytest.raises(UndecidableError, match="needs at least 4 pairs, has 3"):
        paired_permutation([1, 2, 3])
    with pytest.raises(UndecidableError, match="needs at least 4 clusters, has 2"):
        paired_permutation([1, 2, 3, 4], ["a", "a", "b", "b"])
    with pytest.raises(UndecidableError, match="missing"):
        paired_permutation([1, 2, 3, np.nan])
    with pytest.raises(UndecidableError, match="clusters of some"):
        paired_permutation([1, 2, 3, 4], np.array(["a", None, "b", "c"], dtype=object))
    with pytest.raises(ValueError, match="clusters of the shape"):
        paired_permutation([1, 2, 3, 4], [1, 2])
