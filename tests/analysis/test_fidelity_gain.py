import numpy as np
import pandas as pd
import pytest
from scipy import stats

from patentlab.analysis.arms import arms, gains
from patentlab.analysis.fidelity_gain import (
    correlations,
    fitted_lines,
    generator_gains,
    influence,
    points,
    regime_differences,
    reliabilities,
)
from patentlab.statistics.correlation import reliability
from patentlab.statistics.correlation_difference import compare_independent, compare_paired
from patentlab.statistics.multiple_testing import benjamini_hochberg, holm
from tests.analysis.known_matrix import known_matrix


def of(matrix: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    pairs = gains(matrix, arms(matrix))
    return points(pairs), pairs.cell


def test_a_point_is_a_corpus_in_a_cell_and_its_mean_over_seeds():
    matrix = known_matrix(generators=5, seeds=3, shares=(0.2, 0.3))
    table, _ = of(matrix)
    assert len(table) == 4 * 2 * 2 * 5  # contrasts, regimes, shares, generators
    assert set(table["seeds"]) == {3}
    row = table.iloc[0]
    own = matrix[(matrix["choices.generator"] == row["cluster"]) & (matrix["choices.regime"] == row["regime"])]
    assert row["x"] == pytest.approx(own["fidelity.mmd2"].iloc[0])


def test_correlations_and_their_difference_are_found():
    table, cell = of(known_matrix(noise=0.0005))
    found = correlations(table, cell).set_index(["contrast", "regime"]).to_dict("index")
    scarce = table[(table["contrast"] == "gain") & (table["regime"] == "1:100")]
    assert found["gain", "1:100"]["r"] == pytest.approx(stats.pearsonr(scarce["x"], scarce["y"]).statistic)
    assert found["gain", "1:100"]["r"] > 0.7 and found["gain", "1:10"]["r"] < -0.4
    row = found["gain", "1:100"]
    assert row["r_low"] < row["r"] < row["r_high"]
    # a corpus a generator: their means are the points
    assert (row["r_generators"], row["generators_low"]) == pytest.approx((row["r"], row["r_low"]))
    assert row["p_generators"] == pytest.approx(row["p_permutation"], abs=0.002)  # of orders that are drawn
    assert (row["n"], row["clusters"], row["sentence"]) == (14, 14, "")
    difference = regime_differences(table, cell).set_index("contrast").to_dict("index")["gain"]
    assert (difference["regime_1"], difference["regime_2"]) == ("1:100", "1:10")
    r_1, r_2 = (found["gain", regime]["r"] for regime in ("1:100", "1:10"))
    apart = compare_independent(r_1, 14, r_2, 14)
    assert (difference["z"], difference["low"], difference["high"]) == pytest.approx((apart.z, apart.low, apart.high))
    plenty = table[(table["contrast"] == "gain") & (table["regime"] == "1:10")]
    paired = compare_paired(scarce["x"], scarce["y"], plenty["x"], plenty["y"])
    assert difference["paired_z"] == pytest.approx(paired.z) and difference["paired_test"] == paired.test


def test_the_same_correlation_over_another_control_counts_once_in_an_adjustment():
    table, cell = of(known_matrix())
    for found in (correlations(table, cell), regime_differences(table, cell)):
        families = found.groupby("contrast")
        assert len(families) == 4
        assert families["p"].first().tolist() == pytest.approx([families["p"].first().iloc[0]] * 4)
        for _, family in families:
            p = family["p_generators" if "p_generators" in family else "p"].to_numpy()
            assert family["p_holm"].tolist() == pytest.approx(holm(p).tolist())
            assert family["p_bh"].tolist() == pytest.approx(benjamini_hochberg(p).tolist())


def test_corpora_of_other_seeds_are_left_out_and_it_is_said():
    matrix = known_matrix(seeds=3, generators=7)
    table, cell = of(matrix[(matrix["choices.generator"] != "g0") | (matrix["choices.seed"] != 1)])
    found = correlations(table, cell)
    assert set(found["n"]) == {6}
    assert found["sentence"].str.startswith("1 points of other seeds or losses left out").all()
    assert set(regime_differences(table, cell)["n_1"]) == {6}


def test_a_corpus_that_was_learnt_from_under_two_losses_is_one_point():
    matrix = known_matrix(seeds=3, generators=7)
    generated = matrix[matrix["choices.strategy"] == "label_conditioned"]
    again = generated.assign(run=generated["run"] + "-f", key=generated["key"] + "f")
    again["choices.loss"] = "focal"
    once, cell = of(matrix)
    twice, _ = of(pd.concat([matrix, again], ignore_index=True))
    assert len(twice) > len(once)
    before, found = correlations(once, cell), correlations(twice, cell)
    assert found["r"].tolist() == before["r"].tolist() and set(found["n"]) == {7}
    assert found["sentence"].str.startswith("7 points of other seeds or losses left out").sum() >= 2


def test_few_generators_give_no_verdict_and_it_is_said():
    table, cell = of(known_matrix())
    few = table.assign(cluster=table["cluster"].map({f"g{number}": f"m{number % 5}" for number in range(14)}))
    found, differences = correlations(few, cell), regime_differences(few, cell)
    assert found[["r_generators", "generators_low", "p_generators", "p_holm"]].isna().all(axis=None)
    assert set(found["sentence"]) == {"a verdict needs at least 6 generators, has 5"}
    assert found[["r", "r_low", "r_within_generators"]].notna().all(axis=None)
    assert differences["p_holm"].isna().all() and differences[["z", "p", "low", "high"]].notna().all(axis=None)


def test_how_reliable_gains_are_bounds_their_correlations():
    noisy, clear = (known_matrix(seeds=4, noise=noise, rho=(0.9, 0.9)) for noise in (0.02, 0.0001))
    for matrix, reliable in ((noisy, False), (clear, True)):
        pairs = gains(matrix, arms(matrix))
        found = reliabilities(pairs).set_index(["contrast", "regime"]).to_dict("index")["gain", "1:100"]
        own = pairs.table[(pairs.table["contrast"] == "gain") & (pairs.table["regime"] == "1:100")]
        by_seed = own.pivot_table("gain.f1_micro", "generator", "seed").to_numpy()
        assert found["reliability_gain"] == pytest.approx(reliability(by_seed))
        assert (found["reliability_gain"] > 0.99) == reliable
        assert found["ceiling"] == pytest.approx(
            np.sqrt(found["reliability_gain"])
        )  # fidelity is the same in all seeds


def test_influence_is_the_correlation_without_each_generator():
    table, cell = of(known_matrix(generators=6))
    found = influence(table, cell)
    assert len(found) == 4 * 2 * 6
    row = found.iloc[0]
    rest = table[(table["contrast"] == row["contrast"]) & (table["regime"] == row["regime"])
                 & (table["cluster"] != row["without"])]  # fmt: skip
    assert row["r"] == pytest.approx(np.corrcoef(rest["x"], rest["y"])[0, 1])


def test_bands_are_those_of_the_mean_of_a_regression():
    from statsmodels.api import OLS, add_constant

    table, cell = of(known_matrix())
    band = fitted_lines(table, cell)
    band = band[(band["contrast"] == "gain") & (band["regime"] == "1:100")]
    own = table[(table["contrast"] == "gain") & (table["regime"] == "1:100")]
    fit = OLS(own["y"].to_numpy(), add_constant(own["x"].to_numpy())).fit()
    reference = fit.get_prediction(add_constant(band["x"].to_numpy())).summary_frame(alpha=0.05)
    assert band["fitted"].to_numpy() == pytest.approx(reference["mean"].to_numpy())
    assert band["low"].to_numpy() == pytest.approx(reference["mean_ci_lower"].to_numpy())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda matrix: matrix[matrix["choices.generator"].isin(["g0", "g1", "g2", None])],
         "needs at least 4 pairs, has 3"),
        (lambda matrix: matrix.assign(**{"fidelity.mmd2": 0.05}), "the values do not vary"),
        (lambda matrix: matrix.assign(**{"fidelity.mmd2": np.nan}), "some values are no numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_a_sentence(change, sentence: str):
    table, cell = of(change(known_matrix(seeds=2)))
    found = correlations(table, cell)
    assert set(found["sentence"]) == {sentence} and found["r"].isna().all()
    assert set(regime_differences(table, cell)["sentence"]) == {sentence}
    assert fitted_lines(table, cell).empty


def test_gains_over_generators_take_generators_for_what_is_drawn():
    table, cell = of(known_matrix(generators=10, between=0.005))
    found = generator_gains(table, cell)
    row = found.to_dict("records")[0]
    own = table[(table["contrast"] == row["contrast"]) & (table["regime"] == row["regime"])]
    assert row["mean"] == pytest.approx(own["y"].mean())
    assert row["low"] < row["mean"] < row["high"]
    assert row["p"] == pytest.approx(stats.ttest_1samp(own["y"], 0).pvalue)
    few = generator_gains(table.assign(cluster="one"), cell)
    assert few["low"].isna().all() and set(few["sentence"]) == {"needs at least 4 clusters, has 1"}
