"""The commands as a user types them."""

import json
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import f1_score

from patentlab.classifiers.factory import build_classifier, load_classifier
from patentlab.console.command_line import compose
from patentlab.corpus import fingerprint
from patentlab.data.sources import read_corpus
from patentlab.experiment import run_experiment
from patentlab.protocols import Observer, Silent
from patentlab.tasks.documents import MultiLabel
from tests.conftest import ROOT, Command
from tests.forked import Forked

QUICK = ["data.size=300", "data.split.validation=40", "data.split.test=60"]


def test_one_run_leaves_everything_in_its_folder(run_command: Command):
    done = run_command("model=tfidf_linear", "tracking=none")
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    assert done.stdout == f"{path}\n"
    assert {entry.name for entry in path.parent.iterdir()} == {
        "config.yaml", "confusions.csv", "confusions.png", "history.csv", "labels_in_training.csv", "model",
        "per_label.csv", "per_label_f1.png",
        "predictions.parquet", "result.json",
    }  # fmt: skip
    result = json.loads(path.read_text())
    assert (result["schema"], result["status"], result["error"]) == (1, "finished", None)
    assert result["choices"]["strategy"] == "none"
    assert result["counts"]["achieved_share"] == 1.0
    assert set(result["metrics"]) == {"validation", "test", "test_at_0.5"}
    assert yaml.safe_load((path.parent / "config.yaml").read_text())["model"]["name"] == "tfidf_linear"
    assert "f1_micro" in done.stderr

    predictions = pd.read_parquet(path.parent / "predictions.parquet")
    test = predictions[predictions["set"] == "test"]
    hits = sum(len(set(t) & set(p)) for t, p in zip(test["labels"], test["predicted"], strict=True))
    given = test["labels"].map(len).sum() + test["predicted"].map(len).sum()
    assert result["metrics"]["test"]["f1_micro"] == pytest.approx(2 * hits / given)
    labels = json.loads((path.parent / "model" / "task.json").read_text())
    assert len(labels["labels"]) == len(test["scores"].iloc[0]) == 64
    names = labels["labels"]
    targets = np.array([[name in given for name in names] for given in test["labels"]])
    scores = np.stack(test["scores"].tolist())
    for average in ("micro", "macro"):  # each at the threshold that was chosen for it
        decided = scores >= result["thresholds"][f"f1_{average}"]
        expected = f1_score(targets, decided, average=average, zero_division=0)
        assert result["metrics"]["test"][f"f1_{average}"] == pytest.approx(expected)
    assert result["threshold"] == result["thresholds"]["f1_micro"] != result["thresholds"]["f1_macro"]


def test_the_sweep_line_of_the_readme_makes_four_runs_with_the_shares_asked_for(run_in_process: Command):
    done = run_in_process(
        "-m",
        "regime=1:10,1:100",
        "mix=0.2,0.3",
        "model=tfidf_linear",
        "tracking=none",
        "strategy=duplicate",
        *QUICK,
    )
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    assert path.name == "matrix.csv"
    matrix = pd.read_csv(path)
    assert matrix["status"].tolist() == ["finished"] * 4
    assert matrix["choices.regime"].tolist() == ["1:10", "1:10", "1:100", "1:100"]
    assert matrix["choices.mix"].tolist() == [0.2, 0.3, 0.2, 0.3]
    assert set(matrix["choices.strategy"]) == {"duplicate"}
    for _, row in matrix.iterrows():
        real, share = row["counts.real"], row["choices.mix"]
        assert real == round(row["counts.pool"] / int(row["choices.regime"].removeprefix("1:")))
        assert row["counts.synthetic"] == round(real * (1 - share) / share)
        assert row["counts.train"] == real + row["counts.synthetic"]
    assert matrix["fingerprints.test"].nunique() == matrix["fingerprints.validation"].nunique() == 1
    assert matrix["key"].nunique() == 4


def test_a_failed_job_does_not_hide_the_others(run_command: Command):
    done = run_command("-m", "model=constant", "regime=1:100000,1:10", "tracking=none")
    assert done.returncode == 1
    assert "the largest is 1:" in done.stderr
    assert "1 finished, 1 failed, 0 missing" in done.stderr
    assert "what is left: python -m patentlab.run -m model=constant" in done.stderr
    assert "Traceback" not in done.stderr
    matrix = pd.read_csv(done.stdout.strip())
    assert matrix["status"].tolist() == ["failed", "finished"]


def test_a_folder_that_is_used_again_never_shows_the_earlier_run(run_in_process: Command, tmp_path: Path):
    again = ["hydra.run.dir=same", "tracking=none", "data.top_k=8"]
    first = run_in_process("model=tfidf_linear", *again)
    second = run_in_process("model=constant", *again)
    assert first.stdout == second.stdout
    assert json.loads(Path(second.stdout.strip()).read_text())["choices"]["model"] == "constant"
    assert not (tmp_path / "same" / "model" / "tfidf_linear.skops").exists()
    refused = run_in_process("model=constant", "regime=1:100000", *again)
    assert (refused.returncode, refused.stdout) == (2, "")


def test_an_error_of_ours_is_recorded_with_its_traceback(tmp_path: Path, monkeypatch):
    def fail(*args: object) -> None:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr("patentlab.models.baselines.ConstantClassifier.save", fail)  # when the metrics are known
    with pytest.raises(ZeroDivisionError):
        run_experiment(compose("model=constant", "tracking=none"), tmp_path, Silent())
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["status"], result["error"]) == ("failed", "ZeroDivisionError: on purpose")
    assert result["metrics"] == {}
    assert "on purpose" in (tmp_path / "traceback.txt").read_text()


def test_an_unreachable_server_leaves_the_run_whole(run_in_process: Command):
    done = run_in_process("model=constant", "tracking.uri=http://127.0.0.1:9")
    assert done.returncode == 0
    assert json.loads(Path(done.stdout.strip()).read_text())["status"] == "finished"
    assert done.stderr.replace("\n", " ").count("the run goes on without it") == 1


def test_two_arms_share_split_subset_and_differ_in_what_was_added(tmp_path: Path):
    def arm(*overrides: str) -> dict[str, dict[str, str]]:
        folder = tmp_path / "-".join(overrides).replace(":", "")
        folder.mkdir()
        run_experiment(compose("model=constant", "tracking=none", *QUICK, *overrides), folder, Silent())
        return json.loads((folder / "result.json").read_text())  # type: ignore[no-any-return]

    real, augmented, smaller = (
        arm("regime=1:10"),
        arm("regime=1:10", "mix=0.5", "strategy=duplicate"),
        arm("regime=1:30"),
    )
    assert real["fingerprints"]["test"] == augmented["fingerprints"]["test"] == smaller["fingerprints"]["test"]
    assert real["fingerprints"]["train"] != augmented["fingerprints"]["train"]
    assert real["counts"]["real"] == augmented["counts"]["real"]
    assert fingerprint([]) not in real["fingerprints"].values()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("model", "adapter"), [("minilm", "full"), ("minilm", "lora"), ("smollm2_135m", "lora"), ("smollm2_135m", "full")]
)
def test_embedded_models_train_and_predict_the_same_after_loading(tmp_path: Path, model: str, adapter: str):
    config = compose(
        f"model={model}", f"adapter={adapter}", "trainer.max_steps=4", "trainer.batch_size=4", "tracking=none",
        "trainer.save_model=always", "trainer.max_length=16", "data.size=70", "data.split.validation=10",
        "data.split.test=20",
    )  # fmt: skip
    record = run_experiment(config, tmp_path, Silent())
    assert record.status == "finished"
    assert record.training["optimiser_steps"] == 4
    assert record.training["examples_seen"] == 16
    stored = pd.read_parquet(tmp_path / "predictions.parquet").query("set == 'test'").head(20)
    texts = {document.id: document.text for document in read_corpus(config.data).documents}
    loaded = load_classifier(tmp_path / "model", Silent())
    scores = loaded.predict([texts[identifier] for identifier in stored["id"]], Silent())
    assert np.allclose(scores, np.stack(list(stored["scores"])), atol=1e-5)


@pytest.mark.integration
def test_a_frozen_probe_learns_on_real_patents_and_beats_the_constant_answer(tmp_path: Path, patentsview: Path):
    reached = {}
    for name, overrides in {"probe": ["model=minilm", "adapter=frozen"], "constant": ["model=constant"]}.items():
        folder = tmp_path / name
        folder.mkdir()
        config = compose(
            "data=patentsview", f"data.path={patentsview}", "data.size=600", "regime=1:3", "tracking=none",
            "data.min_count=10", "data.split.validation=60", "data.split.test=150", *overrides,
            *(["model.max_length=96"] if name == "probe" else []),
        )  # fmt: skip
        reached[name] = run_experiment(config, folder, Silent()).metrics["test"]
    assert reached["probe"]["f1_micro"] > reached["constant"]["f1_micro"] + 0.05
    assert reached["probe"]["f1_macro"] > reached["constant"]["f1_macro"] + 0.05


@pytest.mark.integration
def test_single_label_utterances_in_the_sets_that_their_publisher_gave(run_in_process: Command, shared_data: Path):
    done = run_in_process(
        "data=jsonl", f"data.path={shared_data}/massive/en-US.jsonl", "data.text=utt", "data.labels=intent",
        "data.task=single_label", "data.split.method=given", "data.split.column=partition", "data.min_count=10",
        "data.id=id", "model=tfidf_linear", "tracking=none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(Path(done.stdout.strip()).read_text())
    counts, test = result["counts"], result["metrics"]["test"]
    # of 1,700, 333 and 2,974 utterances a few have rare intents, or are said in two sets
    assert counts["duplicates_removed"] > 0
    assert 1500 < counts["train"] <= 1700
    assert 2800 < counts["test"] <= 2974
    assert test["accuracy"] == test["f1_micro"] > 0.6
    assert "duplicates of held-out documents" in done.stderr


@pytest.mark.integration
def test_qlora_learns_as_lora_does_in_less_memory_and_survives(tmp_path: Path):
    corpus = read_corpus(compose("data.size=200", "data.top_k=6").data)
    task = MultiLabel(corpus.labels)
    examples, observer = task.encode(corpus.documents[:8]), Observer(task.measure)
    curves, size = {}, {}
    for adapter in ("lora", "qlora"):
        config = compose(
            "trainer=finetune", f"adapter={adapter}", "head.fallback=null", "trainer.epochs=3", "trainer.batch_size=4",
            "trainer.max_steps=null", "trainer.patience=null", "trainer.max_length=32",
        )  # fmt: skip
        classifier = build_classifier(config, task, 0, Silent())
        report = classifier.fit(examples, examples, observer, 0)
        curves[adapter] = [row["train_loss"] for row in report.history]
        size[adapter] = classifier.count_bytes()
        assert classifier.count_parameters().trained < 0.01 * classifier.count_parameters().total
    assert curves["qlora"][-1] < 0.8 * curves["qlora"][0]
    assert curves["qlora"] == pytest.approx(curves["lora"], rel=0.15)
    assert size["qlora"] < 0.4 * size["lora"]
    scores = classifier.predict(examples.texts, Silent())
    classifier.save(tmp_path)
    assert np.array_equal(load_classifier(tmp_path, Silent()).predict(examples.texts, Silent()), scores)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 0.02 * size["lora"]


@pytest.mark.integration
def test_runs_are_mirrored_to_the_database_that_the_ui_opens(run_in_process: Command, tmp_path: Path):
    from mlflow import MlflowClient

    state = {"PATENTLAB_DATA": str(tmp_path / "state")}
    done = run_in_process("model=minilm", "adapter=frozen", "model.max_length=64", *QUICK, **state)
    assert done.returncode == 0, done.stderr
    uri = f"sqlite:///{tmp_path}/state/mlflow.db"
    assert uri in done.stderr
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    result = json.loads(Path(done.stdout.strip()).read_text())
    assert run.data.metrics["test/f1_micro"] == pytest.approx(result["metrics"]["test"]["f1_micro"])
    assert run.data.tags["key"] == result["key"]
    artifacts = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    pictures = {"per_label_f1.png", "confusions.png"}
    assert {"config.yaml", "per_label.csv", "predictions.parquet", "result.json", "history.csv"} | pictures <= artifacts
    history = pd.read_csv(Path(done.stdout.strip()).parent / "history.csv")
    curve = client.get_metric_history(run.info.run_id, "by_epoch/validation_f1_micro")
    assert [point.value for point in curve] == pytest.approx(history["validation_f1_micro"].tolist())


@pytest.mark.integration
def test_the_wheel_runs_from_any_folder(run_command: Command, tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    assert not (tmp_path / "installed" / "tests").exists()
    done = run_command("model=constant", "tracking=none", PYTHONPATH=str(tmp_path / "installed"))
    assert done.returncode == 0, done.stderr
    shown = run_command("--info", "searchpath", PYTHONPATH=str(tmp_path / "installed"))
    assert str(tmp_path / "installed" / "patentlab" / "conf") in shown.stdout.replace("\n", "")


def test_an_interrupted_run_is_marked_and_exits_with_130(run_forked: Callable[..., Forked], tmp_path: Path):
    process = run_forked("model=minilm", "trainer=finetune", "trainer.epochs=50", "tracking=none")
    deadline = time.monotonic() + 120
    while not (found := list(tmp_path.rglob("result.json"))) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    done = process.wait(120)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    result = json.loads(found[0].read_text())
    assert (result["status"], result["metrics"]) == ("failed", {})
    assert result["error"].startswith("KeyboardInterrupt")


def test_a_mistake_of_ours_before_a_run_is_told_in_full(run_in_process: Command, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> str:
        raise TypeError("a mistake of ours")

    monkeypatch.setattr("patentlab.sweep.job.run_key", broken)
    done = run_in_process("model=constant", "tracking=none")
    assert done.returncode == 1 and done.stdout == ""
    assert "Traceback" in done.stderr and "TypeError: a mistake of ours" in done.stderr
