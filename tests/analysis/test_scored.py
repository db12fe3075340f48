"""Scores of runs on resampled documents."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from patentlab.analysis import predictions, scored
from patentlab.analysis.predictions import read_predictions
from patentlab.analysis.scored import ScoredRuns, check_same_documents
from patentlab.statistics.undecidable import UndecidableError
from tests.analysis.written_runs import THRESHOLD, draw, write


def test_scores_are_scikit_learns_and_resamples_lie_around_them(tmp_path: Path):
    true, scores = draw(200, 1)
    found = ScoredRuns({"a": write(tmp_path / "a", true, scores)}, resamples=300)("a")
    decided = scores >= THRESHOLD
    expected = {f"f1_{average}": f1_score(true, decided, average=average) for average in ("micro", "macro")}
    expected["map_macro"] = average_precision_score(true, scores, average="macro")
    for name, value in expected.items():
        assert found.score[name] == pytest.approx(value, rel=1e-5)
        assert found.resampled[name].shape == (300,)
        assert abs(found.resampled[name].mean() - value) < found.resampled[name].std() / 4
    assert found.right.mean() == pytest.approx((decided == true).all(axis=1).mean())


def test_runs_of_the_same_documents_have_the_same_draws_and_hold_them_once(tmp_path: Path):
    ids = [f"d{number}" for number in range(50)]
    true, scores = draw(50, 1)
    order = np.random.default_rng(1).permutation(50)
    folders = {
        "a": write(tmp_path / "a", true, scores, ids=ids),
        "shuffled": write(tmp_path / "b", true[order], scores[order], ids=[ids[place] for place in order]),
        "other": write(tmp_path / "c", true, scores, ids=[f"e{number}" for number in range(50)]),
    }
    runs = ScoredRuns(folders, resamples=50)
    a, shuffled, other = map(runs, folders)
    for name, values in a.resampled.items():
        assert np.array_equal(values, shuffled.resampled[name])
        assert not np.array_equal(values, other.resampled[name])
    assert a.true is shuffled.true and a.ids is shuffled.ids
    check_same_documents(a, shuffled)
    with pytest.raises(UndecidableError, match="different test documents"):
        check_same_documents(a, other)


def test_each_run_is_read_once_and_why_not_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[Path] = []

    def count(folder: Path) -> predictions.Judged:
        read.append(folder)
        return read_predictions(folder)

    monkeypatch.setattr(predictions, "read_predictions", count)
    monkeypatch.setattr(scored, "_HELD", 1)  # draws are made again, and are the same
    folders = {name: write(tmp_path / name, *draw(20, 1), ids=[f"{name}{n}" for n in range(20)]) for name in "ab"}
    runs = ScoredRuns({**folders, "empty": tmp_path}, resamples=20)
    first = runs("a")
    assert runs("b") is runs("b") and runs("a") is first and len(read) == 2
    for _ in range(2):
        with pytest.raises(UndecidableError, match=r"no per_label\.csv"):
            runs("empty")
    assert len(read) == 3
    handed = ScoredRuns({}, resamples=20)("a", read_predictions(folders["a"]))
    assert np.array_equal(handed.resampled["map_macro"], first.resampled["map_macro"])
    with pytest.raises(UndecidableError, match="gone"):
        ScoredRuns({})("a", "gone")
