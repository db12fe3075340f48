"""Tables of written predictions against scikit-learn and scipy, on folders like those that runs leave behind."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

from patentlab.analysis import predictions
from patentlab.analysis.arms import Runs
from patentlab.analysis.predictions import (
    paired_comparisons,
    per_label,
    read_predictions,
    reliability,
    seed_aggregates,
)
from patentlab.analysis.significance import bootstrap_f1_over_runs
from patentlab.analysis.undecidable import UndecidableError
from patentlab.corpus import Document, LabelSpace
from patentlab.evaluation import single_label
from patentlab.evaluation.calibration import expected_calibration_error
from patentlab.figures.calibration import reliability as reliability_figure
from patentlab.figures.per_label import arms_per_label
from patentlab.tasks import Decision
from patentlab.tasks.documents import MultiLabel, SingleLabel

NAMES = ("G06F", "H04L", "NA", "nan")  # two that a careless reader takes for missing
CELL = ["regime", "mix"]
THRESHOLD = 0.5
DECISION = Decision(THRESHOLD)


def draw(documents: int, seed: int, noise: float = 0.3, of: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True labels that ``of`` decides, and scores with errors that ``seed`` decides."""
    true = np.random.default_rng(of).random((documents, len(NAMES))) < [0.5, 0.3, 0.2, 0.1]
    scores = 0.2 + 0.6 * true + np.random.default_rng([seed, of]).normal(0, noise, true.shape)
    return true.astype(np.int8), np.clip(scores, 0, 1).astype(np.float32)


def write(
    folder: Path,
    true: np.ndarray,
    scores: np.ndarray,
    *,
    single: bool = False,
    ids: Sequence[str] | None = None,
    names: tuple[str, ...] = NAMES,
) -> Path:
    """What a run writes of its test documents, behind validation documents that nobody shall read."""
    task = (SingleLabel if single else MultiLabel)(LabelSpace(names))
    ids = ids if ids is not None else [f"d{number}" for number in range(len(true))]
    documents = [
        Document(one, "", tuple(name for name, has in zip(names, row, strict=True) if has))
        for one, row in zip(ids, true, strict=True)
    ]
    validation = [Document("v", "", names[:1])]
    folder.mkdir(parents=True)
    tables = [
        task.predictions(validation, np.full((1, len(names)), 0.9, np.float32), DECISION).assign(set="validation"),
        task.predictions(documents, scores, DECISION).assign(set="test"),
    ]
    pd.concat(tables, ignore_index=True).to_parquet(folder / "predictions.parquet", index=False)
    task.tables(true, scores, DECISION)["per_label"].to_csv(folder / "per_label.csv", index=False)
    return folder


def pairs_of(rows: list[dict[str, Any]]) -> Runs:
    plain = {"contrast": "gain", "regime": "1:10", "mix": 0.2, "arm": "smollm2"}
    return Runs(pd.DataFrame([plain | row for row in rows]), CELL)


@pytest.fixture
def three(tmp_path: Path) -> tuple[Runs, dict[str, Path]]:
    """Three seeds with test sets of their own; the twins make fewer errors."""
    folders, rows = {}, []
    for seed in range(3):
        ids = [f"{seed}-{number:03}" for number in range(60)]
        folders[f"run{seed}"] = write(tmp_path / f"run{seed}", *draw(60, 1, 0.35, seed), ids=ids)
        folders[f"twin{seed}"] = write(tmp_path / f"twin{seed}", *draw(60, 2, 0.2, seed), ids=ids)
        rows.append({"seed": seed, "run": f"run{seed}", "twin": f"twin{seed}"})
    return pairs_of(rows), folders


def test_test_documents_are_read_as_they_were_written(tmp_path: Path):
    true, scores = draw(20, 0)
    ids = [f"d{number}" for number in np.random.default_rng(0).permutation(20)]
    found = read_predictions(write(tmp_path / "run", true, scores, ids=ids))
    order = np.argsort(ids)
    assert found.ids == tuple(sorted(ids))
    assert found.labels == NAMES
    assert not found.single
    np.testing.assert_array_equal(found.true, true[order] == 1)
    np.testing.assert_array_equal(found.predicted, scores[order] >= THRESHOLD)
    np.testing.assert_array_equal(found.scores, scores[order])


def test_documents_without_a_predicted_label_have_none(tmp_path: Path):
    true, _ = draw(5, 0)
    assert not read_predictions(write(tmp_path / "run", true, np.zeros(true.shape, np.float32))).predicted.any()


def test_files_that_are_missing_or_do_not_fit_are_named(tmp_path: Path):
    folder = write(tmp_path / "run", *draw(20, 0))
    table = pd.read_csv(folder / "per_label.csv", na_filter=False)
    table.iloc[:3].to_csv(folder / "per_label.csv")
    with pytest.raises(UndecidableError, match="differ in the number of labels"):
        read_predictions(folder)
    table.replace("NA", "A01B").to_csv(folder / "per_label.csv")
    with pytest.raises(UndecidableError, match=r"labels that per_label\.csv lacks"):
        read_predictions(folder)
    (folder / "per_label.csv").unlink()
    with pytest.raises(UndecidableError, match=r"no per_label\.csv"):
        read_predictions(folder)
    empty = write(tmp_path / "empty", *draw(20, 0))
    pd.read_parquet(empty / "predictions.parquet").head(1).to_parquet(empty / "predictions.parquet")
    with pytest.raises(UndecidableError, match="no test documents"):
        read_predictions(empty)


def test_differences_are_those_of_scikit_learn_and_of_the_tests_they_name(three: tuple[Runs, dict[str, Path]]):
    pairs, folders = three
    [row] = paired_comparisons(pairs, folders, resamples=300).to_dict("records")
    drawn = [(draw(60, 1, 0.35, seed), draw(60, 2, 0.2, seed)[1]) for seed in range(3)]
    decided = [(true, scores >= THRESHOLD, twin >= THRESHOLD) for (true, scores), twin in drawn]
    for average in ("micro", "macro"):
        difference = [
            f1_score(true, run, average=average) - f1_score(true, twin, average=average) for true, run, twin in decided
        ]
        assert row[f"f1_{average}"] == pytest.approx(np.mean(difference))
        expected = bootstrap_f1_over_runs(decided, average, 300)
        ends = [row[f"f1_{average}_{end}"] for end in ("low", "high", "p")]
        assert ends == pytest.approx([expected.low, expected.high, expected.p])
    difference = [accuracy_score(true, run) - accuracy_score(true, twin) for true, run, twin in decided]
    assert row["accuracy"] == pytest.approx(np.mean(difference))
    right = [np.stack([(one == true).all(axis=1) for one in both]) for true, *both in decided]
    only_run, only_twin = (int(sum(np.sum(one[i] & ~one[1 - i]) for one in right)) for i in (0, 1))
    assert (row["only_run"], row["only_twin"]) == (only_run, only_twin)
    assert row["p_exact"] == pytest.approx(stats.binomtest(only_run, only_run + only_twin).pvalue)
    assert row["p_mid"] < row["p_exact"] < 0.01
    rare = max(int((true.sum(axis=0) < 5).sum()) for true, *_ in decided)
    assert (row["seeds"], row["documents"], row["rare_labels"], row["sentence"]) == (3, 180, rare, "")


def test_documents_that_seeds_share_count_once_in_mcnemars_test(tmp_path: Path):
    # 40 documents with one label of two; all four seeds have the same ones right
    true = np.tile(np.array([1, 0], np.int8), (40, 1))
    decided = {"run": np.arange(40) < 30, "twin": np.arange(40) >= 26}
    folders, rows = {}, []
    for seed in range(4):
        for name, right in decided.items():
            scores = (true * right[:, None]).astype(np.float32)
            folders[f"{name}{seed}"] = write(tmp_path / f"{name}{seed}", true, scores, names=("A", "B"))
        rows.append({"seed": seed, "run": f"run{seed}", "twin": f"twin{seed}"})
    one, all_four = (paired_comparisons(pairs_of(rows[:n]), folders, 100).iloc[0] for n in (1, 4))
    for row in (one, all_four):
        assert (row["only_run"], row["only_twin"], row["documents"]) == (26, 10, 40)
        assert row["p_exact"] == pytest.approx(stats.binomtest(26, 36).pvalue)
    # a seed in which neither is better leaves the others' word, one that says the opposite takes it back
    folders["run1"], folders["twin1"] = folders["twin0"], folders["run0"]
    folders["run2"] = folders["twin2"] = folders["run0"]
    two, three = (paired_comparisons(pairs_of(rows[:n]), folders, 100).iloc[0] for n in (2, 3))
    for row in (two, three):
        assert (row["only_run"], row["only_twin"], row["p_exact"], row["accuracy"]) == (0, 0, 1, 0)
    kept = paired_comparisons(pairs_of([rows[0], rows[2], rows[3]]), folders, 100).iloc[0]
    assert (kept["only_run"], kept["only_twin"]) == (26, 10)


def test_pairs_on_different_documents_are_left_out(three: tuple[Runs, dict[str, Path]], tmp_path: Path):
    pairs, folders = three
    folders["twin0"] = write(tmp_path / "other", *draw(60, 2, 0.2, 0))
    ids = [f"1-{number:03}" for number in range(60)]
    folders["twin1"] = write(tmp_path / "relabelled", *draw(60, 2, 0.2, 7), ids=ids)
    [row] = paired_comparisons(pairs, folders, 100).to_dict("records")
    assert row["sentence"] == (
        "2 of 3 pairs left out: different test documents (seed 0), different labels of the test documents (seed 1)"
    )
    alone = paired_comparisons(Runs(pairs.table.iloc[2:], CELL), folders, 100).iloc[0]
    assert (row["seeds"], row["f1_micro"], row["f1_macro_p"]) == (1, alone["f1_micro"], alone["f1_macro_p"])


def test_pairs_without_files_give_sentences_and_no_numbers(three: tuple[Runs, dict[str, Path]]):
    pairs, folders = three
    [row] = paired_comparisons(pairs, {}).to_dict("records")
    assert row["sentence"] == "3 of 3 pairs left out: no folder (seeds 0, 1, 2)"
    numbers = set(row) - {"contrast", *CELL, "arm", "seeds", "documents", "rare_labels", "sentence"}
    assert len(numbers) == 19
    assert all(np.isnan(row[name]) for name in numbers)
    (folders["twin1"] / "predictions.parquet").unlink()
    found = paired_comparisons(pairs, folders, 100).iloc[0]
    assert found["sentence"] == "1 of 3 pairs left out: twin with no predictions.parquet (seed 1)"
    none = paired_comparisons(Runs(pairs.table.iloc[:0], CELL), folders)
    assert none.empty
    assert list(none) == list(row)


def test_runs_that_predict_the_same_have_no_interval(three: tuple[Runs, dict[str, Path]]):
    pairs, folders = three
    row = paired_comparisons(Runs(pairs.table.assign(twin=pairs.table["run"]), CELL), folders, 100).iloc[0]
    why = "the difference is the same whatever documents are drawn"
    assert row["sentence"] == f"f1_micro: {why}; f1_macro: {why}"
    assert np.isnan(row["f1_micro"]) and np.isnan(row["f1_macro_p_holm"])
    assert (row["only_run"], row["only_twin"], row["p_exact"]) == (0, 0, 1)


def test_rows_are_a_family_and_each_run_is_read_once(
    three: tuple[Runs, dict[str, Path]], monkeypatch: pytest.MonkeyPatch
):
    pairs, folders = three
    folders |= {f"late{seed}": folders[f"run{seed}"] for seed in range(3)}
    other = pairs.table.assign(mix=0.3, run=[f"late{seed}" for seed in range(3)])
    gap = pairs.table.assign(arm="gemma", run=[f"none{seed}" for seed in range(3)])
    same = pairs.table.assign(contrast="controlled_gain")
    table = pd.concat([pairs.table, other, gap, same], ignore_index=True)
    read: list[Path] = []

    def count(folder: Path) -> predictions.Predictions:
        read.append(folder)
        return read_predictions(folder)

    monkeypatch.setattr(predictions, "read_predictions", count)
    found = paired_comparisons(Runs(table, CELL), folders, 100)
    assert len(read) == 9  # three arms of three seeds, those without files not among them
    order = found[["contrast", "mix", "arm"]].to_numpy().tolist()
    assert order == [["gain", 0.2, "smollm2"], ["gain", 0.3, "smollm2"], ["gain", 0.2, "gemma"],
                     ["controlled_gain", 0.2, "smollm2"]]  # fmt: skip
    p = found["p_exact"].to_numpy()
    assert np.isnan(p).tolist() == [False, False, True, False]
    assert found["p_exact_holm"].dropna().to_numpy() == pytest.approx(3 * p[0])
    assert found["p_exact_bh"].dropna().to_numpy() == pytest.approx(p[0])


def test_a_reader_forgets_what_is_read_for_the_last_time(three: tuple[Runs, dict[str, Path]]):
    reader = predictions._Reader(three[1], ["run0", "run1", "run0", "gone"])
    first = reader("run0")
    assert reader("gone") == "no folder"
    assert list(reader._held) == ["run0"]
    assert reader("run0") is first
    assert not reader._held


def test_aggregates_are_over_cells_with_as_many_runs_of_each_arm():
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for mix, shift in ((0.1, 0.0), (0.2, 0.1), (0.3, 0.2), (0.4, 0.3), (0.5, 0.4)):
        for arm, gain in (("real only", 0.0), ("smollm2", 0.02), ("best", 1.0)):
            n = {0.3: 5, 0.4: 2 if arm == "smollm2" else 4, 0.5: 0 if arm == "best" else 4}.get(mix, 4)
            drawn = shift + gain + 0.05 * generator.normal(size=n)
            rows += [
                {"regime": "1:10", "mix": mix, "arm": arm, "seed": seed, "f1_micro": score}
                for seed, score in enumerate(drawn)
            ]
    table = pd.DataFrame(rows)
    found = {row["arm"]: row for row in seed_aggregates(Runs(table, CELL), resamples=500).to_dict("records")}
    assert list(found) == ["real only", "smollm2", "best"]
    left_out = (
        "3 of 5 cells left out: mix 0.3 (5 runs an arm), mix 0.4 (2 to 4 runs an arm), mix 0.5 (0 to 4 runs an arm)"
    )
    assert found["smollm2"]["sentence"] == left_out
    scores = {arm: table.query("mix < 0.25 and arm == @arm")["f1_micro"].to_numpy() for arm in found}
    for arm, row in found.items():
        assert (row["cells"], row["seeds"]) == (2, 4)
        assert row["iqm"] == pytest.approx(stats.trim_mean(scores[arm], 0.25))
        assert row["low"] < row["iqm"] < row["high"]
    a, b = scores["smollm2"].reshape(2, 4), scores["real only"].reshape(2, 4)
    u = [stats.mannwhitneyu(x, y).statistic / 16 for x, y in zip(a, b, strict=True)]
    assert found["smollm2"]["improvement"] == pytest.approx(np.mean(u))
    assert 0 <= found["smollm2"]["improvement_low"] < found["smollm2"]["improvement_high"] <= 1
    above = "improvement: every run scores above all those with real only in its cell"
    assert found["best"]["sentence"] == f"{left_out}; {above}"
    assert np.isnan([found[arm]["improvement"] for arm in ("real only", "best")]).all()


def test_aggregates_that_cannot_be_told_are_sentences():
    table = pd.DataFrame(
        {"regime": "1:10", "mix": [0.2] * 5 + [0.3], "arm": ["a"] * 3 + ["b"] * 2 + ["a"], "seed": 0, "f1_micro": 0.5}
    )
    odd = seed_aggregates(Runs(table, CELL))
    assert set(odd["sentence"]) == {"2 of 2 cells left out: mix 0.2 (2 to 3 runs an arm), mix 0.3 (0 to 1 runs an arm)"}
    assert odd["cells"].tolist() == [0, 0] and odd["iqm"].isna().all()
    even = seed_aggregates(Runs(table.iloc[1:5], CELL))
    assert set(even["sentence"]) == {
        "interquartile mean: needs at least 4 scores, has 2; improvement: no runs with real only"
    }
    missing = seed_aggregates(Runs(table.iloc[1:5].assign(f1_micro=[0.1, np.nan, 0.2, 0.3]), CELL))
    assert missing["sentence"].iloc[0].startswith("interquartile mean: 1 of 2 values are missing")
    many = pd.concat([table.iloc[[0, 3, 1]].assign(mix=n / 10) for n in range(7)])
    [sentence] = set(seed_aggregates(Runs(many, CELL))["sentence"])
    assert sentence.startswith("7 of 7 cells left out: mix 0.0 (1 to 2 runs an arm), mix 0.1")
    assert sentence.endswith("mix 0.4 (1 to 2 runs an arm), and 2 more")
    alone = seed_aggregates(Runs(table.iloc[:5], CELL))
    assert alone["sentence"].iloc[0] == "1 of 1 cells left out: the only one (2 to 3 runs an arm)"
    assert seed_aggregates(Runs(table.iloc[:0], CELL)).empty


def test_reliability_is_that_of_the_pooled_seeds(three: tuple[Runs, dict[str, Path]]):
    pairs, folders = three
    runs = pd.concat([pairs.table, pairs.table.assign(run=pairs.table["twin"], arm="real only")])
    table, summary = reliability(runs, folders, bins=10)
    assert summary["arm"].tolist() == ["smollm2", "real only"]
    drawn = [draw(60, 1, 0.35, seed) for seed in range(3)]
    true, scores = (np.concatenate(part) for part in zip(*drawn, strict=True))
    expected = expected_calibration_error(scores.ravel(), true.ravel(), bins=10)
    own = table[table["arm"] == "smollm2"]
    assert summary.loc[0, "ece"] == pytest.approx(expected)
    assert np.average(abs(own["predicted"] - own["observed"]), weights=own["count"]) == pytest.approx(expected)
    assert own["count"].sum() == true.size
    # the edges of equal width, the upper one belonging to its bin
    first = scores.ravel() <= 0.1
    assert own.iloc[0]["count"] == first.sum()
    assert own.iloc[0]["observed"] == pytest.approx(true.ravel()[first].mean())
    assert own.iloc[0]["predicted"] == pytest.approx(scores.ravel()[first].mean(), rel=1e-5)
    assert list(table) == ["arm", "predicted", "observed", "count"]
    reliability_figure(table, summary)


def test_single_label_tasks_are_judged_by_their_best_label(tmp_path: Path):
    generator = np.random.default_rng(0)
    true = np.eye(4, dtype=np.int8)[generator.integers(4, size=200)]
    logits = 2 * true + generator.normal(size=(2, *true.shape))
    scores = (np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)).astype(np.float32)
    folders = {f"run{i}": write(tmp_path / f"run{i}", true, scores[i], single=True) for i in range(2)}
    found = read_predictions(folders["run0"])
    assert found.single
    expected = single_label.evaluate(true, scores[0])
    table, summary = reliability(pd.DataFrame({"run": ["run0"], "arm": "a", "seed": 0}), folders)
    assert summary.loc[0, "ece"] == pytest.approx(expected["ece"])
    assert table["count"].sum() == 200
    assert table["predicted"].min() > 0.25
    row = paired_comparisons(pairs_of([{"seed": 0, "run": "run0", "twin": "run1"}]), folders, 200).iloc[0]
    difference = np.mean(scores[0].argmax(1) == true.argmax(1)) - np.mean(scores[1].argmax(1) == true.argmax(1))
    assert row["f1_micro"] == pytest.approx(difference)  # each document has one label and was given one
    assert row["accuracy"] == pytest.approx(difference)


def test_labels_are_means_over_seeds(three: tuple[Runs, dict[str, Path]]):
    pairs, folders = three
    runs = pd.concat([pairs.table, pairs.table.assign(run=pairs.table["twin"], arm="real only")])
    table = per_label(runs, folders)
    assert table["label"].tolist() == [*NAMES, *NAMES]
    assert table["arm"].tolist() == ["smollm2"] * 4 + ["real only"] * 4
    drawn = [draw(60, 1, 0.35, seed) for seed in range(3)]
    f1 = np.mean([f1_score(true, scores >= THRESHOLD, average=None) for true, scores in drawn], axis=0)
    assert table["f1"].to_numpy()[:4] == pytest.approx(f1)
    assert table["support"].to_numpy()[:4] == pytest.approx(np.mean([true.sum(axis=0) for true, _ in drawn], axis=0))
    assert set(table["seeds"]) == {3} and set(table["sentence"]) == {""}
    arms_per_label(table, "1:10")


def test_arms_without_files_are_said_and_not_drawn(three: tuple[Runs, dict[str, Path]]):
    pairs, folders = three
    (folders["run2"] / "per_label.csv").unlink()
    runs = pd.concat([pairs.table, pairs.table.assign(run=["x", "y", "z"], arm="gone")])
    gone = "3 of 3 runs left out: no folder (seeds 0, 1, 2)"
    partly = "1 of 3 runs left out: no per_label.csv (seed 2)"
    table, summary = reliability(runs, folders)
    assert summary["sentence"].tolist() == [partly, gone]
    assert summary["seeds"].tolist() == [2, 0] and summary["ece"].isna().tolist() == [False, True]
    assert set(table["arm"]) == {"smollm2"}
    labels = per_label(runs, folders)
    assert labels["seeds"].tolist() == [2, 2, 2, 2, 0]
    assert labels["sentence"].tolist() == [partly] * 4 + [gone]
    assert labels.iloc[4][["label", "support", "f1"]].isna().all()
    reliability_figure(table, summary)
    arms_per_label(labels, "1:10")
    # neither arm has anything, and no arm at all
    for some in (runs, runs.iloc[:0]):
        table, summary = reliability(some, {})
        assert table.empty and summary["ece"].isna().all()
        reliability_figure(table, summary)
        arms_per_label(per_label(some, {}), "1:10")


def test_neither_torch_nor_mlflow_is_loaded():
    code = "import sys, patentlab.analysis.predictions; print(*{'torch', 'transformers', 'mlflow'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""
