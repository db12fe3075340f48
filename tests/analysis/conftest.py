"""What several tests of analyses are about."""

from pathlib import Path

import pytest

from patentlab.analysis.arms import Runs
from tests.analysis.written_runs import draw, pairs_of, write


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
