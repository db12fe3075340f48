"""Bootstrap intervals of differences in F1 against scipy and scikit-learn."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from patentlab.statistics import bootstrap
from patentlab.statistics.bootstrap import bootstrap_f1_over_runs, paired_bootstrap_f1, seeds_and_documents
from patentlab.statistics.undecidable import UndecidableError
from tests.statistics.classifiers import classifiers

AVERAGES = pytest.mark.parametrize("average", ["micro", "macro"])
METHODS = pytest.mark.parametrize("method", ["percentile", "bca"])
Average = Literal["micro", "macro"]
Method = Literal["percentile", "bca"]
Run = tuple[np.ndarray, np.ndarray, np.ndarray]


def f1_difference(true: np.ndarray, first: np.ndarray, second: np.ndarray, average: Average) -> float:
    scores = [f1_score(true, predicted, average=average, zero_division=0) for predicted in (first, second)]
    return float(scores[0] - scores[1])


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
    p = bootstrap._interval(1.5, resampled, 0.95, bias, acceleration).p
    at = bootstrap._interval(1.5, resampled, 1 - p, bias, acceleration)
    assert at.low == pytest.approx(0, abs=1e-3)


def test_chunks_of_resamples_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch):
    pair = classifiers(50, 4, 1)
    whole = paired_bootstrap_f1(*pair, "macro", resamples=500)
    monkeypatch.setattr(bootstrap, "CHUNK", 8 * 3 * (50 + 16) * 7)  # seven at a time
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


def two_levels(seeds: int, shared: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Differences of seeds, and their resamples: noise of documents that seeds share, and noise of each seed's own."""
    values = 0.02 + 0.01 * generator.normal(size=seeds)
    common, own = 0.01 * generator.normal(size=(4_000, 1)), 0.01 * generator.normal(size=(4_000, seeds))
    return values, values + np.sqrt(shared) * common + np.sqrt(1 - shared) * own


@pytest.mark.parametrize("seeds", [2, 5])
def test_where_seeds_share_no_documents_the_interval_is_students(seeds: int):
    values, resampled = two_levels(seeds, 0.0, np.random.default_rng(3))
    found = seeds_and_documents(values, resampled)
    expected = stats.ttest_1samp(values, 0.0)
    interval = expected.confidence_interval()
    assert found.estimate == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=0.03)
    assert found.p == pytest.approx(expected.pvalue, rel=0.05)


def test_documents_that_all_seeds_share_are_noise_on_top_of_it():
    generator = np.random.default_rng(4)
    values, resampled = two_levels(5, 1.0, generator)
    found = seeds_and_documents(values, resampled)
    drawn = values.mean() + values.std(ddof=1) / np.sqrt(5) * generator.standard_t(4, 400_000)
    drawn += 0.01 * generator.normal(size=400_000)
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=5e-4)
    assert found.p == pytest.approx(2 * np.mean(drawn < 0), rel=0.05)
    wider = seeds_and_documents(values, resampled, confidence=0.99)
    assert wider.low < found.low < found.high < wider.high
    ends = seeds_and_documents(values, resampled, confidence=1 - found.p)
    assert min(abs(ends.low), abs(ends.high)) < 1e-9  # p is the level at which the interval ends at zero


@pytest.mark.parametrize(
    ("values", "resampled", "why"),
    [
        ([0.1], np.zeros((9, 1)), "needs at least 2 seeds, has 1"),
        ([0.1, np.nan], np.zeros((9, 2)), "values are missing"),
        ([0.1, 0.1], np.zeros((9, 2)), "the seeds do not vary"),
    ],
)
def test_what_seeds_cannot_tell_is_said(values: list[float], resampled: np.ndarray, why: str):
    with pytest.raises(UndecidableError, match=why):
        seeds_and_documents(values, resampled)


def test_seeds_and_resamples_have_to_fit():
    with pytest.raises(ValueError, match="seeds"):
        seeds_and_documents([0.1, 0.2], np.zeros((9, 3)))
