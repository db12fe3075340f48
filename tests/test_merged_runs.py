"""Runs that are merged from finished ones, from the command line to the record: keys, splits, what is left out."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from patentlab.analysis.arms import arms
from patentlab.analysis.classifiers import classified
from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.experiment import run_experiment
from patentlab.inference import load
from patentlab.protocols import Silent
from patentlab.tracking.record import Record
from tests.conftest import Command

SETS = {"train": 40, "dev": 12, "test": 12}
ANSWERS = {"ask": ["motor", "wheel"], "tell": ["lens", "camera"], "wait": ["light", "sound"]}


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file of MASSIVE's layout, in the words that tiny models know."""
    draw, rows = random.Random(0), []
    for name, size in SETS.items():
        for number in range(size):
            intent = sorted(ANSWERS)[number % 3]
            part, other = draw.choice(ANSWERS[intent]), draw.choice(["seat", "ear", "brake"])
            start = draw.choice(["the", "a"]), draw.choice(["of", "with", "and"])
            rows.append({
                "id": f"{name}{number}", "partition": name, "intent": intent, "scenario": "any",
                "utt": f"{start[0]} {part} {start[1]} {number % 7} {other}",
                "annot_utt": f"{start[0]} [part : {part}] {start[1]} {number % 7} [whole : {other}]",
            })  # fmt: skip
    path = tmp_path_factory.mktemp("massive") / "en-US.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path.parent


Start = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def start(utterances: Path, tiny_model: Callable[[str], Path]) -> Start:
    def run(folder: Path, *overrides: str) -> dict[str, Any]:
        folder.mkdir(parents=True)
        given = [
            "data=massive", f"data.path={utterances}", "model=minilm", f"model.path={tiny_model('bert')}",
            "trainer.max_length=16", "tracking=none", "trainer.save_model=always",
        ]  # fmt: skip
        run_experiment(compose(*given, *overrides), folder, Silent())
        content: dict[str, Any] = json.loads((folder / "result.json").read_text())
        return content

    return run


TRAINED = ["adapter=lora", "trainer.epochs=4", "trainer.learning_rate=0.01", "trainer.head_learning_rate=0.05"]
JOINT = ["head=joint", "adapter=none"]


@pytest.fixture(scope="module")
def runs(start: Start, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    start(folder / "labels", *TRAINED, "head.fallback=null")
    start(folder / "tags", *TRAINED, "head=token")
    return folder / "labels", folder / "tags"


def merging(*runs: Path, method: str = "cat") -> list[str]:
    return [f"model.merge.runs=[{','.join(map(str, runs))}]", f"model.merge.method={method}"]


def scores(folder: Path, column: str) -> list[Any]:
    table = pd.read_parquet(folder / "predictions.parquet").set_index(["set", "id"]).sort_index()
    return [np.asarray(one, dtype=float) for one in table[column]]


def test_adapters_apart_are_the_separate_runs_in_one(start: Start, runs: tuple[Path, Path], tmp_path: Path):
    done = start(tmp_path / "run", *JOINT, *merging(*runs, method="apart"))
    own = [json.loads((folder / "result.json").read_text()) for folder in runs]
    for name, alone in (("label_f1_micro", own[0]), ("tag_f1_micro", own[1])):
        assert done["metrics"]["test"][name] == pytest.approx(alone["metrics"]["test"]["f1_micro"])
    for column, folder in (("scores", runs[0]), ("tag_scores", runs[1])):
        for one, other in zip(scores(tmp_path / "run", column), scores(folder, "scores"), strict=True):
            assert np.allclose(one, other, atol=1e-6)
    assert done["choices"]["merge"] == "apart" and done["parameters"]["trained"] == 0
    assert done["training"]["optimiser_steps"] == 0
    assert done["training"]["merged"].count("minilm-lora") == 2
    assert done["fingerprints"]["merged"] == ",".join(one["key"] for one in own)


def test_a_merged_run_answers_as_it_did_when_its_runs_are_gone(start: Start, runs: tuple[Path, Path], tmp_path: Path):
    copies = [shutil.copytree(folder, tmp_path / "copies" / folder.name) for folder in runs]
    for method in ("cat", "ties_svd", "apart"):
        density = ["model.merge.density=0.4"] if method == "ties_svd" else []
        start(tmp_path / method, *JOINT, *merging(*copies, method=method), *density)
    shutil.rmtree(tmp_path / "copies")
    texts = ["the motor of 1 seat", "a lens and a brake"]
    found = [load(tmp_path / method).predict(texts) for method in ("cat", "ties_svd", "apart")]
    for method, answers in zip(("cat", "ties_svd", "apart"), found, strict=True):
        table = pd.read_parquet(tmp_path / method / "predictions.parquet")
        again = load(tmp_path / method)
        names = again.meaning.task.labels.names
        held = json.loads((tmp_path / method / "result.json").read_text())
        assert held["saved"]["bytes"] > 0 and len(answers[0].tags) == 5
        own = table[table["set"] == "test"].iloc[0]
        (answer,) = again.predict([" ".join(own["words"])])
        assert [answer.probabilities[name] for name in names] == pytest.approx(list(own["scores"]), abs=1e-6)
        assert list(answer.tags) == list(own["predicted_tags"])
    assert found[0] != found[2]


def test_the_key_knows_what_is_merged_and_how_but_not_where(start: Start, runs: tuple[Path, Path], tmp_path: Path):
    moved = [shutil.copytree(folder, tmp_path / "moved" / folder.name) for folder in runs]
    labels = ["adapter=none"]
    keys = {
        "here": start(tmp_path / "1", *JOINT, *merging(*runs)),
        "there": start(tmp_path / "2", *JOINT, *merging(*moved)),
        "equal": start(tmp_path / "3", *JOINT, *merging(*runs), "model.merge.weights=[0.5,0.5]"),
        "more": start(tmp_path / "4", *JOINT, *merging(*runs), "model.merge.weights=[1,1]"),
        "pruned": start(tmp_path / "5", *JOINT, *merging(*runs, method="ties_svd"), "model.merge.density=0.5"),
        "pruned more": start(tmp_path / "6", *JOINT, *merging(*runs, method="ties_svd"), "model.merge.density=0.2"),
        "one": start(tmp_path / "7", *labels, *merging(runs[0])),
    }
    found = {name: done["key"] for name, done in keys.items()}
    assert found["here"] == found["there"] == found["equal"]
    assert len(set(found.values())) == len(found) - 2
    same = [keys[name]["metrics"]["test"] for name in ("here", "there", "equal")]
    assert same[0] == same[1] == same[2]
    alone = json.loads((runs[0] / "result.json").read_text())
    assert keys["one"]["metrics"]["test"] == pytest.approx(alone["metrics"]["test"], abs=1e-6)


def test_runs_that_may_know_the_answers_are_refused(
    start: Start, runs: tuple[Path, Path], utterances: Path, tmp_path: Path
):
    other = ["data.split.method=stratified"]
    with pytest.raises(RequestError, match="was trained beside other validation or test documents"):
        start(tmp_path / "split", *JOINT, *merging(*runs), *other)
    trained = tmp_path / "trained"
    start(trained, *TRAINED, "head.fallback=null", *other)
    with pytest.raises(RequestError, match=r"trained: was trained beside other validation or test documents"):
        start(tmp_path / "head", *JOINT, *merging(trained, runs[1]))
    shutil.copytree(utterances, tmp_path / "data")
    with (tmp_path / "data" / "en-US.jsonl").open("a") as more:
        more.write((utterances / "en-US.jsonl").read_text().splitlines()[0].replace("train0", "train99") + "\n")
    with pytest.raises(RequestError, match="was trained on other data"):
        start(tmp_path / "data_run", *JOINT, *merging(*runs), f"data.path={tmp_path / 'data'}")
    shutil.copytree(runs[1], tmp_path / "untold")
    (tmp_path / "untold" / "predictions.parquet").unlink()
    content = json.loads((tmp_path / "untold" / "result.json").read_text())
    content["fingerprints"]["test"] = "another"
    (tmp_path / "untold" / "result.json").write_text(json.dumps(content))
    with pytest.raises(RequestError, match="there is no telling what it was trained on"):
        start(tmp_path / "untold_run", *JOINT, *merging(runs[0], tmp_path / "untold"))


def test_auto_keeps_its_limit_for_merged_weights(
    start: Start, runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("patentlab.classifiers.saving.AUTO_BYTES", 1000)
    train = ["trainer.epochs=1", "adapter=lora", "head=token"]
    kept = {}
    for name, overrides in {
        "cat": [*train, *merging(runs[1])],
        "linear": [*train, *merging(runs[1], method="linear")],
        "none": train,
        "apart": [*JOINT, *merging(*runs, method="apart")],
    }.items():
        kept[name] = bool(start(tmp_path / name, *overrides, "trainer.save_model=auto")["saved"])
    assert kept == {"cat": False, "linear": False, "none": True, "apart": True}


MERGED = "model=minilm adapter=none model.merge.runs=[nowhere]"
HOW = "model.merge.method"
WRONG = {
    f"{MERGED} {HOW}=cat": "model.merge.runs=nowhere: no run; give the folder of a finished one",
    f"model=minilm adapter=none model.merge.runs=[failed] {HOW}=cat": "failed: the run is failed",
    MERGED: "model.merge.method=null: must be given with model.merge.runs; allowed are cat, ties_svd",
    f"{MERGED} {HOW}=dare": "model.merge.method=dare: allowed are cat",
    f"{MERGED} {HOW}=ties": "model.merge.density=null: must be given for model.merge.method=ties",
    f"{MERGED} {HOW}=ties model.merge.density=2": "model.merge.density=2: must be above 0 and at most 1",
    f"{MERGED} {HOW}=cat model.merge.density=0.5": "has no effect: model.merge.method=cat keeps every value",
    f"{MERGED} {HOW}=cat model.merge.weights=[1,2]": "model.merge.weights: 2 of them and 1 runs",
    f"{MERGED} {HOW}=cat model.merge.weights=[-1]": "model.merge.weights=-1: must be above 0",
    f"{MERGED} {HOW}=apart": "model.merge.method=apart: head=embedding reads a document once; set head=joint",
    f"{MERGED} {HOW}=apart head=joint data=massive data.path=x": "takes a run for each of embedding, token",
    "model=minilm adapter=lora head=joint data=massive data.path=x model.merge.runs=[a,b] model.merge.method=apart":
        "adapter=lora: adapters that stand apart are not trained on; set adapter=none",
    "model=minilm adapter=qlora model.merge.runs=[a] model.merge.method=cat":
        "adapter=qlora: what is merged is folded into the weights, which 4 bits would round; set adapter=lora",
    "model=minilm model.merge.method=cat": "model.merge.method: has no effect: model.merge.runs names no runs to merge",
    "model=tfidf_linear model.merge.method=cat": "model.merge.method: has no effect with model=tfidf_linear",
    "model=minilm adapter=none": "adapter=none: model=minilm takes full, lora, qlora, frozen",
}  # fmt: skip


@pytest.mark.parametrize(("request_", "line"), WRONG.items())
def test_a_wrong_request_is_one_line(request_: str, line: str, tmp_path: Path, run_in_process: Command):
    (tmp_path / "failed").mkdir()
    Record("x", {}, "failed").write(tmp_path / "failed")
    done = run_in_process(*request_.split(), "tracking=none")
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_sweep_over_methods_leaves_out_what_one_does_not_know(
    start: Start, runs: tuple[Path, Path], utterances: Path, tiny_model, tmp_path: Path, run_in_process: Command
):
    done = run_in_process(
        "-m", "data=massive", f"data.path={utterances}", "model=minilm", f"model.path={tiny_model('bert')}",
        "trainer.max_length=16", "tracking=none", *JOINT, merging(*runs)[0], "model.merge.method=cat,ties_svd",
        "model.merge.density=0.4", "name=merged",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    matrix = pd.read_csv(done.stdout.strip())
    assert set(matrix["choices.merge"]) == {"cat", "ties_svd"} and matrix["key"].nunique() == 2
    table = classified(arms(matrix)).table
    assert sorted(table["classifier"]) == ["minilm, method cat", "minilm, method ties_svd"]
