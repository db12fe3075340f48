import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from patentlab.config import TrackingConfig
from patentlab.tracking.identity import run_name
from patentlab.tracking.mirror import Mirror, close_dead_runs
from patentlab.tracking.mlflow import connect, experiment_pages
from patentlab.tracking.record import Record, final_metrics, flatten

CHOICES = {
    "data": "demo", "model": "minilm", "head": "embedding", "adapter": "full", "generator": None,
    "strategy": "duplicate", "regime": "1:10", "mix": 0.2, "ordering": "shuffled", "loss": "bce", "seed": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> TrackingConfig:
    folder = tmp_path_factory.mktemp("mlflow")
    return TrackingConfig("mlflow", f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"), "demo")


def record() -> Record:
    return Record(
        "abc",
        CHOICES,
        metrics={"test": {"f1_micro": 0.5}, "test_at_0.5": {"f1_micro": 0.25}},
        threshold=0.3,
        training={"best_epoch": None},
    )


def test_a_run_is_mirrored_whole(tracking: TrackingConfig, tmp_path: Path):
    mirror = Mirror(tracking)
    settings = {"trainer": {"epochs": 2, "note": "x" * 7000}, "seed": 3, **{f"s{i}": i for i in range(150)}}
    done = record()
    mirror.start(done, settings, tmp_path)
    assert mirror.run_id is not None
    client = MlflowClient(str(tracking.uri))
    assert client.get_run(mirror.run_id).info.status == "RUNNING"
    for epoch, loss in ((1, 0.9), (2, 0.4)):
        mirror.epoch({"epoch": epoch, "step": epoch * 10, "train_loss": loss})
    done.status = "finished"
    (tmp_path / "config.yaml").write_text("seed: 3")
    (tmp_path / "run.log").write_text("stays here")
    mirror.finish(done, tmp_path)

    run = client.get_run(mirror.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "minilm-full 1:10 mix=0.2 duplicate seed=3"
    assert run.data.tags["model"] == "minilm"
    assert run.data.tags["regime"] == "1:10"
    assert run.data.params["trainer.epochs"] == "2"
    assert len(run.data.params["trainer.note"]) == 6000
    assert len(run.data.params) == 153
    assert run.data.metrics["test/f1_micro"] == 0.5
    assert run.data.metrics["test_at_0.5/f1_micro"] == 0.25
    curve = client.get_metric_history(mirror.run_id, "by_epoch/train_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.9), (2, 0.4)]
    assert [artifact.path for artifact in client.list_artifacts(mirror.run_id)] == ["config.yaml"]
    assert Path(str(tracking.artifacts)) in Path(run.info.artifact_uri.removeprefix("file://")).parents


def test_a_failed_run_says_why(tracking: TrackingConfig, tmp_path: Path):
    mirror = Mirror(tracking)
    failed = record()
    mirror.start(failed, {}, tmp_path)
    failed.status, failed.error = "failed", "ValueError: no"
    mirror.finish(failed, tmp_path)
    run = MlflowClient(str(tracking.uri)).get_run(str(mirror.run_id))
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "ValueError: no"


@pytest.mark.parametrize(("status", "told"), [("finished", "FINISHED"), ("failed", "FAILED"), ("running", "KILLED")])
def test_a_run_whose_process_died_before_it_told_mlflow_is_brought_up_to_its_record(
    tracking: TrackingConfig, tmp_path: Path, status: str, told: str
):
    mirror, left = Mirror(tracking), record()
    mirror.start(left, {}, tmp_path)
    left.status, left.tracking = status, {"uri": str(tracking.uri), "run_id": str(mirror.run_id)}
    left.write(tmp_path)
    client = MlflowClient(str(tracking.uri))
    close_dead_runs(client, tmp_path.parent / "elsewhere")
    assert client.get_run(str(mirror.run_id)).info.status == "RUNNING"
    close_dead_runs(client, tmp_path)
    run = client.get_run(str(mirror.run_id))
    assert run.info.status == told
    assert ("test/f1_micro" in run.data.metrics) == (status != "running")
    assert bool(client.list_artifacts(str(mirror.run_id))) == (status != "running")


def test_an_unreachable_server_costs_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    mirror = Mirror(TrackingConfig("mlflow", "http://127.0.0.1:9", None, "demo"))
    mirror.start(record(), {}, tmp_path)
    mirror.epoch({"epoch": 1, "train_loss": 1.0})
    mirror.finish(record(), tmp_path)
    lines = [entry.getMessage() for entry in caplog.records if entry.name.startswith("patentlab")]
    assert len(lines) == 1
    assert "the run goes on without it" in lines[0]
    assert "\n" not in lines[0]


def test_a_lost_point_of_a_curve_does_not_leave_the_run_open(tracking: TrackingConfig, tmp_path: Path, monkeypatch):
    mirror = Mirror(tracking)
    done = record()
    mirror.start(done, {}, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_batch", lambda *args, **kwargs: 1 / 0)
        mirror.epoch({"epoch": 1, "train_loss": 1.0})
    done.status = "finished"
    mirror.finish(done, tmp_path)
    assert MlflowClient(str(tracking.uri)).get_run(str(mirror.run_id)).info.status == "FINISHED"


def test_an_experiment_that_was_deleted_comes_back(tracking: TrackingConfig, tmp_path: Path):
    client = connect(str(tracking.uri))
    Mirror(tracking).start(record(), {}, tmp_path)
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    mirror = Mirror(tracking)
    mirror.start(record(), {}, tmp_path)
    assert mirror.run_id is not None


def test_no_tracking_is_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    mirror = Mirror(TrackingConfig("none", None, None, None))
    mirror.start(record(), {}, tmp_path)
    mirror.finish(record(), tmp_path)
    assert not caplog.records


def test_names_and_flat_settings():
    assert run_name({**CHOICES, "adapter": "none", "model": "constant", "strategy": "none", "mix": 1.0}) == (
        "constant 1:10 mix=1 seed=3"
    )
    assert flatten({"a": {"b": {"c": 1}, "d": [1, 2]}, "e": None}) == {"a.b.c": 1, "a.d": [1, 2], "e": None}
    assert "training.best_epoch" not in final_metrics(record())
    assert final_metrics(record())["threshold"] == 0.3


@pytest.mark.integration
def test_several_processes_may_open_a_new_database_at_once(tmp_path: Path):
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    code = f"from patentlab.tracking.mlflow import connect; connect({uri!r})"
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert connect(uri).search_experiments()[0].name == "Default"


def test_the_page_with_the_runs_of_each_experiment_that_has_any(tmp_path: Path):
    client = connect(f"sqlite:///{tmp_path}/mlflow.db")
    client.create_experiment("empty")
    full = client.create_experiment("full")
    client.create_run(full)
    assert experiment_pages(client) == [("full", f"#/experiments/{full}/runs?workflowType=machine_learning")]
