"""Runs that differ in seeds alone: replicates of one arm in one cell, their twins, and what intervals speak of."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from patentlab.analysis.arms import Runs, arms, gains, mean_gains, scores
from patentlab.analysis.contrasts import CONTRASTS, find_twins
from patentlab.analysis.quantities import Evidence, Quantity
from patentlab.analysis.replicates import independent_levels, replicate_names
from patentlab.analysis.tables import detectable_gains, problems, tables
from patentlab.analysis.variance import spread, summed_up
from patentlab.statistics.aggregation import t_interval
from tests.analysis.known_matrix import known_matrix

SOURCES = ("split", "regime", "generation", "weights", "batches")
SD = {"split": 0.02, "regime": 0.006, "weights": 0.01, "generation": 0.008, "batches": 0.004}
NOISE = 0.005
WITHIN = {"regime": ["split"], "generation": ["split", "regime"], "batches": ["split", "regime", "generation"]}


def designed(strategies: tuple[str, ...] = ("none", "label_conditioned"), seed: int = 0, **levels: int) -> pd.DataFrame:
    """A matrix of all levels with all others; what one drew, within those before it, adds to the scores of its runs."""
    template = known_matrix(generators=1, seeds=1, regimes=("1:10",), rho=(0.5,))
    draw = np.random.default_rng(seed)
    effects: dict[tuple[object, ...], float] = {}
    rows = []
    for strategy, numbers in product(strategies, product(*(range(count) for count in levels.values()))):
        drawn = dict(zip(levels, numbers, strict=True))
        row = (
            template[(template["choices.strategy"] == strategy) & (template["choices.loss"] == "bce")].iloc[0].to_dict()
        )
        score = 0.5 + (strategy != "none") * 0.03 + NOISE * draw.normal()
        if strategy == "none":
            drawn.pop("generation", None)
        for name, number in drawn.items():
            level = (name, number, *(drawn.get(other) for other in WITHIN.get(name, ())))
            score += effects.setdefault(level, SD[name] * draw.normal())
        shown = ",".join(f"{name}={number}" for name, number in drawn.items())
        row |= {f"settings.seeds.{name}": float(number) for name, number in drawn.items()}
        row |= {"run": f"{strategy} {shown}", "key": f"{strategy} {shown}", "choices.seed": 0, "settings.seed": 0,
                "choices.seeds": shown, "metrics.test.f1_micro": score, "metrics.test.f1_macro": score / 2,
                "fingerprints.test": f"test {drawn.get('split', 0)}"}  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows)


def of(matrix: pd.DataFrame, strategy: str) -> pd.DataFrame:
    table = arms(matrix).table
    return table[table["strategy"] == strategy]


def test_seeds_split_no_cell_and_name_replicates():
    matrix = designed(split=3, weights=2)
    runs = arms(matrix)
    assert runs.cell == arms(known_matrix(generators=1, seeds=2)).cell
    table = scores(runs)
    assert len(table) == 2 and set(table["n"]) == {6}
    assert set(of(matrix, "none")["seed"]) == {f"split {i}, weights {j}" for i in range(3) for j in range(2)}
    assert set(arms(known_matrix(generators=1, seeds=2)).table["seed"]) == {0, 1}


def test_names_tell_apart_what_differs():
    matrix = known_matrix(generators=1, seeds=3, regimes=("1:10",), rho=(0.5,))
    apart = matrix.assign(**{"settings.seeds.split": 1.0})
    assert set(of(apart, "none")["seed"]) == {f"regime/weights/batches {seed}" for seed in range(3)}
    assert set(of(apart, "label_conditioned")["seed"]) == {
        f"regime/weights/batches {i}, generation {i}" for i in range(3)
    }
    alone = matrix[matrix["choices.seed"] == 0].assign(**{"settings.seeds.split": 1.0})
    assert set(of(alone, "none")["seed"]) == {"split 1, regime/weights/batches 0"}
    same = pd.DataFrame({f"seeds.{source}": [2.0, 2.0] for source in SOURCES})
    assert replicate_names(same).tolist() == [2, 2]


def test_the_same_seeds_in_other_words_are_the_same_replicate():
    matrix = known_matrix(generators=1, seeds=3, regimes=("1:10",), rho=(0.5,))
    spelled = matrix.assign(**{f"settings.seeds.{source}": matrix["choices.seed"] for source in SOURCES})
    spelled["choices.seed"] = spelled["settings.seed"] = 9
    assert arms(spelled).table["seed"].tolist() == arms(matrix).table["seed"].tolist()
    both = pd.concat([matrix, spelled], ignore_index=True)
    assert len(arms(both).table) == len(matrix)
    assert problems(both)["problem"].tolist() == ["duplicate"] * len(matrix)


def test_one_run_on_real_documents_is_the_twin_of_several_seeds_of_generation():
    matrix = designed(split=3, generation=4).drop_duplicates("key")
    assert (matrix["choices.strategy"] == "none").sum() == 3
    pairs = gains(matrix, arms(matrix), CONTRASTS[:1])
    assert len(pairs.table) == 12 and pairs.unmatched is not None and pairs.unmatched.empty
    assert set(pairs.table["twin"].value_counts()) == {4}
    for row in pairs.table.itertuples():
        assert str(row.run).split("split=")[1][0] == str(row.twin).split("split=")[1][0]
    (found,) = mean_gains(pairs).to_dict("records")
    assert (found["n"], found["sentence"]) == (
        12, "all runs have one seed of regime, weights and batches: the interval speaks of split and generation alone"
    )  # fmt: skip
    # four gains over one twin are one of the three that are independent
    per_split = pairs.table.groupby("seeds.split")["gain.f1_micro"].mean()
    expected = t_interval(per_split)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    naive = t_interval(pairs.table["gain.f1_micro"])
    assert found["high"] - found["low"] > naive.high - naive.low


def test_twins_share_what_both_draw():
    matrix = designed(("none", "duplicate", "label_conditioned"), split=2, generation=2, weights=2).drop_duplicates(
        "key"
    )
    duplicates = next(one for one in CONTRASTS if one.name == "controlled_gain")
    pairs = find_twins(matrix, duplicates)
    assert pairs["twin"].tolist() == [f"duplicate {run.partition(' ')[2]}" for run in pairs["run"]]
    lost = matrix[~((matrix["choices.strategy"] == "none") & (matrix["settings.seeds.weights"] == 1))]
    pairs = find_twins(lost, CONTRASTS[0])
    assert (pairs["twin"].isna() == pairs["run"].str.contains("weights=1")).all()
    assert set(pairs["why"].dropna()) == {"no run with strategy=none loss=bce"}


def test_an_interval_says_what_it_does_not_speak_of():
    matrix = designed(("none",), weights=5)
    (row,) = scores(arms(matrix)).to_dict("records")
    expected = t_interval(matrix["metrics.test.f1_micro"])
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    assert (
        row["sentence"] == "all runs have one seed of split, regime and batches: the interval speaks of weights alone"
    )
    crossed = designed(("none",), split=4, weights=3)
    (row,) = scores(arms(crossed)).to_dict("records")
    naive = t_interval(crossed["metrics.test.f1_micro"])
    assert row["high"] - row["low"] > naive.high - naive.low
    estimate = Evidence(crossed).estimate(Quantity("score"), margin=0.4)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((row["mean"], row["low"], row["high"]))
    assert estimate.sentence == (
        "12 seeds; all runs have one seed of regime and batches: the interval speaks of split and weights alone"
    )


def test_levels_whose_means_do_not_vary_make_no_interval():
    matrix = designed(("none",), split=2, batches=2).assign(**{"metrics.test.f1_micro": [0.4, 0.6, 0.6, 0.4]})
    (row,) = scores(arms(matrix)).to_dict("records")
    assert row["mean"] == pytest.approx(0.5) and np.isnan(row["low"]) and row["sentence"] == "the values do not vary"


def test_what_is_drawn_from_other_draws_is_no_level_of_its_own():
    table = of(designed(("label_conditioned",), split=2, generation=2, weights=2), "label_conditioned")
    levels = independent_levels(table)
    assert set(levels) == {"split", "weights"} and set(levels["split"]) == {0, 1}
    table = of(designed(("label_conditioned",), generation=3, weights=2), "label_conditioned")
    assert set(independent_levels(table)) == {"generation", "weights"}
    same = arms(known_matrix(generators=1, seeds=4, regimes=("1:10",), rho=(0.5,))).table
    (name,) = independent_levels(same[same["strategy"] == "label_conditioned"])
    assert name == "split, regime, generation, weights and batches"


def test_the_spread_is_told_by_source():
    runs = arms(designed(("label_conditioned",), seed=1, split=6, generation=3, weights=4, batches=2))
    table = spread(runs)
    assert table["source"].tolist() == ["split", "generation", "weights", "batches", "weights × batches", "total"]
    assert table["levels"].tolist()[:4] == [6, 18, 72, 36]  # documents are generated from a split's, and learned from
    parts = table.set_index("source")
    assert (parts["share"].iloc[:-1].sum(), parts.loc["total", "share"]) == pytest.approx((1, 1))
    assert parts.loc["total", "sd"] == pytest.approx(np.sqrt(np.square(parts["sd"].iloc[:-1]).sum()))
    assert parts["share"].iloc[:-1].idxmax() == "split"
    (said,) = summed_up(table)
    total, share = table["sd"].astype(float).iloc[-1], table["share"].astype(float).iloc[0]
    assert said.startswith(f"g0, label-conditioned: of the spread of micro-F1 (sd {total:.3f}), ")
    assert f"{share:.0%} is split, " in said
    assert said.endswith(
        "all runs have one seed of regime: the interval speaks of split, generation, weights and batches alone"
    )


@pytest.mark.parametrize("source", ["weights", "batches", "regime"])
def test_what_differs_from_run_to_run_is_all_that_is_left_beside_the_split(source: str):
    matrix = designed(("none",), **{"split": 5, source: 3})
    table = spread(arms(matrix))
    assert table["source"].tolist() == ["split", source, "total"] and table["levels"].tolist()[:2] == [5, 15]
    # one way: between splits and within
    values = matrix["metrics.test.f1_micro"].to_numpy(dtype=float).reshape(5, 3)
    within = values.var(axis=1, ddof=1).mean()
    between = values.mean(axis=1).var(ddof=1) - within / 3
    if source != "weights":
        assert np.square(table["sd"].to_numpy(dtype=float)[:2]) == pytest.approx([between, within])
    else:  # the same weights met every split: of that nothing is between splits
        alike = 5 * np.square(values.mean(axis=0) - values.mean()).sum() / 2
        rest = (within * 10 - alike * 2) / 8
        expected = [values.mean(axis=1).var(ddof=1) - rest / 3, rest + (alike - rest) / 5]
        assert np.square(table["sd"].to_numpy(dtype=float)[:2]) == pytest.approx(expected)


def test_the_parts_of_all_sources_are_recovered_from_many_designs():
    totals: list[dict[str, float]] = []
    for seed in range(60):
        table = spread(arms(designed(("label_conditioned",), seed=seed, split=4, generation=2, weights=3, batches=2)))
        totals.append(dict(zip(table["source"], table["sd"] ** 2, strict=True)))
    mean = pd.DataFrame(totals).mean()
    known = {name: SD[name] for name in ("split", "generation", "weights", "batches")} | {"weights × batches": NOISE}
    assert np.sqrt(mean[list(known)]).tolist() == pytest.approx(list(known.values()), rel=0.15)


def test_without_balance_there_is_no_interval():
    lost = designed(("none",), split=5, weights=3).iloc[1:]
    table = spread(arms(lost))
    assert table["low"].isna().all() and "no intervals: the design is not balanced" in table["sentence"].iloc[-1]


def test_seeds_that_were_not_drawn_apart_are_one_component():
    matrix = known_matrix(generators=1, seeds=4, regimes=("1:10",), rho=(0.5,))
    table = spread(arms(matrix))
    row = table[table["arm"].map(str) == "real only"].iloc[0]
    own = matrix[(matrix["choices.strategy"] == "none") & (matrix["choices.loss"] == "bce")]["metrics.test.f1_micro"]
    assert row["source"] == "split, regime, weights and batches" and row["levels"] == 4
    assert (row["sd"], row["share"]) == pytest.approx((own.std(ddof=1), 1))
    assert not summed_up(table) and "total" not in set(table["source"])


def test_what_cannot_be_told_is_a_sentence():
    matrix = designed(("none",), split=3, weights=2)
    runs = arms(matrix.assign(**{"metrics.test.f1_micro": 0.5}))
    assert spread(runs)["sentence"].tolist() == ["the values do not vary"]
    doubled = Runs(pd.concat([arms(matrix).table] * 2), arms(matrix).cell)
    assert spread(doubled)["sentence"].tolist() == ["a seed is there twice"]
    pairs = designed(split=3, generation=2).drop_duplicates("key")
    detectable = detectable_gains(Evidence(pairs))
    assert set(detectable["sentence"]) == {"seeds were drawn apart: how many of which is another question"}
    assert len(tables(Evidence(matrix))["variance_components"]) == 3


def test_models_that_are_fitted_draw_no_weights():
    changes: dict[str, Any] = {"settings.model.kind": "tfidf_linear"}
    matrix = designed(("none",), split=3).assign(**changes)
    assert of(matrix, "none")["seeds.weights"].isna().all()
    (row,) = scores(arms(matrix)).to_dict("records")
    assert row["sentence"] == "all runs have one seed of regime: the interval speaks of split alone"
