"""The package of docs/extending.md, installed outside of the checkout and run: one thing of each kind."""

import importlib
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from patentlab.analysis.matrix import read_matrix
from patentlab.config import registry
from patentlab.config.registry import Registry
from patentlab.console.command_line import compose
from patentlab.corpus import LabelSpace
from patentlab.data.documents import read_documents
from patentlab.experiment import run_experiment
from patentlab.inference import load
from patentlab.protocols import Silent
from patentlab.tasks import Decision
from patentlab.tracking.identity import run_key
from tests.conftest import ROOT, Command

THEIRS = "hydra.searchpath=[pkg://theirs.conf]"
BLOCK = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.M | re.S)
PROGRAM = """
import json, sys
from tests.synthesis.scripted_server import document

for asked in map(json.loads, sys.stdin):
    print(json.dumps({"text": document(asked["seed"]).removeprefix("Title:")}))
"""


def install(folder: Path, files: dict[str, str]) -> Path:
    """What ``pip install`` leaves behind of a package."""
    about = tomllib.loads(files["pyproject.toml"])["project"]
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    known = folder / f"{about['name']}-{about['version']}.dist-info"
    known.mkdir()
    (known / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    lines = [
        f"[{group}]\n{name} = {value}\n" for group, of in about["entry-points"].items() for name, value in of.items()
    ]
    (known / "entry_points.txt").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = dict(BLOCK.findall((ROOT / "docs" / "extending.md").read_text(encoding="utf-8")))
    assert len(files) == 20
    return install(tmp_path_factory.mktemp("site"), files)


@pytest.fixture
def found_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Make a folder of installed packages known to this process, as if it had started with it."""

    def find(site: Path) -> None:
        monkeypatch.syspath_prepend(site)
        for known in vars(registry).values():
            if isinstance(known, Registry):
                known.load()
                for name, value in (("_known", known._known.copy()), ("_settings", known._settings.copy())):
                    monkeypatch.setattr(known, name, value)
                monkeypatch.setattr(known, "_loaded", False)

    yield find
    for name in [name for name in sys.modules if name.partition(".")[0] in ("theirs", "broken")]:
        del sys.modules[name]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """The demonstration as files, in a folder for each label."""
    for document in read_documents(
        compose("data.size=240", "data.top_k=6", "data.split.validation=20", "data.split.test=20")
    ).corpus.documents:
        assert document.title is not None
        for label in document.labels:
            path = tmp_path / "texts" / label / f"{document.id}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{document.title}\n{document.text.removeprefix(document.title).lstrip('. ')}")
    return tmp_path / "texts"


def test_source_strategy_generator_and_metric_run_and_stand_in_the_report(
    theirs: Path, texts: Path, tmp_path: Path, run_command: Command
):
    (tmp_path / "program.py").write_text(PROGRAM)
    path = os.pathsep.join([str(theirs), str(ROOT)])
    done = run_command(
        "-m", THEIRS, "name=theirs", "data=folder", f"data.path={texts}", "data.suffix=.txt", "model=tfidf_linear",
        "mix=0.5", "strategy=none,excerpt,label_conditioned", "strategy.length=0.4", "generator=program",
        f"generator.path={sys.executable}", f"generator.arguments=[{tmp_path / 'program.py'}]", "tracking=none",
        PYTHONPATH=path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    matrix = read_matrix(tmp_path / "multirun" / "theirs").set_index("choices.strategy")
    assert set(matrix.index) == {"none", "excerpt", "label_conditioned"}
    assert (matrix["status"] == "finished").all() and (matrix["choices.data"] == "folder").all()
    assert matrix["metrics.test.hit_rate"].between(0, 1).all() and (matrix["metrics.test.hit_rate"] > 0).all()
    assert (matrix["metrics.test.hit_rate"] >= matrix["metrics.test.accuracy"]).all()
    assert matrix["settings.strategy.length"].dropna().to_dict() == {"excerpt": 0.4}
    assert matrix["choices.generator"].dropna().to_dict() == {"label_conditioned": "program"}
    assert matrix["counts.synthetic"].to_dict() == {
        "none": 0, "excerpt": matrix["counts.real"].iloc[0], "label_conditioned": matrix["counts.real"].iloc[0]
    }  # fmt: skip
    added = pd.read_parquet(tmp_path / "multirun" / "theirs" / matrix["run"]["label_conditioned"] / "synthetic.parquet")
    assert added["text"].str.contains("The invention also relates to a method of mounting").all()

    report = run_command("sweep=multirun/theirs", "metric=hit_rate", command="analyze", PYTHONPATH=path)
    assert report.returncode == 0, report.stderr
    gains = pd.read_csv(tmp_path / "multirun" / "theirs" / "report" / "tables" / "gains_hit_rate.csv")
    assert {arm.partition(",")[0] for arm in gains["arm"]} >= {"excerpt"}


def test_loss_and_head_train_and_a_setting_goes_where_it_is_known(
    theirs: Path, tmp_path: Path, tiny_model: Callable[[str], Path], run_command: Command
):
    done = run_command(
        "-m", THEIRS, "name=losses", "data.size=80", "data.top_k=4", "data.split.validation=10", "data.split.test=10",
        "model=minilm", f"model.path={tiny_model('bert')}", "adapter=full", "trainer.max_steps=8",
        "trainer.max_length=32", "head=mean_max", "loss=bce,smoothed_bce", "loss.smoothing=0.1,0.2", "tracking=none",
        PYTHONPATH=os.pathsep.join([str(theirs), str(ROOT)]),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    runs = read_matrix(tmp_path / "multirun" / "losses").sort_values("settings.loss.smoothing", na_position="first")
    assert list(runs["choices.loss"]) == ["bce", "smoothed_bce", "smoothed_bce"]
    assert list(runs["settings.loss.smoothing"])[1:] == [0.1, 0.2] and runs["settings.loss.smoothing"].isna().sum() == 1
    assert set(runs["choices.head"]) == {"mean_max"}
    assert runs["key"].nunique() == runs["metrics.validation.brier"].nunique() == 3
    assert runs["metrics.test.hit_rate"].notna().all()


def test_a_task_and_its_head_are_trained_judged_saved_and_answer(
    theirs: Path, found_anew: Callable[[Path], None], tiny_model: Callable[[str], Path], tmp_path: Path
):
    found_anew(theirs)
    names, parts = ["1 low", "2 middle", "3 high"], ["sensor", "lens", "light"]
    grades = pd.DataFrame({"text": [f"the {parts[number % 3]} {number} of a wheel" for number in range(120)]})
    grades["labels"] = names * 40
    grades.to_csv(tmp_path / "grades.csv", index=False)
    given = [
        THEIRS, "data=csv", f"data.path={tmp_path / 'grades.csv'}", "model=minilm", f"model.path={tiny_model('bert')}",
        "trainer.epochs=12", "trainer.patience=null", "trainer.learning_rate=0.001", "trainer.max_length=16",
        "trainer.head_learning_rate=0.05", "data.text='{text}'", "tracking=none", "data.split.similarity=null",
        "data.split.cosine=null",
    ]  # fmt: skip
    config = compose(*given, "head=proportional_odds", "trainer.save_model=always")
    assert (config.data.task, config.loss.name, config.trainer.monitor) == (
        "ordinal",
        "cross_entropy",
        "quadratic_kappa",
    )
    (tmp_path / "run").mkdir()
    record = run_experiment(config, tmp_path / "run", Silent())
    assert record.main_metric == "quadratic_kappa"
    assert record.metrics["test"]["quadratic_kappa"] > 0.9 and record.metrics["test"]["rank_error"] < 0.1
    trained = load(tmp_path / "run")
    (answer,) = trained.predict(["the sensor 7 of a wheel"])
    assert trained.meaning.task.name == "ordinal" and answer.labels == ("1 low",)
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    with_ours = compose(*given, "data.task=ordinal", "loss=cross_entropy")
    assert (with_ours.head.name, with_ours.trainer.monitor) == ("embedding", "quadratic_kappa")


def test_how_far_ordered_answers_are_off_is_cohens_kappa(theirs: Path, found_anew: Callable[[Path], None]):
    from sklearn.metrics import cohen_kappa_score

    found_anew(theirs)
    task = registry.TASKS.get("ordinal")(LabelSpace(("a", "b", "c", "d")))
    draw = np.random.default_rng(0)
    targets, outputs = np.eye(4, dtype=np.int8)[draw.integers(4, size=60)], draw.random((60, 4)).astype(np.float32)
    found = task.evaluate(targets, outputs, Decision())
    right, answers = targets.argmax(axis=1), outputs.argmax(axis=1)
    assert found["quadratic_kappa"] == pytest.approx(cohen_kappa_score(right, answers, weights="quadratic"))
    assert found["rank_error"] == pytest.approx(np.abs(right - answers).mean())
    layers = importlib.import_module("theirs.layers").Thresholds(8, 4, 0.0)
    layers.score.weight.data.zero_()
    layers.start_from_shares(np.array([0.1, 0.2, 0.3, 0.4]))
    with torch.no_grad():
        assert layers(torch.ones(2, 8)).exp()[0].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-5)


LOSS = ["model=minilm", "adapter=full"]
WRONG = {
    "loss=smoothed_bce loss.smoothing=1": "loss.smoothing=1: must be at least 0 and below 1",
    "loss=smoothed_bce loss.smoothing=much": "loss.smoothing=much: must be a number",
    "loss=smoothed_bce loss.smothing=0.1": "loss.smothing (did you mean loss.smoothing?): no such setting; allowed are",
    "loss=smooth_bce": "loss=smooth_bce: no such option; allowed are answer, asymmetric, bce,",
    "loss=bce loss.smoothing=0.1": "loss.smoothing: has no effect with loss=bce; it is a setting of loss=smoothed_bce",
    "loss=smoothed_bce loss.gamma=1": "loss.gamma: has no effect with loss=smoothed_bce; it is a setting of loss=asym",
    "-m loss=bce,focal loss.smoothing=0.1": "has no effect with loss=bce and loss=focal; it is a setting of loss",
    "strategy=excerpt mix=0.5 strategy.length=2": "strategy.length=2: must be above 0 and below 1",
    "data=folder": "data.path: must be given",
    "data=folder data.path=nowhere": "data.path=nowhere: no folder with files LABEL/NAME.txt",
    "data=folder data.path=x data.sufix=.md": "data.sufix (did you mean data.suffix?): no such setting",
    "generator=program mix=0.5 generator.path=nowhere": "generator.path=nowhere: no such program",
}


def test_mistakes_with_them_are_one_line(
    theirs: Path, found_anew: Callable[[Path], None], run_in_process: Callable[..., Any]
):
    found_anew(theirs)
    for request, line in WRONG.items():
        done = run_in_process(*request.split(), THEIRS, *LOSS, "tracking=none")
        assert (done.returncode, done.stdout) == (2, ""), request
        assert done.stderr.startswith("patentlab: ") and done.stderr.count("\n") == 1, done.stderr
        assert line in done.stderr, done.stderr


def test_a_setting_of_theirs_is_part_of_the_key_beside_its_neutral_value(
    theirs: Path, found_anew: Callable[[Path], None]
):
    found_anew(theirs)
    keys = {
        share: run_key(compose(THEIRS, *LOSS, "loss=smoothed_bce", f"loss.smoothing={share}"), {})
        for share in (0.0, 0.1, 0.2)
    }
    assert len(set(keys.values())) == 3
    without = compose(THEIRS, *LOSS, "loss=smoothed_bce", "loss.smoothing=0")
    without.loss = compose(*LOSS).loss
    without.loss.name = "smoothed_bce"
    assert run_key(without, {}) == keys[0.0]


def test_a_package_that_cannot_be_imported_is_told_of_before_anything_runs(
    tmp_path: Path, found_anew: Callable[[Path], None], run_in_process: Callable[..., Any]
):
    points = (
        '[project]\nname = "broken"\nversion = "0.1"\n[project.entry-points."patentlab.metrics"]\nsome = "broken.it"\n'
    )
    files = {"pyproject.toml": points, "broken/__init__.py": "", "broken/it.py": "import nothing_of_that_name\n"}
    found_anew(install(tmp_path / "site", files))
    for _ in range(2):
        done = run_in_process("model=constant", "tracking=none")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "patentlab: broken: its entry point some = broken.it of patentlab.metrics cannot be imported: "
            "ModuleNotFoundError: No module named 'nothing_of_that_name'\n"
        )


def test_their_evaluation_and_obfuscation_are_run(theirs: Path, tmp_path: Path, found_anew: Callable[[Path], None]):
    found_anew(theirs)
    folders = {name: tmp_path / name for name in ("shouted", "doubled")}
    for folder in folders.values():
        folder.mkdir()
    asked = compose(THEIRS, "data.size=120", "data.top_k=4", "data.split.validation=20", "data.split.test=20",
                    "model=tfidf_linear", "evaluate=shouted", "tracking=none")  # fmt: skip
    record = run_experiment(asked, folders["shouted"], Silent())
    assert record.metrics["shouted"] == record.metrics["test"]  # TF-IDF reads without regard to capitals
    hidden = compose("data=injection", "data.size=200", "model=tfidf_linear", "evaluate.obfuscations=[doubled,case]",
                     "tracking=none")  # fmt: skip
    under = run_experiment(hidden, folders["doubled"], Silent()).metrics["test_under"]
    assert under["doubled"]["average_precision"] < under["case"]["average_precision"]
    assert "doubled" in registry.OBFUSCATIONS
