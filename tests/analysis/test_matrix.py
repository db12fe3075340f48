from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import f1_score

from patentlab.analysis.contrasts import CONTRASTS, find_twins
from patentlab.analysis.matrix import read_kept_matrix, read_matrix, write_matrix
from patentlab.analysis.tables import problems
from patentlab.evaluation.multi_label import choose_threshold
from patentlab.tracking.record import Record
from tests.analysis.known_matrix import known_matrix
from tests.analysis.written_runs import draw, write


def test_a_row_a_run_in_the_order_of_the_jobs(tmp_path: Path):
    for number in (0, 2, 10):
        (tmp_path / str(number)).mkdir()
        Record(f"key{number}", {"seed": number}, "finished", metrics={"test": {"f1_micro": number / 10}}).write(
            tmp_path / str(number)
        )
    (tmp_path / "unfinished").mkdir()
    matrix = read_matrix(tmp_path)
    assert matrix["run"].tolist() == ["0", "2", "10"]
    assert matrix["metrics.test.f1_micro"].tolist() == [0.0, 0.2, 1.0]
    path, parquet = write_matrix(matrix, tmp_path)
    assert (path, parquet) == (tmp_path / "matrix.csv", tmp_path / "matrix.parquet")
    assert pd.read_csv(path)["choices.seed"].tolist() == [0, 2, 10]


def test_macro_f1_of_an_earlier_record_is_measured_at_its_own_threshold(tmp_path: Path):
    validation, test = draw(80, 0), draw(200, 1, of=1)
    folder = write(tmp_path / "run", *test, validation=validation)
    threshold = choose_threshold(*validation, "f1_micro")
    decided = test[1] >= threshold
    old = {name: f1_score(test[0], decided, average=name) for name in ("micro", "macro")}
    metrics = {of: {f"f1_{name}": value for name, value in old.items()} for of in ("validation", "test")}
    Record("key", {"seed": 0}, "finished", metrics=metrics, threshold=threshold).write(folder)
    row = read_matrix(tmp_path).iloc[0]
    own = choose_threshold(*validation, "f1_macro")
    assert row["metrics.test.f1_micro"] == pytest.approx(old["micro"])
    assert row["metrics.test.f1_macro"] == pytest.approx(f1_score(test[0], test[1] >= own, average="macro"))
    assert row["metrics.test.f1_macro"] != pytest.approx(old["macro"])
    assert row["thresholds.f1_micro"] == row["threshold"] != row["thresholds.f1_macro"]
    assert problems(read_matrix(tmp_path)).empty
    (folder / "predictions.parquet").unlink()
    assert read_matrix(tmp_path)["metrics.test.f1_macro"].tolist() == [pytest.approx(old["macro"])]
    assert problems(read_matrix(tmp_path))["problem"].tolist() == ["one threshold"]


def test_processes_that_write_one_matrix_do_not_get_in_each_others_way(tmp_path: Path):
    matrix = known_matrix(generators=2, seeds=2)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(_write_often, matrix, tmp_path) for _ in range(2)]
        assert [one.result() for one in done] == [40, 40]
    assert read_kept_matrix(tmp_path / "matrix.parquet").shape == matrix.shape
    assert sorted(path.name for path in tmp_path.iterdir()) == ["matrix.csv", "matrix.parquet"]


def _write_often(matrix: pd.DataFrame, folder: Path) -> int:
    return sum(len(write_matrix(matrix, folder)) for _ in range(20))


def test_settings_are_read_under_the_names_of_today(tmp_path: Path):
    for number, name in enumerate(("attention", "attn_implementation")):
        (tmp_path / str(number)).mkdir()
        Record(f"key{number}", {"seed": number}, "finished").write(tmp_path / str(number))
        (tmp_path / str(number) / "config.yaml").write_text(f"model:\n  name: minilm\n  {name}: sdpa\nseed: {number}\n")
    matrix = read_matrix(tmp_path)
    assert matrix["settings.model.attn_implementation"].tolist() == ["sdpa", "sdpa"]
    assert "settings.model.attention" not in matrix


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_kept_matrices_of_both_times_have_twins(tmp_path: Path, suffix: str):
    matrix = known_matrix(generators=2, seeds=2)
    twins = matrix["choices.strategy"] != "label_conditioned"
    matrix.loc[twins, "settings.model.attention"] = "sdpa"
    matrix.loc[~twins, "settings.model.attn_implementation"] = "sdpa"
    write_matrix(matrix, tmp_path, [suffix])
    kept = read_kept_matrix(tmp_path / f"matrix.{suffix}")
    assert set(kept["settings.model.attn_implementation"]) == {"sdpa"} and "settings.model.attention" not in kept
    assert find_twins(kept, CONTRASTS[0])["twin"].notna().all()
    old = matrix.drop(columns="settings.model.attn_implementation").assign(**{"settings.model.attention": "eager"})
    write_matrix(old, tmp_path, [suffix])
    kept = read_kept_matrix(tmp_path / f"matrix.{suffix}")
    assert set(kept["settings.model.attn_implementation"]) == {"eager"} and kept.shape == old.shape


def test_what_a_task_without_tags_does_not_use_tells_no_runs_apart(tmp_path: Path):
    matrix = known_matrix(generators=1, seeds=1, regimes=("1:10",), rho=(0.5,)).head(3).copy()
    matrix["settings.data.task"] = ["single_label", "single_label", "tagging"]
    matrix["settings.head.tag_tokens"], matrix["settings.head.shots"] = [None, 64.0, 64.0], 0
    matrix.to_parquet(tmp_path / "kept.parquet")
    kept = read_kept_matrix(tmp_path / "kept.parquet")
    assert kept["settings.head.tag_tokens"].isna().tolist() == [True, True, False]
    assert kept["settings.head.shots"].tolist() == [0, 0, 0]
