"""Tables of written predictions against scikit-learn and scipy, on folders like those that runs leave behind."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from patentlab.analysis.arms import Runs
from patentlab.analysis.comparisons import paired_comparisons
from patentlab.analysis.predictions import Predictions, per_label, read_predictions, reliability
from patentlab.evaluation import single_label
from patentlab.evaluation.calibration import expected_calibration_error
from patentlab.figures.calibration import reliability as reliability_figure
from patentlab.figures.per_label import arms_per_label
from patentlab.statistics.undecidable import UndecidableError
from tests.analysis.written_runs import NAMES, THRESHOLD, draw, pairs_of, write


def of_labels(folder: Path) -> Predictions:
    found = read_predictions(folder)
    assert isinstance(found, Predictions)
    return found


def test_test_documents_are_read_as_they_were_written(tmp_path: Path):
    true, scores = draw(20, 0)
    ids = [f"d{number}" for number in np.random.default_rng(0).permutation(20)]
    found = of_labels(write(tmp_path / "run", true, scores, ids=ids))
    order = np.argsort(ids)
    assert found.ids == tuple(sorted(ids))
    assert found.labels == NAMES
    assert not found.single
    np.testing.assert_array_equal(found.true, true[order] == 1)
    np.testing.assert_array_equal(found.predicted, scores[order] >= THRESHOLD)
    np.testing.assert_array_equal(found.scores, scores[order])


def test_documents_without_a_predicted_label_have_none(tmp_path: Path):
    true, _ = draw(5, 0)
    assert not of_labels(write(tmp_path / "run", true, np.zeros(true.shape, np.float32))).predicted.any()


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
    found = of_labels(folders["run0"])
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
