"""Arms over data sets against scipy."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from patentlab.analysis.aggregates import seed_aggregates
from patentlab.analysis.arms import REAL_ONLY, Arm, Runs, arms
from tests.analysis.known_matrix import known_matrix

CELL = ["data", "regime"]


def test_aggregates_are_over_data_sets_with_as_many_runs_of_each_arm():
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    smollm2, best = Arm("label_conditioned", "smollm2"), Arm("best")
    for data, shift in (("a", 0.0), ("b", 0.1), ("c", 0.2), ("d", 0.3), ("e", 0.4)):
        for arm, gain in ((REAL_ONLY, 0.0), (smollm2, 0.02), (best, 1.0)):
            n = {"c": 5, "d": 2 if arm == smollm2 else 4, "e": 0 if arm == best else 4}.get(data, 4)
            drawn = shift + gain + 0.05 * generator.normal(size=n)
            rows += [
                {"regime": "1:10", "data": data, "arm": arm, "seed": seed, "f1_micro": score}
                for seed, score in enumerate(drawn)
            ]
    table = pd.DataFrame(rows)
    found = {row["arm"]: row for row in seed_aggregates(Runs(table, CELL), resamples=500).to_dict("records")}
    assert list(found) == [REAL_ONLY, smollm2, best]
    left_out = "3 of 5 cells left out: data c (5 runs an arm), data d (2 to 4 runs an arm), data e (0 to 4 runs an arm)"
    assert found[smollm2]["sentence"] == left_out
    scores = {arm: table.query("data < 'c' and arm == @arm")["f1_micro"].to_numpy() for arm in found}
    for arm, row in found.items():
        assert (row["cells"], row["seeds"], row["regime"]) == (2, 4, "1:10")
        assert row["iqm"] == pytest.approx(stats.trim_mean(scores[arm], 0.25))
        assert row["low"] < row["iqm"] < row["high"]
    a, b = scores[smollm2].reshape(2, 4), scores[REAL_ONLY].reshape(2, 4)
    u = [stats.mannwhitneyu(x, y).statistic / 16 for x, y in zip(a, b, strict=True)]
    assert found[smollm2]["improvement"] == pytest.approx(np.mean(u))
    assert 0 <= found[smollm2]["improvement_low"] < found[smollm2]["improvement_high"] <= 1
    above = "improvement: every run scores above all those with real only in its cell"
    assert found[best]["sentence"] == f"{left_out}; {above}"
    assert np.isnan([found[arm]["improvement"] for arm in (REAL_ONLY, best)]).all()


def test_classifiers_regimes_and_shares_are_rows_and_never_pooled():
    matrix = known_matrix(generators=1, seeds=5, models=("minilm", "tfidf_linear"), shares=(0.2, 0.3))
    matrix.loc[matrix["choices.model"] == "tfidf_linear", "metrics.test.f1_micro"] -= 0.3
    runs = arms(matrix)
    table = seed_aggregates(runs, resamples=100)
    real = table[table["arm"] == REAL_ONLY]
    keys = ["model", "regime", "mix"]
    assert len(real) == len(real[keys].drop_duplicates()) == 2 * 2 * 2
    assert set(real["cells"]) == {1} and set(real["seeds"]) == {5}
    scores = dict(list(runs.table[runs.table["arm"] == REAL_ONLY].groupby(keys)["f1_micro"]))
    for row in real.to_dict("records"):
        own = scores[(row["model"], row["regime"], row["mix"])]
        assert row["iqm"] == pytest.approx(stats.trim_mean(own, 0.25))
    other = matrix.copy()
    other["choices.data"], other["key"] = "other", "other-" + matrix["key"]
    pooled = seed_aggregates(arms(pd.concat([matrix, other])), resamples=100)
    assert len(pooled) == len(table) and set(pooled["cells"]) == {2}


def test_aggregates_that_cannot_be_told_are_sentences():
    table = pd.DataFrame(
        {"regime": "1:10", "data": ["a"] * 5 + ["b"], "arm": ["a"] * 3 + ["b"] * 2 + ["a"], "seed": 0, "f1_micro": 0.5}
    )
    odd = seed_aggregates(Runs(table, CELL))
    assert set(odd["sentence"]) == {"2 of 2 cells left out: data a (2 to 3 runs an arm), data b (0 to 1 runs an arm)"}
    assert odd["cells"].tolist() == [0, 0] and odd["iqm"].isna().all()
    even = seed_aggregates(Runs(table.iloc[1:5], CELL))
    assert set(even["sentence"]) == {
        "interquartile mean: needs at least 4 scores, has 2; improvement: no runs with real only"
    }
    missing = seed_aggregates(Runs(table.iloc[1:5].assign(f1_micro=[0.1, np.nan, 0.2, 0.3]), CELL))
    assert missing["sentence"].iloc[0].startswith("interquartile mean: 1 of 2 values are missing")
    many = pd.concat([table.iloc[[0, 3, 1]].assign(data=f"d{n}") for n in range(7)])
    [sentence] = set(seed_aggregates(Runs(many, CELL))["sentence"])
    assert sentence.startswith("7 of 7 cells left out: data d0 (1 to 2 runs an arm), data d1")
    assert sentence.endswith("data d4 (1 to 2 runs an arm), and 2 more")
    alone = seed_aggregates(Runs(table.iloc[:5], CELL))
    assert alone["sentence"].iloc[0] == "1 of 1 cells left out: the only one (2 to 3 runs an arm)"
    assert seed_aggregates(Runs(table.iloc[:0], CELL)).empty
