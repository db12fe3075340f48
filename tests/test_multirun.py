"""The page in the folder of sweeps: kept in git, and neither a sweep nor a run to anything that reads them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from patentlab.analysis.matrix import read_kept_matrix, read_matrix
from patentlab.config import RequestError
from patentlab.sweep.journal import current_runs
from patentlab.sweep.plan import plan_runs
from tests.conftest import ROOT

PAGE = ROOT / "multirun" / "README.md"


def test_git_keeps_the_page_and_nothing_else():
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    asked = ["multirun/README.md", "multirun/NAME/result.json", "multirun/NAME/README.md", "multirun/matrix.csv"]
    done = subprocess.run(["git", "check-ignore", *asked], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == asked[1:]


def test_the_page_is_neither_run_nor_sweep(tmp_path: Path):
    shutil.copy(PAGE, tmp_path)
    assert list(current_runs(tmp_path)) == []
    assert read_matrix(tmp_path).empty
    assert plan_runs([], (tmp_path,)) == plan_runs([], ())
    with pytest.raises(RequestError, match="sweep="):
        read_kept_matrix(tmp_path / PAGE.name)
