"""Tests and intervals against scipy, statsmodels, scikit-learn and published examples."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_statsmodels
from statsmodels.stats.multitest import multipletests

from patentlab.analysis import significance
from patentlab.analysis.significance import (
    benjamini_hochberg,
    bootstrap_f1_over_runs,
    holm,
    mcnemar,
    paired_bootstrap_f1,
    paired_permutation,
    subset_correct,
)
from patentlab.analysis.undecidable import UndecidableError

# height differences of Darwin's crossed and self-fertilised maize, in eighths of an inch (Fisher 1935, section 17)
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]

AVERAGES = pytest.mark.parametrize("average", ["micro", "macro"])
METHODS = pytest.mark.parametrize("method", ["percentile", "bca"])
Average = Literal["micro", "macro"]
Method = Literal["percentile", "bca"]
Run = tuple[np.ndarray, np.ndarray, np.ndarray]


def from_counts(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    sizes = [both, only_first, only_second, neither]
    return np.repeat([True, True, False, False], sizes), np.repeat([True, False, True, False], sizes)


def classifiers(
    documents: int, labels: int, seed: int, flips: tuple[float, float] = (0.1, 0.15)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True labels, and two predictions of them with errors."""
    generator = np.random.default_rng(seed)
    true = generator.random((documents, labels)) < 0.35
    first, second = (true ^ (generator.random(true.shape) < flip) for flip in flips)
    return true, first, second


def f1_difference(true: np.ndarray, first: np.ndarray, second: np.ndarray, average: Average) -> float:
    scores = [f1_score(true, predicted, average=average, zero_division=0) for predicted in (first, second)]
    return float(scores[0] - scores[1])


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


@AVERAGES
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(4, 40), st.integers(1, 5))
def test_the_estimate_equals_scikit_learn(average: Average, seed: int, documents: int, labels: int):
    true, first, second = classifiers(documents, labels + 1, seed)
    true[:, 0] = first[:, 0] = second[:, 0] = False  # F1 of a label that nobody has is 0
    try:
        found = paired_bootstrap_f1(true, first, second, average, resamples=50)
    except UndecidableError:
        return
    assert found.estimate == pytest.approx(f1_difference(true, first, second, average))
    assert found.low <= found.high
    assert 0 < found.p <= 1


def test_one_hot_labels_give_the_f1_of_a_single_label_task():
    generator = np.random.default_rng(5)
    true, first, second = generator.integers(4, size=(3, 60))
    one_hot = np.eye(4, dtype=bool)
    for average in ("micro", "macro"):
        found = paired_bootstrap_f1(one_hot[true], one_hot[first], one_hot[second], average, resamples=50)
        assert found.estimate == pytest.approx(
            f1_score(true, first, average=average) - f1_score(true, second, average=average)
        )


def by_scipy(
    runs: list[Run], groups: list[list[int]], average: Average, resamples: int, method: Method
) -> tuple[tuple[float, float], np.ndarray]:
    """scipy's interval and resamples of the mean difference by scikit-learn; ``groups`` are the runs of each test set.

    From the same generator scipy draws the same documents.
    """

    def statistic(*rows: np.ndarray) -> float:
        values = []
        for group, drawn in zip(groups, rows, strict=True):
            for run in group:
                true, first, second = (part[drawn] for part in runs[run])
                values.append(f1_difference(true, first, second, average))
        # so that ties are equal, which scipy takes to the last bit
        return float(np.round(np.mean(values), 12))

    found = stats.bootstrap(
        [np.arange(len(runs[group[0]][0])) for group in groups],
        statistic,
        n_resamples=resamples,
        vectorized=False,
        method="BCa" if method == "bca" else "percentile",
        rng=np.random.default_rng(0),
    )
    interval = found.confidence_interval
    return (float(interval.low), float(interval.high)), found.bootstrap_distribution


@AVERAGES
@METHODS
def test_the_interval_is_that_of_scipy_on_the_same_resamples(average: Average, method: Method):
    pair = classifiers(40, 3, 1)
    found = paired_bootstrap_f1(*pair, average, resamples=150, method=method)
    assert (found.low, found.high) == pytest.approx(by_scipy([pair], [[0]], average, 150, method)[0])
    assert found.low < found.estimate < found.high


@METHODS
def test_runs_share_resamples_where_they_share_a_test_set(method: Method):
    same, other = classifiers(40, 3, 1), classifiers(25, 3, 2)
    runs: list[Run] = [same, (same[0], same[2], ~same[0]), other]
    found = bootstrap_f1_over_runs(runs, "macro", resamples=60, method=method)
    assert found.estimate == pytest.approx(np.mean([f1_difference(*run, "macro") for run in runs]))
    assert (found.low, found.high) == pytest.approx(by_scipy(runs, [[0, 1], [2]], "macro", 60, method)[0])


@METHODS
def test_ties_are_halves(method: Method):
    # ten documents of one label: of 200 resamples many have no difference, and many the one that was found
    one = classifiers(10, 1, 5, (0.3, 0.3))
    # and a label that nobody has, without which scikit-learn takes both classes for labels
    true, first, second = (np.hstack([part, np.zeros_like(part)]) for part in one)
    pair = true, first, second
    found = paired_bootstrap_f1(*pair, "micro", resamples=200, method=method)
    interval, resampled = by_scipy([pair], [[0]], "micro", 200, method)
    assert np.mean(resampled == 0) > 0.02
    assert np.mean(np.isclose(resampled, found.estimate)) > 0.02
    assert (found.low, found.high) == pytest.approx(interval)
    if method == "percentile":
        below, ties = np.mean(resampled < 0), np.mean(resampled == 0)
        assert found.p == pytest.approx(2 * min(below + ties / 2, 1 - below - ties / 2))


def test_a_run_said_twice_says_no_more_and_a_second_test_set_does():
    pair, other = classifiers(300, 4, 3), classifiers(300, 4, 4)
    once = paired_bootstrap_f1(*pair, "micro", resamples=2000)
    assert bootstrap_f1_over_runs([pair, pair], "micro", resamples=2000) == once
    two = bootstrap_f1_over_runs([pair, other], "micro", resamples=2000)
    alone = paired_bootstrap_f1(*other, "micro", resamples=2000)
    # independent halves of a mean
    expected = np.hypot(once.high - once.low, alone.high - alone.low) / 2
    assert two.high - two.low == pytest.approx(expected, rel=0.1)


@AVERAGES
@METHODS
def test_an_interval_of_confidence_one_minus_p_ends_at_zero(average: Average, method: Method):
    seen = []
    for seed in range(8):
        pair = classifiers(120, 4, seed, (0.12, 0.14))
        found = paired_bootstrap_f1(*pair, average, resamples=4000, method=method)
        if found.p > 0.01:  # of fewer resamples the steps are coarse
            at = paired_bootstrap_f1(*pair, average, resamples=4000, confidence=1 - found.p, method=method)
            assert min(abs(at.low), abs(at.high)) < 0.01 * (found.high - found.low)
            seen.append(found.p)
    assert min(seen) < 0.1 < 0.5 < max(seen)


@pytest.mark.parametrize(("bias", "acceleration"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.1), (-0.2, -0.15)])
def test_p_undoes_the_corrections_of_the_interval(bias: float, acceleration: float):
    # F1 differences are too symmetric to tell the sign of an acceleration
    resampled = 1.5 + stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    p = significance._interval(1.5, resampled, 0.95, bias, acceleration).p
    at = significance._interval(1.5, resampled, 1 - p, bias, acceleration)
    assert at.low == pytest.approx(0, abs=1e-3)


def test_chunks_of_resamples_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch):
    pair = classifiers(50, 4, 1)
    whole = paired_bootstrap_f1(*pair, "macro", resamples=500)
    monkeypatch.setattr(significance, "_CHUNK", 8 * 3 * (50 + 16) * 7)  # seven at a time
    assert paired_bootstrap_f1(*pair, "macro", resamples=500) == whole
    assert paired_bootstrap_f1(*pair, "macro", resamples=500, seed=1) != whole


@METHODS
def test_swapped_classifiers_swap_the_sign(method: Method):
    true, first, second = classifiers(300, 4, 6, (0.05, 0.2))
    found = paired_bootstrap_f1(true, first, second, "macro", resamples=3000, method=method)
    swapped = paired_bootstrap_f1(true, second, first, "macro", resamples=3000, method=method)
    assert found.low > 0
    assert found.p == pytest.approx(swapped.p)
    assert 1 / 3001 <= found.p < 0.001
    assert (swapped.low, swapped.high) == pytest.approx((-found.high, -found.low))


def test_bootstraps_refuse_what_they_cannot_tell():
    true, first, second = classifiers(20, 3, 0)
    with pytest.raises(UndecidableError, match="at least 4 documents, has 3"):
        paired_bootstrap_f1(true[:3], first[:3], second[:3], "micro")
    with pytest.raises(UndecidableError, match="same whatever documents"):
        paired_bootstrap_f1(true, first, first, "macro", resamples=100)
    with pytest.raises(UndecidableError, match="1 label"):
        paired_bootstrap_f1(true[:, :0], first[:, :0], second[:, :0], "macro")
    with pytest.raises(UndecidableError, match="missing"):
        paired_bootstrap_f1(np.where(true, 1.0, np.nan), first, second, "macro")
    with pytest.raises(UndecidableError, match="1 run"):
        bootstrap_f1_over_runs([], "macro")
    with pytest.raises(ValueError, match="one shape"):
        paired_bootstrap_f1(true, first, second[:-1], "macro")
    with pytest.raises(ValueError, match="micro or macro"):
        paired_bootstrap_f1(true, first, second, "weighted")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="percentile or bca"):
        paired_bootstrap_f1(true, first, second, "macro", method="basic")  # type: ignore[arg-type]
    # a label of each document: resamples lack some, and leaving out any one is the same
    one, other = np.eye(4, dtype=bool), np.roll(np.eye(4, dtype=bool), 1, axis=1)
    with pytest.raises(UndecidableError, match="whatever document is left out"):
        paired_bootstrap_f1(one, one, other, "macro", resamples=100, method="bca")


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
