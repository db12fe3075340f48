"""Twins are found by what was recorded of runs, on records of real runs."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from patentlab.analysis.arms import arms
from patentlab.analysis.contrasts import CONTRASTS, Contrast, find_twins, summary
from tests.analysis.known_matrix import known_matrix
from tests.in_process import start
from tests.synthesis.scripted_server import serving


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    from patentlab.analysis.matrix import read_matrix

    folder = tmp_path_factory.mktemp("sweep")
    with serving() as server:
        line = [
            "-m", "name=twins", "generator=openai", "generator.path=scripted", f"generator.base_url={server.url}",
            "generator.batch_size=16", "model=tfidf_linear", "tracking=none", "data.size=200", "data.top_k=12",
            "data.split.validation=30", "data.split.test=40", "mix.budget=30", "regime=1:4", "mix=0.3,0.5",
            "strategy=label_conditioned,duplicate,none,step_matched", "loss=bce,focal", "strategy.sources=9",
            "exclude='loss == \"focal\" and strategy != \"none\"'",
        ]  # fmt: skip
        done = start("run", tuple(line), folder, {})
        assert done.returncode == 0, done.stderr
        # one growing corpus a regime and seed, however many runs: 9 documents are in every mix
        asked = [(body["seed"]) for body in server.bodies]
        assert len(asked) == len(set(asked))
    return read_matrix(Path(done.stdout.strip()).parent)


PLAIN = [contrast for contrast in CONTRASTS if not contrast.same_sources]


def test_each_augmented_run_has_its_twin_in_every_contrast(sweep: pd.DataFrame):
    for contrast in PLAIN:
        pairs = find_twins(sweep, contrast)
        assert len(pairs) == 2
        assert pairs["why"].isna().all()
        joined = pairs.merge(sweep.set_index("run").add_prefix("its."), left_on="twin", right_index=True)
        for choice in ("regime", "mix", "seed", "model", "data", "ordering"):
            assert (joined[f"choices.{choice}"] == joined[f"its.choices.{choice}"]).all()
        assert (joined["its.choices.strategy"] == contrast.strategy).all()
        gains = joined["metrics.test.f1_micro"] - joined["its.metrics.test.f1_micro"]
        assert joined["gain.f1_micro"].tolist() == pytest.approx(gains.tolist())


def test_a_run_without_a_twin_is_listed_and_never_guessed(sweep: pd.DataFrame):
    fewer = sweep[~((sweep["choices.strategy"] == "duplicate") & (sweep["choices.mix"] == 0.5))]
    pairs = find_twins(fewer, CONTRASTS[1])
    assert pairs["twin"].isna().sum() == 1
    assert set(pairs.loc[pairs["twin"].isna(), "why"]) == {"no run with strategy=duplicate loss=bce"}
    again = sweep[sweep["choices.strategy"] == "duplicate"]
    assert find_twins(pd.concat([sweep, again]), CONTRASTS[1])["why"].isna().all()  # the same run, twice
    twice = pd.concat([sweep, again.assign(key="other")])
    assert set(find_twins(twice, CONTRASTS[1])["why"]) == {"2 runs with strategy=duplicate loss=bce"}
    other_budget = sweep.copy()
    other_budget.loc[other_budget["choices.strategy"] == "duplicate", "settings.mix.budget"] = 31
    assert find_twins(other_budget, CONTRASTS[1])["twin"].isna().all()
    shrunk = sweep.copy()
    shrunk.loc[shrunk["choices.strategy"] == "label_conditioned", "counts.synthetic"] -= 1
    assert find_twins(shrunk, CONTRASTS[1])["why"].str.contains("added documents against").all()
    assert find_twins(shrunk, CONTRASTS[2])["why"].str.contains("as many steps as with").all()
    weights = sweep.assign(**{"fingerprints.model": [str(n) for n in range(len(sweep))]})
    assert find_twins(weights, CONTRASTS[0])["twin"].isna().all()
    failed = sweep.copy()
    failed.loc[failed["choices.strategy"] == "none", "status"] = "failed"
    assert find_twins(failed, CONTRASTS[0])["twin"].isna().all()


OVER_REVEAL = next(contrast for contrast in CONTRASTS if contrast.same_sources)


def test_a_run_whose_generator_saw_more_than_its_twin_has_no_controlled_gain(sweep: pd.DataFrame):
    generated = sweep["choices.strategy"] == "label_conditioned"
    assert sweep.loc[generated, "synthesis.shown_beyond_own"].tolist() == [0, 0]
    seen = sweep.copy()
    seen.loc[generated, ["synthesis.shown", "synthesis.shown_beyond_own"]] = 16, 7
    seen.loc[generated, "settings.strategy.sources"] = "regime"
    before = seen.drop(columns=["synthesis.shown", "synthesis.shown_beyond_own"])  # records of earlier versions
    assert set(before.loc[generated, "counts.regime"]) == {16}
    for matrix, counts in ((seen, {7}), (before, {7, 1})):  # 9 and 15 of 16 are the runs' own
        for contrast in PLAIN:
            pairs = find_twins(matrix, contrast)
            if contrast.controls:
                assert pairs["twin"].isna().all() and pairs["gain.f1_micro"].isna().all()
                told = {f"no control: the generator was shown {count} real documents" for count in counts}
                assert {why.partition(" that the twin")[0] for why in pairs["why"]} == told
            else:
                assert pairs["twin"].notna().all()
    assert {contrast.name for contrast in PLAIN if contrast.controls} == {"controlled_gain", "step_matched_gain"}


def test_what_generation_adds_to_having_seen_the_sources(sweep: pd.DataFrame):
    assert find_twins(sweep, OVER_REVEAL).empty  # nothing was seen beyond the runs' own
    generated, copies = (sweep["choices.strategy"] == name for name in ("label_conditioned", "duplicate"))
    changes: dict[str, Any] = {"settings.strategy.sources": "regime", "synthesis.shown_beyond_own": 20}
    copied = sweep[copies]
    names: dict[str, Any] = {"choices.strategy": "reveal", "run": copied["run"] + "r", "key": copied["key"] + "r"}
    revealed = copied.assign(**names)
    matrix = pd.concat([sweep[generated].assign(**changes), revealed.assign(**changes)], ignore_index=True)
    pairs = find_twins(matrix, OVER_REVEAL)
    assert pairs["why"].isna().all() and len(pairs) == 2
    assert set(pairs["choices.strategy"]) == {"label_conditioned"}
    assert set(pairs["twin"]) == set(revealed["run"])
    fewer = revealed.assign(**{**changes, "settings.strategy.sources": "20"})
    others = pd.concat([sweep[generated].assign(**changes), fewer])
    assert set(find_twins(others, OVER_REVEAL)["why"]) == {"no run with strategy=reveal loss=bce"}
    matrix.loc[matrix["choices.strategy"] == "reveal", "counts.synthetic"] -= 1
    assert find_twins(matrix, OVER_REVEAL)["why"].str.contains("added documents against").all()


def test_the_summary_averages_pairs(sweep: pd.DataFrame):
    table = summary(sweep)
    assert set(table["contrast"]) == {contrast.name for contrast in PLAIN}
    assert (table["pairs"] == 1).all()


def test_records_tell_of_the_generator(sweep: pd.DataFrame):
    augmented = sweep[sweep["choices.strategy"] == "label_conditioned"]
    assert set(augmented["choices.generator"]) == {"openai"}
    assert (augmented["synthesis.accepted"] == augmented["counts.synthetic"]).all()
    assert augmented["fidelity.mmd2"].notna().all()
    rest = sweep[sweep["choices.strategy"] != "label_conditioned"]
    assert rest["choices.generator"].isna().all()


@pytest.mark.parametrize("contrast", PLAIN, ids=lambda contrast: contrast.name)
def test_a_setting_that_a_record_lacks_equals_one_that_is_null(contrast: Contrast):
    matrix = known_matrix(generators=2, seeds=2)
    matrix["settings.trainer.warmup"] = 0.1
    expected = find_twins(matrix, contrast)
    assert expected["why"].isna().all()
    twins = matrix["choices.strategy"] != "label_conditioned"
    # yesterday's records held a null for each setting of every option; today's hold what an option knows
    nulls: dict[str, Any] = {"settings.trainer.patience": None, "settings.head.hidden": float("nan")}
    for old, new in ((twins, ~twins), (~twins, twins)):
        mixed = pd.concat([matrix[old].assign(**nulls), matrix[new]], ignore_index=True)
        found = find_twins(mixed, contrast).set_index("run").loc[expected["run"]]
        assert found["twin"].tolist() == expected["twin"].tolist()
    # and what has a value differs from what has none
    valued = pd.concat([matrix[twins].assign(**{"settings.trainer.patience": 3}), matrix[~twins]], ignore_index=True)
    assert find_twins(valued, contrast)["twin"].isna().all()


def test_arms_and_cells_are_the_same_where_a_null_stands_for_nothing():
    matrix = known_matrix(generators=2, seeds=2)
    nulls: dict[str, Any] = {
        "settings.strategy.prompts": None,
        "settings.loss.gamma": None,
        "settings.trainer.patience": None,
    }
    half = matrix["choices.seed"] == 0
    mixed = arms(pd.concat([matrix[half].assign(**nulls), matrix[~half]], ignore_index=True))
    assert mixed.cell == arms(matrix).cell
    assert set(mixed.table["arm"]) == set(arms(matrix).table["arm"])
