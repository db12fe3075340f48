"""Paired comparisons of written predictions against scikit-learn and scipy."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from patentlab.analysis import comparisons, predictions
from patentlab.analysis.arms import Runs
from patentlab.analysis.comparisons import paired_comparisons
from patentlab.analysis.predictions import read_predictions
from patentlab.statistics.bootstrap import bootstrap_f1_over_runs
from tests.analysis.written_runs import CELL, THRESHOLD, draw, pairs_of, write


def map_of(true: np.ndarray, scores: np.ndarray) -> float:
    return float(average_precision_score(true, scores, average="macro"))


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
    precision = [map_of(true, run) - map_of(true, twin) for (true, run), twin in drawn]
    assert row["map_macro"] == pytest.approx(np.mean(precision), rel=1e-5)
    assert row["map_macro_low"] < row["map_macro"] < row["map_macro_high"] and row["map_macro_p"] < 0.05
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
    assert len(numbers) == 23
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
    assert row["sentence"] == f"f1_micro: {why}; f1_macro: {why}; map_macro: {why}"
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

    def count(folder: Path) -> predictions.Judged:
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
    reader = comparisons._Reader(three[1], ["run0", "run1", "run0", "gone"])
    first = reader("run0")
    assert reader("gone") == "no folder"
    assert list(reader._held) == ["run0"]
    assert reader("run0") is first
    assert not reader._held
