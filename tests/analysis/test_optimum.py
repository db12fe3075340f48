"""The best share of real documents: curves with a known optimum."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
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


@settings(max_examples=40, deadline=None)
@given(st.floats(0.15, 0.95), st.floats(0.05, 5), st.integers(2, 6))
def test_the_vertex_of_a_parabola_is_found(at: float, height: float, seeds: int):
    # deviations that cancel at each share leave the curve as it is
    table = table_of(hill(at, height), seeds, noise=0)
    table["score"] += 0.01 * (table["seed"] - (seeds - 1) / 2)
    found = optimum(table, resamples=50)
    assert found.share == pytest.approx(at, abs=1e-6)
    assert not found.at_edge
    assert found.fitted(found.share) == pytest.approx(0.8)
    assert found.fitted.coef == pytest.approx([0.8 - height * at**2, 2 * height * at, -height], abs=1e-9)


@pytest.mark.parametrize(
    ("curve", "edge"),
    [
        (hill(-0.5), 0.1),
        (hill(1.5), 1.0),
        (lambda share: 0.5 + share / 4, 1.0),
        (hill(0.5, -0.4), 1.0),  # convex, lowest nearer to 0.1
        (hill(0.6, -0.4), 0.1),
    ],
)
def test_curves_that_rise_to_an_edge_have_their_optimum_there(curve, edge: float):
    found = optimum(table_of(curve, noise=0.001), resamples=200)
    assert found.share == edge
    assert found.at_edge
    assert found.tried == (0.1, 1.0)
    assert f"at a real share of {edge:.2f}" in found.sentence
    assert "at or beyond" in found.sentence


def test_the_interval_covers_as_promised():
    hits = {"whole": 0, "within": 0}
    for seed in range(250):
        table = table_of(hill(0.45), seeds=4, noise=0.02, seed=seed)
        for name, rows in (("whole", table), ("within", table.assign(seed=table.index))):
            found = optimum(rows, resamples=400, seed=seed)
            hits[name] += found.low <= 0.45 <= found.high
    for count in hits.values():
        assert count / 250 == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 250))


def test_whole_seeds_are_resampled_where_each_has_every_share():
    # each seed has its own optimum, between 0.3 and 0.6, and no noise
    seeds = np.arange(6)
    rows = [(share, hill(0.3 + 0.06 * seed)(share), seed) for share in SHARES for seed in seeds]
    table = pd.DataFrame(rows, columns=["share", "score", "seed"])
    whole = optimum(table, resamples=2000)
    # hills of one height: the optimum is the mean of those of the seeds, whose standard error is known
    assert whole.share == pytest.approx(0.45)
    error = np.std(0.06 * seeds, ddof=1) / np.sqrt(6)
    assert whole.high - whole.low == pytest.approx(2 * stats.t.ppf(0.975, 5) * error, rel=0.1)
    shuffled = table.sample(frac=1, random_state=1)
    assert optimum(shuffled, resamples=2000).high == whole.high
    # with other seeds at each share nothing says which scores belong together
    within = optimum(table.assign(seed=range(len(table))), resamples=2000)
    assert within.high - within.low < 0.9 * (whole.high - whole.low)


def test_few_whole_seeds_are_resampled_within_shares():
    table = table_of(hill(0.45), seeds=3, noise=0.02)
    assert optimum(table, resamples=300) == optimum(table.assign(seed=table.index), resamples=300)
    four = table_of(hill(0.45), seeds=4, noise=0.02)
    assert optimum(four, resamples=300).low != optimum(four.assign(seed=four.index), resamples=300).low


def test_a_higher_degree_follows_a_lopsided_curve():
    def lopsided(share: np.ndarray) -> np.ndarray:
        return np.asarray(0.5 + share * (1 - share) ** 2)  # highest at 1/3

    table = table_of(lopsided, noise=0.0005)
    cubic = optimum(table, resamples=200, degree=3)
    assert cubic.share == pytest.approx(1 / 3, abs=0.01)
    assert cubic.low < 1 / 3 < cubic.high
    # the last wiggle of degree 4 is noise
    assert optimum(table, resamples=200, degree=4).share == pytest.approx(1 / 3, abs=0.03)
    # a parabola lies too far from the steep end
    assert optimum(table, resamples=200).share > 0.36


def test_resamples_with_a_flat_curve_are_dropped():
    # two seeds of each share, four degrees of freedom: the spread is such that one draw in four of the second share,
    # the lower score twice, takes it down to the others
    stretch = np.sqrt(2) * stats.t.ppf(0.975, 4) / stats.norm.ppf(0.975)
    rows = [(share, 0.5, seed) for share in (0.1, 0.4, 0.6, 0.9) for seed in (0, 1)]
    table = pd.DataFrame(rows, columns=["share", "score", "seed"])
    table.loc[table["share"] == 0.4, "score"] = 0.6 + np.array([-0.1, 0.1]) / stretch
    assert optimum(table, resamples=2000).dropped / 2000 == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 2000))


def test_the_sentence_says_it_all():
    found = optimum(table_of(hill(0.45)), confidence=0.9)
    expected = f"highest at a real share of {found.share:.2f} (90% interval {found.low:.2f} to {found.high:.2f})."
    assert found.sentence.endswith(expected)


def an_optimum(share: float, low: float, high: float, tried: tuple[float, float] = (0.1, 0.9)) -> Optimum:
    return Optimum(share, low, high, np.polynomial.Polynomial([0.5]), share in tried, tried, 0, "")


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (an_optimum(0.25, 0.21, 0.29), "supported"),
        (an_optimum(0.25, 0.2, 0.3), "supported"),
        (an_optimum(0.25, 0.15, 0.29), "undecided"),
        (an_optimum(0.25, 0.21, 0.4), "undecided"),
        (an_optimum(0.5, 0.3, 0.6), "undecided"),
        (an_optimum(0.5, 0.31, 0.6), "refuted"),
        (an_optimum(0.15, 0.12, 0.19), "refuted"),
        # at an edge within the bounds
        (an_optimum(0.2, 0.2, 0.2, (0.2, 0.9)), "undecided"),
        (an_optimum(0.3, 0.25, 0.3, (0.1, 0.3)), "undecided"),
        # beyond the largest share tried may lie the bounds
        (an_optimum(0.15, 0.13, 0.15, (0.0, 0.15)), "undecided"),
        (an_optimum(0.27, 0.25, 0.29, (0.1, 0.29)), "undecided"),
        # and beyond the smallest may not
        (an_optimum(0.4, 0.4, 0.5, (0.4, 0.9)), "undecided"),
        (an_optimum(0.1, 0.1, 0.15, (0.1, 0.9)), "refuted"),
        (an_optimum(0.9, 0.8, 0.9, (0.1, 0.9)), "refuted"),
    ],
)
def test_claims_about_the_optimum(found: Optimum, verdict: str):
    assert contains(found, 0.2, 0.3) == verdict


def test_an_edge_within_the_bounds_is_undecided_even_where_no_share_lies_beyond():
    assert contains(an_optimum(1.0, 0.9, 1.0, (0.1, 1.0)), 0.8, 1.0) == "undecided"
    assert contains(an_optimum(0.97, 0.9, 1.0, (0.1, 1.0)), 0.8, 1.0) == "supported"


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_wider_bounds_are_never_refuted_where_narrower_are_not(a: float, b: float, c: float, d: float):
    low, high = sorted((a, b))
    found = an_optimum((low + high) / 2, low, high)
    bounds = sorted((c, d))
    verdict, wider = contains(found, *bounds), contains(found, 0.0, 1.0)
    assert wider != "refuted"
    if verdict == "supported":
        assert contains(found, bounds[0] / 2, (1 + bounds[1]) / 2) == "supported"


def test_the_whole_way_from_scores_to_a_verdict():
    clear = optimum(table_of(hill(0.25, 2.0), noise=0.005))
    assert contains(clear, 0.2, 0.3) == "supported"
    assert contains(clear, 0.5, 0.6) == "refuted"
    assert contains(optimum(table_of(hill(0.25), noise=0.1)), 0.2, 0.3) == "undecided"
    assert contains(replace(clear, tried=(clear.low, 1.0)), 0.2, 0.3) == "undecided"


GOOD = table_of(hill(0.4))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (table_of(hill(0.4), shares=(0.1, 0.5, 0.9)), "needs at least 4 different shares, has 3"),
        (table_of(hill(0.4), seeds=1), "needs at least 2 seeds of each share, has 1 of 0.1"),
        (GOOD.assign(score=GOOD["score"].where(GOOD.index > 0)), "score is missing in 1 of 30 runs"),
        (GOOD.iloc[:0], "there are no runs"),
        (table_of(hill(0.4), noise=0), "the scores do not vary over seeds"),
        (GOOD.assign(score=0.5), "the scores do not vary over seeds"),
        (GOOD.assign(score=0.5 + 0.01 * GOOD["seed"]), "the fitted scores do not vary over shares"),
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
    with pytest.raises(ValueError, match="degree 2 or more"):
        optimum(GOOD, degree=1)
    with pytest.raises(ValueError, match="bounds"):
        contains(optimum(GOOD, resamples=50), 0.3, 0.2)
