from pathlib import Path

import pandas as pd

from patentlab.analysis.matrix import read_matrix, write_matrix
from patentlab.tracking.record import Record


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
