from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from patentlab.analysis.arms import REAL_ONLY, Arm, Runs, arms, gains, mean_gains, scores
from patentlab.analysis.classifiers import classified
from patentlab.statistics.aggregation import t_interval
from patentlab.statistics.multiple_testing import holm
from tests.analysis.known_matrix import known_matrix


def test_arms_have_names_and_cells():
    runs = arms(known_matrix(generators=2, seeds=2))
    assert {str(arm) for arm in runs.table["arm"]} == {
        "real only", "real only, focal loss", "real only, as many steps", "duplicates to match",
        "g0, label-conditioned", "g1, label-conditioned",
    }  # fmt: skip
    assert runs.cell == ["data", "model", "head", "adapter", "ordering", "regime", "mix", "budget"]
    assert len(runs.table) == 2 * 2 * 6


def test_an_arm_is_its_choices_and_has_a_caption():
    settings = (("settings.generator.temperature", 0.5), ("settings.loss.gamma", 2.0))
    arm = Arm("label_conditioned", "g0", True, "focal", settings)
    assert str(arm) == "g0, label-conditioned, adapted, temperature 0.5, focal loss, gamma 2"
    assert arm == Arm("label_conditioned", "g0", True, "focal", settings) and arm in {arm}
    assert str(arm.without("settings.loss.gamma")) == "g0, label-conditioned, adapted, temperature 0.5, focal loss"
    assert (str(REAL_ONLY), str(Arm("none", loss="focal"))) == ("real only", "real only, focal loss")
    assert sorted([REAL_ONLY, arm, Arm("duplicate")]) == [Arm("duplicate"), arm, REAL_ONLY]
    # two settings of one short name are two arms
    assert Arm("a", settings=(("settings.strategy.steps", 1),)) != Arm("a", settings=(("settings.generator.steps", 1),))


def test_settings_that_vary_tell_arms_and_cells_apart():
    matrix = known_matrix(generators=2, seeds=2)
    generated = matrix["choices.strategy"] == "label_conditioned"
    hot = matrix[generated].copy()
    hot["settings.generator.temperature"], hot["settings.trainer.epochs"] = 1.2, 5
    hot["key"] = hot["run"] = hot["run"] + "-hot"
    matrix.loc[generated, "settings.generator.temperature"] = 0.8
    matrix["settings.trainer.epochs"] = 5
    runs = arms(pd.concat([matrix, hot], ignore_index=True))
    assert "g0, label-conditioned, temperature 1.2" in {str(arm) for arm in runs.table["arm"]}
    assert "trainer.epochs" not in runs.cell
    again = matrix.copy()
    again["settings.trainer.epochs"] = 10
    again["key"] += "-10"
    assert "trainer.epochs" in arms(pd.concat([matrix, again], ignore_index=True)).cell


def again_with(matrix: pd.DataFrame, rows: "pd.Series[bool]", column: str, values: tuple[float, float]) -> pd.DataFrame:
    """A matrix, and some of its rows once more with another value of a setting."""
    first, more = matrix.copy(), matrix[rows].copy()
    first.loc[rows, column], more[column] = values
    more["key"] = more["run"] = more["run"] + "-again"
    return pd.concat([first, more], ignore_index=True)


def test_settings_of_a_loss_tell_arms_apart_and_those_of_a_mix_cells():
    matrix = known_matrix(generators=2, seeds=3)
    focal = again_with(matrix, matrix["choices.loss"] == "focal", "settings.loss.gamma", (1.0, 2.0))
    runs = arms(focal)
    assert {str(arm) for arm in runs.table["arm"] if arm.loss == "focal"} == {
        "real only, focal loss, gamma 1", "real only, focal loss, gamma 2"
    }  # fmt: skip
    assert set(scores(runs)["n"]) == {3}
    filtered = matrix.assign(**{"choices.ordering": "filtered"})
    generated = filtered["choices.strategy"] == "label_conditioned"
    runs = arms(again_with(filtered, generated, "settings.mix.agreement", (0.3, 0.5)))
    assert "mix.agreement" in runs.cell and set(scores(runs)["n"]) == {3}


def test_a_setting_that_changes_with_the_seed_keeps_its_runs_apart():
    matrix = known_matrix(generators=2, seeds=2)
    matrix["settings.trainer.learning_rate"] = matrix["choices.seed"].map({0: 0.005, 1: 0.5})
    table = scores(arms(matrix))
    assert set(table["n"]) == {1} and table["low"].isna().all()


def test_a_seed_that_is_there_twice_makes_no_interval():
    runs = arms(known_matrix(generators=2, seeds=3))
    doubled = Runs(pd.concat([runs.table, runs.table]), runs.cell)
    assert set(scores(doubled)["sentence"]) == {"a seed is there twice"} and scores(doubled)["low"].isna().all()


def test_means_and_intervals_are_students():
    runs = arms(known_matrix(generators=3, seeds=4))
    table = scores(runs)
    for row in table.to_dict("records"):
        group = runs.table[(runs.table["arm"] == row["arm"]) & (runs.table["regime"] == row["regime"])]
        interval = t_interval(group["f1_micro"])
        assert (row["mean"], row["low"], row["high"], row["n"]) == pytest.approx(
            (interval.estimate, interval.low, interval.high, 4)
        )


def test_gains_are_against_the_twin_of_the_same_seed_and_adjusted_over_the_table():
    matrix = known_matrix(generators=3, seeds=4)
    pairs = gains(matrix, arms(matrix))
    table = mean_gains(pairs)
    assert len(table) == 4 * 2 * 3
    indexed = matrix.set_index("run")["metrics.test.f1_micro"]
    row = table.iloc[0]
    own = pairs.table[(pairs.table["contrast"] == row["contrast"]) & (pairs.table["arm"] == row["arm"])
                      & (pairs.table["regime"] == row["regime"])]  # fmt: skip
    differences = indexed[own["run"]].to_numpy() - indexed[own["twin"]].to_numpy()
    assert row["mean"] == pytest.approx(differences.mean())
    assert row["p"] == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert table["p_holm"].tolist() == pytest.approx(holm(table["p"].to_numpy()).tolist())


def test_what_has_no_interval_says_why():
    matrix = known_matrix(generators=2, seeds=3)
    one = arms(matrix[matrix["choices.seed"] == 0])
    assert set(scores(one)["sentence"]) == {"needs at least 2 values, has 1"}
    assert scores(one)["low"].isna().all() and scores(one)["mean"].notna().all()
    lost = matrix.copy()
    lost.loc[lost["choices.generator"] == "g0", "metrics.test.f1_micro"] = np.nan
    table = scores(arms(lost))
    rows = table[table["arm"] == Arm("label_conditioned", "g0")]
    assert set(rows["sentence"]) == {"3 of 3 values are missing"}
    assert rows[["mean", "low", "high"]].isna().to_numpy().all()
    same = matrix.assign(**{"metrics.test.f1_micro": 0.1 + 0.2})
    assert set(scores(arms(same))["sentence"]) == {"the values do not vary"}


def test_other_data_or_weights_under_the_same_choices_are_other_cells():
    matrix = known_matrix(generators=2, seeds=2).assign(
        **{"fingerprints.data": "a" * 64, "fingerprints.model": "b" * 64}
    )
    assert not {"fingerprints.data", "fingerprints.model"} & set(arms(matrix).cell)
    for name in ("fingerprints.data", "fingerprints.model"):
        other: dict[str, Any] = {name: "c" * 64, "choices.seed": matrix["choices.seed"] + 2, "key": matrix["key"] + "c"}
        runs = arms(pd.concat([matrix, matrix.assign(**other)], ignore_index=True))
        assert runs.cell[-1] == name
        assert set(scores(runs)["n"]) == {2}
        assert len(scores(runs)) == 2 * len(scores(arms(matrix)))


def test_reveal_with_other_sources_is_another_arm():
    matrix = known_matrix(generators=2, seeds=2)
    copies = matrix[matrix["choices.strategy"] == "duplicate"]
    more = [matrix]
    for sources in ("regime", "20"):
        changes: dict[str, Any] = {"choices.strategy": "reveal", "settings.strategy.sources": sources}
        more.append(copies.assign(**changes, key=copies["key"] + sources, run=copies["run"] + sources))
    captions = {str(arm) for arm in arms(pd.concat(more, ignore_index=True)).table["arm"]}
    assert {"what the generator saw, sources regime", "what the generator saw, sources 20"} <= captions
    assert "duplicates to match" in captions


def students(seeds: int) -> pd.DataFrame:
    """Runs of distillation: each seed has a teacher of its own, at a path of its own."""
    matrix = known_matrix(generators=2, seeds=seeds)
    matrix = matrix[(matrix["choices.strategy"] == "none") & (matrix["choices.loss"] == "bce")]
    teachers = "multirun/teachers/minilm_seed-" + matrix["choices.seed"].astype(str)
    return matrix.assign(**{"choices.loss": "distillation"}).assign(**{"settings.loss.teacher": teachers})


def test_students_are_one_arm_over_seeds_whatever_their_teachers_are_called():
    runs = arms(students(3))
    assert {str(arm) for arm in runs.table["arm"]} == {"real only, distillation loss"}
    assert set(scores(runs)["n"]) == {3}


def test_students_of_two_teachers_are_two_arms():
    plain = students(3)
    parts = [
        plain.assign(run=plain["run"] + name, key=plain["key"] + name, **{"training.teacher": name})
        for name in ("minilm-full 1:10 mix=1", "tfidf_linear 1:10 mix=1")
    ]
    runs = arms(pd.concat(parts, ignore_index=True))
    assert {str(arm) for arm in runs.table["arm"]} == {
        f"real only, distillation loss, teacher {name} 1:10 mix=1" for name in ("minilm-full", "tfidf_linear")
    }
    assert set(scores(runs)["sentence"]) == {""}
    names = set(classified(runs).table["classifier"])
    assert len(names) == 2 * runs.table["model"].nunique() and all(" loss, teacher " in name for name in names), names


def test_files_of_unlabelled_documents_are_told_by_what_they_hold():
    plain = students(2)
    name, held = "settings.data.unlabelled", "fingerprints.unlabelled"
    parts = []
    for value, fingerprint in ((None, None), ("pool", None), ("/a/x.jsonl", "1"), ("/b/x.jsonl", "1"), ("x", "2")):
        part = plain.assign(**{name: value, held: fingerprint})
        parts.append(part.assign(run=part["run"] + str(value), key=part["key"] + str(value)))
    runs = arms(pd.concat(parts[:3], ignore_index=True))
    assert runs.table["data.unlabelled"].fillna("none").unique().tolist() == ["none", "pool", "file"]
    moved = arms(pd.concat([parts[2].iloc[:2], parts[3].iloc[2:]], ignore_index=True))
    assert "data.unlabelled" not in moved.cell and held not in moved.cell
    assert held in arms(pd.concat([parts[2], parts[4]], ignore_index=True)).cell


def test_seeds_that_split_one_corpus_share_documents_and_those_with_a_corpus_each_do_not():
    matrix = known_matrix(generators=2, seeds=3)
    for name, count in (("real", 60), ("pool", 60), ("validation", 20), ("test", 20)):
        matrix[f"counts.{name}"] = count
    matrix["fingerprints.data"], matrix["settings.data.corpus_seed"] = "made", 0
    assert set(arms(matrix).table["overlap"]) == {0.2}
    matrix["settings.data.corpus_seed"] = matrix["choices.seed"]
    assert set(arms(matrix).table["overlap"]) == {0.0}
    split = matrix.copy()  # one seed, and one corpus that seeds.split splits anew
    split["choices.seeds"] = split["choices.seed"].map("split={}".format)
    split["choices.seed"] = split["settings.data.corpus_seed"] = 0
    assert set(arms(split).table["overlap"]) == {0.2}
    files = matrix.assign(**{"fingerprints.data": matrix["choices.seed"].map("file {}".format)})
    assert set(arms(files.drop(columns="settings.data.corpus_seed")).table["overlap"]) == {0.0}
