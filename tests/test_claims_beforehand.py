"""Claims that are registered with a sweep, from the outside."""

import json
import shutil
from pathlib import Path

import pytest

from patentlab.config import config_folder
from patentlab.sweep.registration import digest_of
from patentlab.tracking.mlflow import PARENT, connect
from tests.conftest import Command
from tests.in_process import start

LINE = ["-m", "data.size=200", "data.top_k=6", "data.split.validation=30", "data.split.test=40", "model=tfidf_linear",
        "head=none", "adapter=none", "trainer=none", "loss=null", "name=told"]  # fmt: skip


@pytest.mark.integration
def test_verdicts_say_whether_claims_were_told_beforehand(run_in_process: Command, tmp_path: Path):
    claims = tmp_path / "mine.yaml"
    shutil.copy(config_folder() / "claims" / "synthetic_data.yaml", claims)
    state = {"PATENTLAB_DATA": str(tmp_path / "state")}
    planned = run_in_process(*LINE, "regime=1:1", f"claims={claims}", "plan=true", **state)
    assert planned.returncode == 0 and not (tmp_path / "multirun" / "told").exists()
    first = run_in_process(*LINE, "regime=1:1", f"claims={claims}", **state)
    assert first.returncode == 0, first.stderr
    assert f"claims={claims}: registered before the first run (" in first.stderr
    sweep = Path(first.stdout.strip()).parent
    (noted,) = json.loads((sweep / "claims.json").read_text())
    assert noted["sha256"] == digest_of(claims) and noted["begun"] == 0

    later = run_in_process(*LINE, "regime=1:2", "claims=entities", **state)
    assert "claims=entities: registered after 1 run had begun (" in later.stderr
    other = tmp_path / "other.yaml"
    other.write_text(claims.read_text() + "# one more look\n")
    told = {
        claims: "registered before the first run (",
        "entities": "registered after 1 run had begun (",
        other: "written after: the sweep was started without it",
    }
    for name, words in told.items():
        report = start("analyze", (f"sweep={sweep}", f"claims={name}"), tmp_path, {})
        assert report.returncode == 0, report.stderr
        assert f"undecided; {words}" in report.stderr
        assert words in (sweep / "report" / "tables" / "claims.csv").read_text()

    shutil.copy(sweep / "matrix.parquet", tmp_path / "kept.parquet")
    shutil.copy(sweep / "claims.json", tmp_path / "kept.claims.json")
    report = start("analyze", (f"sweep={tmp_path / 'kept.parquet'}", f"claims={claims}"), tmp_path, {})
    assert "undecided; registered before the first run (" in report.stderr

    client = connect(f"sqlite:///{tmp_path}/state/mlflow.db")
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    (parent,) = [run for run in runs if PARENT not in run.data.tags]
    assert parent.data.tags["claims.mine"].startswith("registered before the first run (")
    assert digest_of(claims) in parent.data.tags["claims.mine"]


def test_claims_that_cannot_be_registered_are_refused(run_in_process: Command, tmp_path: Path):
    none = run_in_process(*LINE, "regime=1:1", "claims=synthetic_dat")
    assert none.returncode == 2 and none.stderr.count("\n") == 1
    assert "claims=synthetic_dat (did you mean synthetic_data?): no such file" in none.stderr
    (tmp_path / "empty.yaml").write_text("level: 0.05\n")
    empty = run_in_process(*LINE, "regime=1:1", f"claims={tmp_path / 'empty.yaml'}")
    assert empty.returncode == 2 and "needs a list of claims" in empty.stderr
    alone = run_in_process(*LINE[1:], "regime=1:1", "claims=synthetic_data")
    assert alone.returncode == 2 and "are registered with a sweep, and this is a single run" in alone.stderr
    assert not (tmp_path / "multirun" / "told").exists()
