"""A student of a finished run: what it learns, and which teachers are refused."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.experiment import run_experiment
from patentlab.inference import load
from patentlab.protocols import Silent
from patentlab.tracking.identity import name_of_teacher
from patentlab.tracking.record import Record
from tests.conftest import Command

SMALL = ["data.size=240", "data.split.validation=40", "data.split.test=60", "data.top_k=6", "tracking=none"]
STUDENT = ["model=minilm", "adapter=frozen", "head.fallback=null", "trainer.max_length=64", "loss=distillation"]


def run(folder: Path, *overrides: str) -> dict[str, Any]:
    folder.mkdir()
    run_experiment(compose(*SMALL, *overrides), folder, Silent())
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher") / "run"
    run(folder, "model=tfidf_linear", "trainer.save_model=always")
    return folder


def test_a_student_says_what_its_teacher_says(teacher: Path, tmp_path: Path):
    done = run(tmp_path / "run", *STUDENT, f"loss.teacher={teacher}", "loss.hard_share=0", "head.start=frequencies")
    assert done["status"] == "finished"
    assert done["fingerprints"]["teacher"] == json.loads((teacher / "result.json").read_text())["key"]
    name = done["training"]["teacher"]
    assert re.fullmatch(r"tfidf_linear 1:1 mix=1 \([0-9a-f]{6}\)", name)
    (tmp_path / "other").mkdir()
    shutil.copy(teacher / "result.json", tmp_path / "other")
    settings = (teacher / "config.yaml").read_text()
    for line, same in (("\nseed: 0", True), ("\n  top_k: 6", False)):
        assert f"{line}\n" in settings
        (tmp_path / "other" / "config.yaml").write_text(settings.replace(line, line[:-1] + "1"))
        assert (name_of_teacher(tmp_path / "other") == name) is same
    taught = load(teacher).classifier.predict(_texts(), Silent())
    said = load(tmp_path / "run").classifier.predict(_texts(), Silent())
    alone = run(tmp_path / "alone", *STUDENT[:-1], "head.start=frequencies")
    assert alone["key"] != done["key"]
    own = load(tmp_path / "alone").classifier.predict(_texts(), Silent())
    assert np.abs(said - taught).mean() < np.abs(own - taught).mean()


def _texts() -> list[str]:
    from patentlab.data.documents import read_documents

    return [document.text for document in read_documents(compose(*SMALL, "model=constant")).split.pool]


def test_the_teachers_name_is_no_part_of_the_key_but_what_it_is(teacher: Path, tmp_path: Path):
    moved = tmp_path / "elsewhere"
    moved.symlink_to(teacher)
    keys = {
        run(tmp_path / name, *STUDENT, f"loss.teacher={folder}", "trainer.epochs=1")["key"]
        for name, folder in (("one", teacher), ("other", moved))
    }
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed=1", "other validation documents, other test documents"),
        ("data.size=230", "other validation documents, other test documents"),
        ("data.top_k=5", "other validation documents, other test documents"),
    ],
)
def test_a_teacher_that_may_know_the_answers_is_refused(teacher: Path, tmp_path: Path, change: str, message: str):
    with pytest.raises(RequestError, match=message):
        run(tmp_path / "run", *STUDENT, f"loss.teacher={teacher}", change)


@pytest.mark.parametrize(
    ("fingerprint", "message"),
    [("data", "other data"), ("validation", "other validation documents"), ("test", "other test documents")],
)
def test_each_fingerprint_of_a_teacher_is_asked_for(teacher: Path, tmp_path: Path, fingerprint: str, message: str):
    other = shutil.copytree(teacher, tmp_path / "teacher")
    record = json.loads((other / "result.json").read_text())
    record["fingerprints"][fingerprint] = "something else"
    (other / "result.json").write_text(json.dumps(record))
    with pytest.raises(RequestError, match=f"was trained beside {message}: it may know"):
        run(tmp_path / "run", *STUDENT, f"loss.teacher={other}")


def test_a_model_that_is_fitted_to_labels_has_no_teacher(teacher: Path):
    with pytest.raises(RequestError, match=r"loss=distillation: model=tfidf_linear is fitted to labels"):
        compose(*SMALL, "model=tfidf_linear", "loss=distillation", f"loss.teacher={teacher}")


def test_what_is_no_finished_run_is_refused_in_one_line(tmp_path: Path, run_in_process: Command):
    done = run_in_process(*SMALL, *STUDENT, "loss.teacher=nowhere")
    assert done.returncode == 2
    assert "loss.teacher=nowhere: no run; give the folder of a finished one, with its result.json" in done.stderr
    (tmp_path / "half").mkdir()
    Record("x", {}, "failed").write(tmp_path / "half")
    done = run_in_process(*SMALL, *STUDENT, "loss.teacher=half")
    assert done.returncode == 2 and "loss.teacher=half: the run is failed" in done.stderr


def test_a_teacher_without_its_model_is_refused(tmp_path: Path):
    run(tmp_path / "teacher", "model=tfidf_linear", "trainer.save_model=never")
    with pytest.raises(RequestError, match=r"kept no model; start it again with trainer\.save_model=always"):
        run(tmp_path / "run", *STUDENT, f"loss.teacher={tmp_path / 'teacher'}")


def test_a_matrix_names_students_apart(teacher: Path, tmp_path: Path, run_in_process: Command):
    done = run_in_process(
        "-m", *SMALL, *STUDENT, f"loss.teacher={teacher}", "loss.hard_share=0,1", "trainer.epochs=1", "name=students"
    )
    assert done.returncode == 0, done.stderr
    matrix = pd.read_csv(done.stdout.strip())
    assert matrix["key"].nunique() == 2 and set(matrix["choices.loss"]) == {"distillation"}


@pytest.mark.parametrize("student", [STUDENT, [*STUDENT, "adapter=full"]])
def test_what_the_regime_leaves_is_learned_from_by_what_the_teacher_says(
    teacher: Path, tmp_path: Path, student: list[str]
):
    overrides = [
        *student, "regime=1:4", f"loss.teacher={teacher}", "head.start=frequencies", "trainer.epochs=8",
        "trainer.patience=null", "trainer.learning_rate=1e-4", "trainer.head_learning_rate=0.02",
        "trainer.batch_size=8",
    ]  # fmt: skip
    with_pool = run(tmp_path / "pool", *overrides, "data.unlabelled=pool")
    without = run(tmp_path / "alone", *overrides)
    counts = with_pool["counts"]
    assert counts["train"] == without["counts"]["train"] == counts["regime"] < counts["pool"] / 2
    assert counts["train"] + counts["unlabelled"] == counts["pool"]
    assert with_pool["training"]["examples_seen"] == 8 * counts["pool"]
    assert with_pool["key"] != without["key"]
    assert without["key"] == run(tmp_path / "again", *overrides)["key"]
    taught = load(teacher).classifier.predict(_texts(), Silent())
    far = [
        np.abs(load(tmp_path / name).classifier.predict(_texts(), Silent()) - taught).mean()
        for name in ("pool", "alone")
    ]
    assert far[0] < far[1]


def test_a_file_is_held_against_validation_and_test_documents(teacher: Path, tmp_path: Path):
    from patentlab.data.documents import read_documents

    documents = read_documents(compose(*SMALL, "model=constant"))
    split = documents.split
    first, second = split.test[0].text, split.validation[0].text
    words = second.split()
    # the same but for case; all but two words; the same words in another order, of which the cosine is 1
    copies = [first.upper(), " ".join(words[:-2]), " ".join(reversed(words))]
    new = [f"A tray number {n} that tilts a cup of tea towards whoever sits at desk {n}" for n in range(5)]
    file = tmp_path / "more.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*copies, *new]))
    overrides = [*STUDENT, f"loss.teacher={teacher}", "trainer.epochs=1", f"data.unlabelled={file}"]
    done = run(tmp_path / "run", *overrides, "data.split.cosine=0.7", "rerun=always")
    moved = tmp_path / "moved.jsonl"
    file.rename(moved)
    overrides[-1] = f"data.unlabelled={moved}"
    again = run(tmp_path / "again", *overrides, "data.split.cosine=0.7")
    assert (done["counts"]["unlabelled"], done["counts"]["unlabelled_removed"]) == (5, 3)
    assert done["key"] == again["key"]  # what it holds counts, where it lies does not
    with moved.open("a") as more:
        more.write(json.dumps({"text": "One more tray"}) + "\n")
    assert run(tmp_path / "other", *overrides, "data.split.cosine=0.7")["key"] != done["key"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"text": ""}\n', "more.jsonl:1: no text: text is empty"),
        ('{"text": ["a", "b"]}\n', "more.jsonl:1: text"),
        ('{"text": "\\ud800"}\n', "more.jsonl:1: "),
        ('{"text": "a"}\n{', "more.jsonl:2: "),
        (None, "more.jsonl: no such file; give one with data.unlabelled"),
    ],
)
def test_a_file_without_texts_is_told(teacher: Path, tmp_path: Path, content: str | None, told: str):
    file = tmp_path / "more.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(RequestError, match=told):
        run(tmp_path / "run", *STUDENT, f"loss.teacher={teacher}", f"data.unlabelled={file}")


def test_without_a_teacher_or_a_rest_there_is_nothing_to_learn_from_texts_alone(teacher: Path, tmp_path: Path):
    with pytest.raises(RequestError, match=r"data\.unlabelled=pool: only a teacher answers"):
        compose("model=minilm", "data.unlabelled=pool")
    with pytest.raises(RequestError, match=r"data\.unlabelled=pool: nothing is left of it"):
        run(tmp_path / "run", *STUDENT, f"loss.teacher={teacher}", "data.unlabelled=pool", "regime=1:1")


def test_as_many_steps_are_as_many_with_documents_without_labels(teacher: Path, tmp_path: Path):
    overrides = [*STUDENT, f"loss.teacher={teacher}", "regime=1:2", "data.unlabelled=pool", "mix=0.25"]
    overrides += ["trainer.epochs=2", "trainer.batch_size=4", "trainer.patience=null"]
    steps = [
        run(tmp_path / name, *overrides, f"strategy={name}")["training"]["optimiser_steps"]
        for name in ("duplicate", "step_matched", "none")
    ]
    assert steps[0] == steps[1] > steps[2]
