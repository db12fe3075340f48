"""The best share of real documents: curves with a known optimum."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from patentlab.analysis.optimum import Optimum, contains, optimum, share_curve
from patentlab.statistics.undecidable import UndecidableError

SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


def table_of(curve, seeds: int = 5, noise: float = 0.01, seed: int = 0, shares: tuple[float, ...] = SHARES):
    """Scores of a curve, with independent noise."""
    generator = np.random.default_rng(seed)
    share = np.repeat(shares, seeds)
    score = curve(share) + noise * generator.normal(size=len(share))
    return pd.DataFrame({"share": share, "score": score, "seed": np.tile(np.arange(seeds), len(shares))})


def hill(at: float, height: float = 0.4):
    return lambda share: 0.8 - height * (share - at) ** 2


def test_the_curve_has_means_and_the_t_intervals_of_statsmodels():
    table = table_of(hill(0.4)).sample(frac=1, random_state=0)
    curve = share_curve(table, 0.9)
    assert curve["share"].tolist() == list(SHARES)
    assert curve["n"].tolist() == [5] * 6
    for row in curve.itertuples():
        scores = DescrStatsW(table.loc[table["share"] == row.share, "score"])
        assert row.mean == pytest.approx(scores.mean)
        assert (row.low, row.high) == pytest.approx(scores.tconfint_mean(alpha=0.1))


def test_a_single_seed_and_equal_seeds_have_a_mean_and_no_interval():
    curve = share_curve(pd.DataFrame({"share": [0.1, 0.5, 0.5], "score": [0.6, 0.7, 0.7], "seed": [0, 0, 1]}))
    assert curve["mean"].tolist() == [0.6, 0.7]
    assert curve[["low", "high"]].isna().all(axis=None)
    assert curve["n"].tolist() == [1, 2]


def test_the_best_share_and_those_that_it_is_not_told_apart_from():
    found = optimum(table_of(hill(0.45, 1.0), noise=0.01))
    assert found.share == 0.5 and found.candidates == (0.5,)
    assert (found.low, found.high) == (0.3, 0.7)  # its neighbours
    assert found.vertex == pytest.approx(0.45, abs=0.03) and found.fits > 0.05 > found.varies
    assert (
        found.fitted is not None
        and found.vertex is not None
        and found.fitted(found.vertex) == pytest.approx(0.8, abs=0.02)
    )
    blurred = optimum(table_of(hill(0.45, 1.0), noise=0.1, seeds=8))
    assert len(blurred.candidates) > 1 and 0.5 in blurred.candidates
    assert blurred.low < 0.45 < blurred.high
    assert sum(blurred.bootstrap.values()) == pytest.approx(1)


def test_what_seeds_share_is_taken_out():
    table = table_of(hill(0.45, 1.0), noise=0.01)
    table["score"] += table["seed"]
    assert optimum(table) == replace(optimum(table), share=0.5, candidates=(0.5,))
    with pytest.raises(UndecidableError, match="no share is better than another"):
        optimum(table.assign(seed=range(len(table))))  # of other seeds nobody knows what they share


def test_a_flat_curve_has_no_best_share():
    named = 0
    for seed in range(200):
        try:
            optimum(table_of(lambda share: 0 * share, seeds=3, seed=seed), resamples=20)
            named += 1
        except UndecidableError as reason:
            assert "no share is better than another (F test, p = " in str(reason)
    assert named / 200 <= stats.binom.ppf(0.999, 200, 0.05) / 200


@pytest.mark.parametrize(("curve", "edge"), [(hill(-0.5), 0.1), (hill(1.5), 1.0), (lambda s: 0.5 + s / 4, 1.0)])
def test_curves_that_rise_to_an_edge_have_their_optimum_at_or_beyond_it(curve, edge: float):
    found = optimum(table_of(curve, noise=0.001))
    assert found.share == edge and found.at_edge
    assert (found.low == 0) if edge == 0.1 else (found.high == 1)


def lopsided(share: np.ndarray) -> np.ndarray:
    """Rises steeply, is best at 0.23, and falls slowly."""
    return np.asarray(0.6 + 0.1 * (1 - np.exp(-share / 0.1)) - 0.1 * share)


def test_a_parabola_that_does_not_fit_is_not_told():
    found = optimum(table_of(lopsided, noise=0.003, seeds=10))
    assert found.fits < 0.05 and found.fitted is None and found.vertex is None
    assert found.low < 0.23 < found.high
    assert found.sentence.endswith(f"A parabola does not fit (p = {found.fits:.2g}).")


def test_the_sentence_says_it_all():
    found = optimum(table_of(hill(0.45, 1.0)), confidence=0.9)
    assert found.sentence.startswith("Of the real shares tried, 0.5 scores best (100% of resampled seeds); the optimum")
    assert "lies between 0.3 and 0.7 (90% confidence). A parabola fits (p = " in found.sentence
    assert found.sentence.endswith(f"and is highest at {found.vertex:.2f}.")


def an_optimum(low: float, high: float) -> Optimum:
    return Optimum((low + high) / 2, low, high, (), (0.1, 0.9), 0.0, 1.0, None, None, {}, "")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.21, 0.29, "supported"), (0.2, 0.3, "supported"),
        (0.15, 0.29, "undecided"), (0.21, 0.4, "undecided"), (0.0, 1.0, "undecided"),
        (0.31, 0.6, "refuted"), (0.3, 0.6, "refuted"),  # above 0.3 it lies, and not at it
        (0.12, 0.19, "refuted"), (0.0, 0.2, "refuted"),
    ],
)  # fmt: skip
def test_claims_about_the_optimum(low: float, high: float, verdict: str):
    assert contains(an_optimum(low, high), 0.2, 0.3) == verdict


def test_no_and_all_real_documents_belong_to_the_interval():
    assert contains(an_optimum(0.0, 0.2), 0.0, 0.0) == "undecided"
    assert contains(an_optimum(0.8, 1.0), 1.0, 1.0) == "undecided"
    assert contains(an_optimum(0.8, 1.0), 0.8, 1.0) == "supported"


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_wider_bounds_are_never_refuted_where_narrower_are_not(a: float, b: float, c: float, d: float):
    low, high = sorted((a, b))
    assume(low < high)
    found, bounds = an_optimum(low, high), sorted((c, d))
    assert contains(found, 0.0, 1.0) == "supported"
    if contains(found, *bounds) == "supported":
        assert contains(found, bounds[0] / 2, (1 + bounds[1]) / 2) == "supported"


GOOD = table_of(hill(0.4))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (table_of(hill(0.4), shares=(0.1, 0.9)), "needs at least 3 different shares, has 2"),
        (table_of(hill(0.4), seeds=1), "needs at least 2 seeds of each share, has 1 of 0.1"),
        (GOOD.assign(score=GOOD["score"].where(GOOD.index > 0)), "score is missing in 1 of 30 runs"),
        (GOOD.iloc[:0], "there are no runs"),
        (table_of(hill(0.4), noise=0), "the scores do not vary over seeds"),
        (GOOD.assign(score=0.5), "the scores do not vary over seeds"),
        (GOOD.assign(score=0.5 + 0.01 * GOOD["seed"]), "no share is better than another"),
    ],
)
def test_what_the_data_cannot_give_is_a_sentence(table: pd.DataFrame, sentence: str):
    with pytest.raises(UndecidableError, match=sentence):
        optimum(table, resamples=50)


def test_wrong_input_is_a_mistake():
    with pytest.raises(ValueError, match="no column seed"):
        optimum(GOOD.drop(columns="seed"))
    with pytest.raises(ValueError, match="between 0 and 1"):
        share_curve(GOOD.assign(share=GOOD["share"] * 100))
    with pytest.raises(ValueError, match="bounds"):
        contains(an_optimum(0.1, 0.2), 0.3, 0.2)
