"""Sweeps as a user starts, breaks and resumes them; every run trains a network."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from joblib.externals.loky import get_reusable_executor

from patentlab.console.command_line import compose
from patentlab.corpus import Corpus
from patentlab.data.sources import read_corpus
from patentlab.experiment import run_experiment
from patentlab.protocols import Silent
from patentlab.tracking import identity
from patentlab.tracking.mlflow import PARENT, connect
from patentlab.tracking.record import read_record
from tests.conftest import ROOT, Command
from tests.forked import Forked

SMALL = ["data.split.validation=20", "data.split.test=20", "data.min_count=5", "trainer.max_steps=2"]


def executed(shown: str) -> int:
    (count,) = re.findall(r"(\d+) executed now", shown)
    return int(count)


def metrics(matrix: Path | str) -> pd.DataFrame:
    table = pd.read_csv(matrix).sort_values("run")
    return table[["run", *(column for column in table if str(column).startswith("metrics."))]].reset_index(drop=True)


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    """Documents of the demonstration corpus as a file that can be changed."""
    corpus: Corpus = read_corpus(compose("data.size=200", "data.top_k=5").data)
    path = tmp_path / "corpus.jsonl"
    with path.open("w") as file:
        for document in corpus.documents:
            file.write(json.dumps({"text": document.text, "labels": list(document.labels)}) + "\n")
    return path


@pytest.fixture
def line(corpus_file: Path, tiny_model: Callable[[str], Path]) -> list[str]:
    """A 2x2 sweep that fine-tunes a tiny network."""
    model = ["model=smollm2_135m", f"model.path={tiny_model('llama')}", "adapter=full", "trainer.max_length=64"]
    model += ["head.fallback=null"]  # no probe beside it, which takes longer than to train
    data = ["data=jsonl", f"data.path={corpus_file}", *SMALL]
    return ["-m", "name=lines", *data, *model, "regime=1:1,1:2", "mix=1,0.5", "strategy=duplicate", "tracking=none"]


@pytest.mark.integration
def test_only_what_is_missing_is_executed(
    run_in_process: Command,
    line: list[str],
    corpus_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    line = ["mix=0.5" if part == "mix=1,0.5" else part for part in line]
    start = partial(run_in_process, *line)

    plan = start("plan=true")
    assert plan.returncode == 0
    assert plan.stdout == ""
    assert "2 runs: 0 done, 0 failed, 2 missing" in plan.stderr
    assert not (tmp_path / "multirun" / "lines").exists()

    first = start()
    assert first.returncode == 0, first.stderr
    assert executed(first.stderr) == 2
    folder = tmp_path / "multirun" / "lines"
    assert first.stdout.strip() == str(folder / "matrix.csv")
    assert not re.search(r"[:'\"=\s]", "".join(str(path.relative_to(tmp_path)) for path in folder.rglob("*")))
    before = (folder / "matrix.csv").read_bytes()

    code = f"import sys; from patentlab import run; sys.argv[1:] = {line}; run.main(); print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    again = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert executed(again.stderr) == 0
    assert again.stdout == f"{folder / 'matrix.csv'}\nFalse\n"
    assert (folder / "matrix.csv").read_bytes() == before
    assert "2 done, 0 failed, 0 missing" in start("plan=true").stderr

    victim = next(folder.glob("*/result.json"))
    victim.unlink()
    planned = start("plan=true").stderr
    assert "1 done, 0 failed, 1 missing" in planned
    assert "what is missing takes about" in planned  # earlier runs tell
    assert executed(start("rerun=never").stderr) == 0
    assert executed(start().stderr) == 1
    assert victim.is_file()

    (tmp_path / "conf").mkdir()  # how it is run makes nothing missing
    more = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1", f"hydra.searchpath=[file://{tmp_path}/conf]"]
    assert "2 done" in start(*more, "plan=true").stderr
    assert executed(start(*more).stderr) == 0

    assert executed(start("trainer.learning_rate=0.001").stderr) == 2
    with monkeypatch.context() as raised:
        raised.setitem(identity.STAGE_VERSIONS, "mixing", 9)
        assert executed(start().stderr) == 2
    assert len(pd.read_csv(folder / "matrix.csv")) == 4  # two lines were asked for, each with its present runs
    text = corpus_file.read_text()
    corpus_file.write_text(text[:-3] + text[-3:].replace("}", " }"))
    assert executed(start().stderr) == 2
    assert executed(start("rerun=always").stderr) == 2


@pytest.mark.integration
def test_a_comment_in_a_yaml_makes_nothing_missing(line: list[str], tmp_path: Path):
    import shutil

    copy = tmp_path / "checkout"
    for name in ("patentlab", "conf"):
        shutil.copytree(ROOT / name, copy / name)

    def planned() -> str:
        command = [sys.executable, "-m", "patentlab.run", *line, "plan=true"]
        environment = {**os.environ, "PYTHONPATH": str(copy)}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        ).stderr

    keys = re.compile(r"[0-9a-f]{16}")
    before = keys.findall(planned())
    model = copy / "conf" / "model" / "smollm2_135m.yaml"
    model.write_text("# a comment\n" + model.read_text())
    assert keys.findall(planned()) == before
    model.write_text(model.read_text().replace("max_length: ", "max_length: 6 #"))
    trainer = copy / "conf" / "trainer" / "finetune.yaml"
    trainer.write_text(trainer.read_text().replace("weight_decay: 0.01", "weight_decay: 0.02"))
    after = keys.findall(planned())
    assert len(before) == len(after) == 4
    assert not set(before) & set(after)


@pytest.mark.integration
def test_a_failed_run_stays_where_it_happens(
    run_in_process: Command, line: list[str], state: dict[str, str], tmp_path: Path
):
    rest = [part for part in line if not part.startswith(("regime", "mix", "tracking"))]
    rates = "trainer.learning_rate=1e-4,1e30,1e-3,1e-2"
    rest = [*rest, "trainer.max_steps=12", "trainer.batch_size=8"]
    done = run_in_process(*rest, rates, **state)
    assert done.returncode == 1
    assert "3 finished, 1 failed, 0 missing; 4 executed now" in done.stderr
    assert "Traceback" not in done.stderr
    left = re.search(r"what is left: python -m patentlab.run (.*)", done.stderr)
    assert left is not None
    assert left[1].endswith("rerun=failed")
    folder = tmp_path / "multirun" / "lines"
    (failed,) = [path.parent for path in folder.glob("*/traceback.txt")]
    record = read_record(failed)
    assert record is not None
    assert (record.status, record.metrics) == ("failed", {})
    assert str(record.error).startswith("FloatingPointError: the training loss is not a finite number")
    table = pd.read_csv(done.stdout.strip())
    assert sorted(table["status"]) == ["failed", "finished", "finished", "finished"]

    client = connect(f"sqlite:///{tmp_path}/state/mlflow.db")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    (parent,) = [found for found in runs if PARENT not in found.data.tags]
    assert (parent.info.run_name, parent.info.status, parent.data.tags["runs.failed"]) == ("lines", "FAILED", "1")
    children = [found for found in runs if found.data.tags.get(PARENT) == parent.info.run_id]
    assert sorted(child.info.status for child in children) == ["FAILED", "FINISHED", "FINISHED", "FINISHED"]
    (child,) = [child for child in children if child.info.status == "FAILED"]
    assert child.data.tags["error"] == record.error
    assert "traceback.txt" in {artifact.path for artifact in client.list_artifacts(child.info.run_id)}

    again = run_in_process(*rest, rates, **state)
    assert again.returncode == 1
    assert "3 finished, 1 failed, 0 missing; 0 executed now" in again.stderr
    assert executed(run_in_process(*rest, rates, "rerun=failed", **state).stderr) == 1
    after = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert len([found for found in after if PARENT not in found.data.tags]) == 1
    finished = {found.info.run_id: found.info.end_time for found in runs if found.info.status == "FINISHED"}
    assert finished.items() <= {found.info.run_id: found.info.end_time for found in after}.items()

    stopped = run_in_process(*rest, "name=stopping", rates, "on_error=stop", **state)
    assert stopped.returncode == 1
    assert "1 finished, 1 failed, 2 missing; 2 executed now" in stopped.stderr


def test_the_table_from_mlflow_equals_that_from_the_records(run_in_process: Command, state: dict[str, str]):
    line = ["-m", "model=constant", "data.top_k=8", "regime=1:1,1:100000", "seed=range(0,3)"]
    assert run_in_process(*line, "exclude=\"regime == '1:1' and seed > 1\"", "name=both", **state).returncode == 1
    records = run_in_process("sweep=multirun/both", "table=parquet", command="analyze", **state)
    assert records.returncode == 0, records.stderr
    mirror = run_in_process("sweep=both", "source=mlflow", "table=parquet", "out=m", command="analyze", **state)
    assert mirror.returncode == 0, mirror.stderr
    table = pd.read_parquet(records.stdout.strip())
    assert len(table) == 5
    assert table["choices.seed"].tolist() == [0, 1, 0, 1, 2]
    assert table["settings.trainer.monitor"].tolist() == ["f1_micro"] * 5
    pd.testing.assert_frame_equal(pd.read_parquet(mirror.stdout.strip()), table)
    unknown = run_in_process("sweep=none", "source=mlflow", command="analyze", **state)
    assert unknown.returncode == 2
    assert "no such sweep; it has both" in unknown.stderr


@pytest.mark.integration
def test_a_killed_sweep_ends_with_the_numbers_of_an_undisturbed_one(
    run_in_process: Command,
    run_forked: Callable[..., Forked],
    line: list[str],
    state: dict[str, str],
    tmp_path: Path,
):
    undisturbed = run_in_process(*line, "name=undisturbed")
    assert executed(undisturbed.stderr) == 4
    disturbed = [part for part in line if not part.startswith("tracking")] + ["name=disturbed"]
    moments = random.Random(7)
    folder = tmp_path / "multirun" / "disturbed"
    for _ in range(3):
        process = run_forked(*disturbed, **state)
        deadline = time.monotonic() + 120
        begun = len(list(folder.glob("*/result.json")))
        while len(list(folder.glob("*/result.json"))) <= begun and time.monotonic() < deadline:
            time.sleep(0.02)  # a run of this start has begun
        time.sleep(moments.uniform(0, 1.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    for path in folder.glob("*/result.json"):
        assert json.loads(path.read_text())["status"] in ("running", "finished")
    resumed = run_in_process(*disturbed, **state)
    assert resumed.returncode == 0, resumed.stderr
    assert 1 <= executed(resumed.stderr) <= 4
    pd.testing.assert_frame_equal(metrics(resumed.stdout.strip()), metrics(undisturbed.stdout.strip()))

    client = connect(f"sqlite:///{tmp_path}/state/mlflow.db")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    parents = [found for found in runs if PARENT not in found.data.tags]
    assert [parent.info.status for parent in parents] == ["FINISHED"]
    statuses = [found.info.status for found in runs if PARENT in found.data.tags]
    assert statuses.count("FINISHED") == 4
    assert set(statuses) <= {"FINISHED", "KILLED"}


@pytest.mark.integration
def test_launchers_give_the_same_numbers_and_one_parent_each(
    run_forked: Callable[..., Forked],
    run_in_process: Command,
    state: dict[str, str],
    tiny_model: Callable[[str], Path],
    tmp_path: Path,
):
    line = ["-m", "data.size=150", "data.top_k=6", *SMALL[:3], "regime=1:1,1:2"]
    network = ["model=minilm", f"model.path={tiny_model('bert')}", "adapter=full", "trainer.max_length=64"]
    network += ["trainer.batch_size=4", "trainer.max_steps=2", "head.fallback=null"]
    linear = ["model=tfidf_linear"]  # a process of a launcher is up sooner where it does not load transformers
    ray = "+hydra.launcher.ray.init"
    launchers = {
        "basic": network,
        "joblib": [*network, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
        "linear": linear,
        "submitit": [*linear, "hydra/launcher=submitit_local", "hydra.sweeper.max_batch_size=2"],
        "ray": [*linear, "hydra/launcher=ray", f"{ray}.num_cpus=1", f"{ray}.include_dashboard=false"],
    }
    tables = {}
    for name, settings in launchers.items():
        started = (*line, f"name={name}", *settings)  # ray takes a process for itself; the others start some
        done = run_forked(*started, **state).wait() if name == "ray" else run_in_process(*started, **state)
        assert done.returncode == 0, done.stderr
        assert executed(done.stderr) == 2
        tables[name] = metrics(done.stdout.strip())
        if name in ("basic", "joblib"):
            assert executed(run_in_process(*started, **state).stderr) == 0
    get_reusable_executor().shutdown(wait=True)  # the processes of joblib
    for name in launchers:
        expected = "basic" if network[0] in launchers[name] else "linear"
        pd.testing.assert_frame_equal(tables[name], tables[expected])
    assert not tables["linear"].equals(tables["basic"])
    client = connect(f"sqlite:///{tmp_path}/state/mlflow.db")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    parents = {found.info.run_id: found.info.run_name for found in runs if PARENT not in found.data.tags}
    assert sorted(parents.values()) == sorted(launchers)
    assert {found.info.status for found in runs} == {"FINISHED"}
    for run_id in parents:
        assert sum(found.data.tags.get(PARENT) == run_id for found in runs) == 2


@pytest.mark.integration
def test_two_processes_that_start_the_same_sweep_share_it(run_forked: Callable[..., Forked], tmp_path: Path):
    environment = {"PATENTLAB_DATA": str(tmp_path / "state"), "PATENTLAB_CACHE": str(tmp_path / "cache")}
    line = [
        "-m",
        "model=minilm",
        "model.max_length=64",
        "adapter=frozen",
        "data.size=150",
        "data.top_k=6",
        *SMALL[:2],
        "seed=0,1,2,3",
    ]
    processes = [run_forked(*line, **environment) for _ in range(2)]
    ended = [process.wait() for process in processes]
    assert [done.returncode for done in ended] == [0, 0], ended
    counts = [executed(done.stderr) for done in ended]
    assert sum(counts) == 4
    assert min(counts) >= 1  # neither only waited
    assert all("4 finished, 0 failed, 0 missing" in done.stderr for done in ended)
    assert ended[0].stdout == ended[1].stdout
    assert len(pd.read_csv(ended[0].stdout.strip())) == 4
    client = connect(f"sqlite:///{tmp_path}/state/mlflow.db")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert {found.info.status for found in runs} == {"FINISHED"}
    assert len([found for found in runs if PARENT not in found.data.tags]) == 1
    assert len(runs) == 5


@pytest.mark.integration
def test_the_eighth_run_in_a_row_takes_no_more_memory_than_the_second(run_forked: Callable[..., Forked]):
    line = ["-m", "model=minilm", "adapter=full", "data.size=150", "data.top_k=6", *SMALL, "seed=range(0,8)"]
    line += ["trainer.max_length=32", "trainer.batch_size=4", "head.fallback=null"]
    done = run_forked(*line, "tracking=none").wait()
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(done.stdout.strip())
    assert table["choices.seed"].tolist() == list(range(8))
    peaks = table["memory.peak_bytes"]
    assert peaks[7] < 1.1 * peaks[1]


def test_a_failed_run_gives_its_model_back_before_the_next_begins(
    run_in_process: Command, line: list[str], monkeypatch: pytest.MonkeyPatch
):
    import patentlab.experiment as experiment
    from patentlab.tasks import documents

    models: list[weakref.ref[Any]] = []
    alive_when_next_is_built = []
    build = experiment.build_classifier  # type: ignore[attr-defined]

    def watched(*args: Any) -> Any:
        alive_when_next_is_built.append(sum(model() is not None for model in models))
        classifier = build(*args)
        models.append(weakref.ref(classifier.network))  # type: ignore[attr-defined]
        return classifier

    def fail(*args: Any) -> Any:
        try:
            raise KeyError("the cause")
        except KeyError as cause:
            raise ZeroDivisionError("on purpose, with the trained model in every frame") from cause

    monkeypatch.setattr(experiment, "build_classifier", watched)
    monkeypatch.setattr(documents.MultiLabel, "choose", fail)
    assert run_in_process(*line).returncode == 1
    assert alive_when_next_is_built == [0, 0, 0, 0]
    assert len(models) == 4


def test_memory_that_runs_out_halves_the_batch_and_changes_no_number(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import torch

    from patentlab.training import trainer

    arguments = [part for part in line if part.partition("=")[0] not in ("-m", "name", "regime", "mix")]
    config = compose(*arguments, "trainer.batch_size=16", "head.dropout=0")
    reached = {}
    for name, most in {"enough": 16, "short": 4}.items():
        step = trainer._Trainer.training_step

        def limited(self: Any, model: Any, inputs: Any, *rest: Any, most: int = most, step: Any = step) -> Any:
            if len(inputs["labels"]) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return step(self, model, inputs, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(trainer._Trainer, "training_step", limited)
            (tmp_path / name).mkdir()
            record = run_experiment(config, tmp_path / name, Silent())
        reached[name] = record
    assert (reached["enough"].training["batch_size"], reached["enough"].training["accumulation"]) == (16, 1)
    assert (reached["short"].training["batch_size"], reached["short"].training["accumulation"]) == (4, 4)
    assert reached["short"].training["requested_batch_size"] == 16
    assert reached["short"].key == reached["enough"].key
    enough, short = (pd.read_csv(tmp_path / name / "history.csv")["train_loss"].dropna() for name in reached)
    assert len(enough) > 0
    assert enough.tolist() == pytest.approx(short.tolist(), rel=1e-4)
    assert reached["short"].metrics["test"] == pytest.approx(reached["enough"].metrics["test"], rel=1e-3)


def test_ctrl_c_marks_the_run_and_sums_up(run_forked: Callable[..., Forked], line: list[str], tmp_path: Path):
    process = run_forked(*line, "trainer.max_steps=100000", "trainer.epochs=100000")
    deadline = time.monotonic() + 120
    while not (found := list(tmp_path.rglob("result.json"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    done = process.wait(60)
    made, shown = done.stdout, done.stderr
    assert done.returncode == 130
    assert "Traceback" not in shown
    assert "0 finished, 0 failed, 4 missing; 0 executed now" in shown
    assert "what is left: python -m patentlab.run" in shown
    assert "rerun=failed" not in shown
    assert made.strip().endswith("matrix.csv")
    assert json.loads(found[0].read_text())["error"].startswith("KeyboardInterrupt")


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/files"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # eight processes that nobody asks
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.5)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


@pytest.mark.integration
def test_everything_goes_to_an_mlflow_server(run_in_process: Command, tmp_path: Path):
    line = ["-m", "model=constant", "seed=0,1", "name=served", "tracking=server"]
    with mlflow_server(tmp_path) as uri:
        server = {"MLFLOW_TRACKING_URI": uri, "PATENTLAB_DATA": str(tmp_path / "state")}
        done = run_in_process(*line, **server)
        assert done.returncode == 0, done.stderr
        assert "WARNING" not in done.stderr
        table = ["sweep=served", "source=mlflow", f"tracking.uri={uri}", "table=csv", "out=m"]
        mirror = run_in_process(*table, command="analyze")
        assert mirror.returncode == 0, mirror.stderr
        assert Path(mirror.stdout.strip()).read_bytes() == Path(done.stdout.strip()).read_bytes()
    assert not (tmp_path / "state").exists()


def test_slurm_is_composed_with_one_gpu_a_run(run_in_process: Command):
    shown = run_in_process("hydra/launcher=submitit_slurm", "hydra.launcher.gpus_per_node=1", "--cfg", "hydra")
    assert shown.returncode == 0, shown.stderr
    launcher = yaml.safe_load(shown.stdout)["hydra"]["launcher"]
    assert launcher["_target_"].endswith("SlurmLauncher")
    assert launcher["gpus_per_node"] == 1
