"""Classifiers that are merged from saved ones, on tiny random models: what they say, keep, and refuse."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from patentlab.classifiers.factory import load_classifier
from patentlab.classifiers.merging import merged_runs
from patentlab.classifiers.settings import TransformerSettings
from patentlab.classifiers.transformer import TransformerClassifier
from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.protocols import Observer, Silent
from patentlab.tasks import Task
from patentlab.tasks.documents import SingleLabel
from patentlab.tasks.joint import Joint
from patentlab.tasks.tagging import Tagging

LABELS = LabelSpace(("ask", "tell", "wait"), types=("part", "whole"))
DOCUMENTS = [
    Document("1", "the motor of a wheel", ("ask",), tags=("O", "B-part", "O", "B-whole", "I-whole")),
    Document("2", "a lens", ("tell",), tags=("O", "B-part")),
    Document("3", "light and sound", ("tell",), tags=("O", "O", "O")),
    Document("4", "the seat", ("ask",), tags=("B-whole", "I-whole")),
    Document("5", "a camera with a brake is the ear", ("wait",), tags=("O", "B-part", *"OOOO", "B-whole", "I-whole")),
]
TEXTS = [document.text for document in DOCUMENTS]
TASKS: dict[str, Task] = {
    "embedding": SingleLabel(LABELS),
    "token": Tagging(LabelSpace(LABELS.types)),
    "joint": Joint(LABELS),
}
MODULES = {"bert": "[query,value]", "llama": "[q_proj,v_proj]"}
Built = Callable[..., Path]


def settings_of(folder: Path, head: str, *overrides: str) -> TransformerSettings:
    trained = "adapter=none" not in overrides
    given = [
        "data=massive", "data.path=x", "model=minilm", f"head={head}", f"model.path={folder}",
        f"model.lora_targets={MODULES[folder.name.rstrip('0123456789')]}", "trainer.max_length=16",
        "trainer.eval_batch_size=2",
    ]  # fmt: skip
    given += ["trainer.epochs=3", "trainer.batch_size=2", "trainer.learning_rate=0.02"] if trained else []
    given += ["head.fallback=null"] if head == "embedding" else []
    return TransformerSettings.of(compose(*given, *overrides))


def fitted(settings: TransformerSettings, task: Task, seed: int = 0) -> TransformerClassifier:
    classifier = TransformerClassifier.fresh(settings, task, seed, Silent())
    examples = task.encode(DOCUMENTS)
    classifier.fit(examples, examples, Observer(task.measure, monitor="f1_micro"), 0)
    return classifier


def merged(folder: Path, head: str, runs: list[Path], *overrides: str, method: str = "cat") -> TransformerSettings:
    named = f"model.merge.runs=[{','.join(map(str, runs))}]"
    return settings_of(folder, head, "adapter=none", named, f"model.merge.method={method}", *overrides)


def assert_equal(one: Any, other: Any, atol: float = 0.0) -> None:
    """Outputs of any form."""
    assert one.shape == other.shape
    if one.dtype != object:
        assert np.allclose(one, other, atol=atol, rtol=0, equal_nan=True)
        return
    for own, theirs in zip(one.flat, other.flat, strict=True):
        assert np.allclose(own, theirs, atol=atol, rtol=0, equal_nan=True)


@pytest.fixture(scope="module")
def run(tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Folders of runs, as far as merging reads them."""
    made: dict[tuple[Any, ...], Path] = {}

    def build(kind: str, head: str, *overrides: str, seed: int = 0) -> Path:
        wanted = (kind, head, overrides, seed)
        if wanted not in made:
            adapter = [] if any(one.startswith("adapter=") for one in overrides) else ["adapter=lora"]
            classifier = fitted(settings_of(tiny_model(kind), head, *adapter, *overrides), TASKS[head], seed)
            made[wanted] = tmp_path_factory.mktemp("run")
            (made[wanted] / "model").mkdir()
            classifier.save(made[wanted] / "model")
        return made[wanted]

    return build


def says(folder: Path) -> Any:
    return load_classifier(folder / "model", Silent()).predict(TEXTS, Silent())


@pytest.mark.parametrize(
    ("kind", "head", "adapter", "method"),
    [
        ("bert", "embedding", "lora", "cat"), ("llama", "token", "lora", "cat"), ("bert", "joint", "lora", "linear"),
        ("bert", "embedding", "full", "linear"), ("bert", "token", "full", "linear"),
    ],
)  # fmt: skip
def test_one_run_alone_equals_itself(kind: str, head: str, adapter: str, method: str, run: Built, tiny_model):
    own = run(kind, head, f"adapter={adapter}")
    classifier = fitted(merged(tiny_model(kind), head, [own], method=method), TASKS[head])
    assert_equal(classifier.predict(TEXTS, Silent()), says(own), atol=1e-6)
    assert classifier.count_parameters().trained == 0


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_adapters_that_stand_apart_say_what_their_runs_say(kind: str, run: Built, tiny_model, tmp_path: Path):
    labels, tags = run(kind, "embedding"), run(kind, "token", seed=1)
    for order in ([labels, tags], [tags, labels]):
        joint = fitted(merged(tiny_model(kind), "joint", order, method="apart"), TASKS["joint"])
        outputs = joint.predict(TEXTS, Silent())
        assert_equal(np.stack(list(outputs[:, 0])), says(labels), atol=1e-6)
        assert_equal(outputs[:, 1], says(tags), atol=1e-6)
    assert np.abs(np.stack(list(outputs[:, 0])) - 1 / 3).max() > 0.05
    sizes = joint.count_parameters().total, load_classifier(labels / "model", Silent()).count_parameters().total
    assert sizes[0] < 1.2 * sizes[1]  # one base
    joint.save(tmp_path)
    again = load_classifier(tmp_path, Silent())
    assert isinstance(again, TransformerClassifier)
    assert_equal(again.predict(TEXTS, Silent()), outputs)
    assert_equal(again.embed(TEXTS, Silent()), joint.embed(TEXTS, Silent()), atol=1e-6)


def test_a_merged_backbone_takes_its_label_and_tag_layers_from_their_runs(run: Built, tiny_model, tmp_path: Path):
    folder, labels, tags = tiny_model("bert"), run("bert", "embedding"), run("bert", "token", seed=1)
    joint = fitted(merged(folder, "joint", [tags, labels]), TASKS["joint"])
    layers: Any = joint.network.head
    for part, of in ((layers.first, labels), (layers.others, tags)):
        theirs: Any = load_classifier(of / "model", Silent())
        for name, value in theirs.network.head.state_dict().items():
            assert torch.equal(part.state_dict()[name], value)
    outputs = joint.predict(TEXTS, Silent())
    assert np.abs(np.stack(list(outputs[:, 0])) - says(labels)).max() > 1e-3  # the sum of both is neither
    saved = tmp_path / "saved"
    saved.mkdir()
    joint.save(saved)
    size = sum(path.stat().st_size for path in (saved / "merged").iterdir())
    assert size < 0.6 * sum(weight.nbytes for weight in joint.network.backbone.parameters())  # what changed alone
    assert joint.count_saved_bytes() == pytest.approx(size, rel=0.1)
    for gone in (labels, tags):
        shutil.move(gone / "model", gone / "moved")
    try:
        assert_equal(load_classifier(saved, Silent()).predict(TEXTS, Silent()), outputs)
    finally:
        for gone in (labels, tags):
            shutil.move(gone / "moved", gone / "model")


def test_layers_of_several_runs_of_one_head_are_averaged_by_weight(run: Built, tiny_model):
    runs = [run("bert", "embedding", seed=seed) for seed in (0, 1)]
    tags = run("bert", "token", seed=1)
    settings = merged(tiny_model("bert"), "joint", [runs[0], tags, runs[1]], "model.merge.weights=[0.1,1,0.3]")
    layers: Any = fitted(settings, TASKS["joint"]).network.head
    theirs: list[Any] = [load_classifier(one / "model", Silent()) for one in runs]
    weights = [one.network.head.linear.weight for one in theirs]
    assert torch.allclose(layers.first.linear.weight, 0.25 * weights[0] + 0.75 * weights[1], atol=1e-7)


def test_a_joint_run_has_the_layers_of_either_head(run: Built, tiny_model):
    own = run("llama", "joint")
    outputs = says(own)
    for head, column in (("embedding", 0), ("token", 1)):
        alone = fitted(merged(tiny_model("llama"), head, [own]), TASKS[head]).predict(TEXTS, Silent())
        expected = np.stack(list(outputs[:, 0])) if column == 0 else outputs[:, 1]
        assert_equal(alone, expected, atol=1e-6)


@pytest.mark.parametrize("adapter", ["frozen", "lora", "full"])
def test_training_goes_on_from_a_merged_backbone(adapter: str, run: Built, tiny_model, tmp_path: Path):
    folder, first, second = tiny_model("bert"), run("bert", "embedding"), run("bert", "token", seed=1)
    runs = f"model.merge.runs=[{first},{second}]"
    overrides = [f"adapter={adapter}", runs, "model.merge.method=cat", "head.start=frequencies"]
    settings = settings_of(folder, "embedding", *overrides)
    classifier = TransformerClassifier.fresh(settings, TASKS["embedding"], 0, Silent())
    untouched = fitted(merged(folder, "joint", [first, second]), TASKS["joint"])
    vectors = classifier.embed(TEXTS, Silent())
    assert_equal(vectors, untouched.encoder.compute(TEXTS, Silent()), atol=1e-6)
    plain = TransformerClassifier.fresh(
        settings_of(folder, "embedding", "adapter=frozen"), TASKS["embedding"], 0, Silent()
    )
    assert np.abs(vectors - plain.embed(TEXTS, Silent())).max() > 1e-3
    assert classifier.encoder.store.folder != plain.encoder.store.folder
    examples = TASKS["embedding"].encode(DOCUMENTS)
    classifier.fit(examples, examples, Observer(TASKS["embedding"].measure, monitor="f1_micro"), 0)
    moved = np.abs(classifier.embed(TEXTS, Silent()) - vectors).max()
    assert (moved < 1e-6) == (adapter == "frozen")
    saved = tmp_path / "saved"
    saved.mkdir()
    classifier.save(saved)
    assert (saved / "merged").is_dir() == (adapter != "full")
    content = json.loads((saved / "settings.json").read_text())
    content["model"]["merge"]["runs"] = ["gone", "too"]  # it does not look for them
    (saved / "settings.json").write_text(json.dumps(content))
    again = load_classifier(saved, Silent())
    assert isinstance(again, TransformerClassifier)
    assert_equal(again.predict(TEXTS, Silent()), classifier.predict(TEXTS, Silent()), atol=1e-6)
    assert_equal(again.embed(TEXTS, Silent()), classifier.embed(TEXTS, Silent()), atol=1e-6)


def switched_on(name: str, content: dict[str, Any]) -> None:
    content[name] = True


def named_adapter(name: str, content: dict[str, Any]) -> None:
    content["adapter"]["name"] = name


def changed(run: Path, target: Path, change: Callable[[dict[str, Any]], None], file: str = "settings.json") -> Path:
    shutil.copytree(run, target)
    path = target / "model" / file
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return target


def test_runs_that_do_not_merge_are_refused_in_one_line(run: Built, tiny_model, tmp_path: Path):
    bert, labels, tags = tiny_model("bert"), run("bert", "embedding"), run("bert", "token", seed=1)
    full, other = run("bert", "embedding", "adapter=full"), run("llama", "embedding")
    adapter = "backbone/adapter_config.json"

    def refused(told: str, settings: Callable[[], TransformerSettings], task: Task | None = None) -> None:
        with pytest.raises(RequestError, match=told) as raised:
            if task is None:
                merged_runs(settings())
            else:
                TransformerClassifier.fresh(settings(), task, 0, Silent())
        assert len(raised.value.problems) == 1 and "\n" not in str(raised.value)

    empty = tmp_path / "empty"
    empty.mkdir()
    refused("the run kept no model; start it again with trainer.save_model=always",
            lambda: merged(bert, "embedding", [empty]))  # fmt: skip
    (empty / "model").mkdir()
    refused("has no backbone that could be merged", lambda: merged(bert, "embedding", [empty]))
    refused("was trained on another base", lambda: merged(bert, "embedding", [labels, other]))
    refused("has no adapter, which model.merge.method=cat merges; use linear or ties",
            lambda: merged(bert, "embedding", [labels, full]))  # fmt: skip
    refused("was trained with head.pooling=mean, not max",
            lambda: merged(bert, "embedding", [labels], "head.pooling=max"))  # fmt: skip
    refused("needs layers of a run with head=token, and those that are merged have head=embedding",
            lambda: merged(bert, "joint", [labels]))  # fmt: skip
    refused("needs layers of a run with head=token",
            lambda: merged(bert, "joint", [labels, labels], method="apart"))  # fmt: skip
    refused("was trained with head.subword=first, not last",
            lambda: merged(bert, "joint", [labels, tags], "head.subword=last"))  # fmt: skip
    refused("was trained with head.hidden=None, not 8",
            lambda: merged(bert, "joint", [labels, tags], "head.hidden=8"))  # fmt: skip
    refused("knows other labels", lambda: merged(bert, "joint", [labels, tags]),
            Joint(LabelSpace(("tell", "ask", "wait"), types=LABELS.types)))  # fmt: skip
    refused("knows other labels", lambda: merged(bert, "joint", [labels, tags]),
            Joint(LabelSpace(LABELS.names, types=("part",))))  # fmt: skip
    for name, told in {
        "use_rslora": "its adapter is rsLoRA", "use_dora": "its adapter is DoRA",
        "modules_to_save": "its adapter is with whole modules",
    }.items():  # fmt: skip
        one = changed(labels, tmp_path / name, partial(switched_on, name), adapter)
        refused(told, partial(merged, bert, "embedding", [one]))
    for name, told in {"qlora": "adapter=qlora learned on weights of 4 bits", "frozen": "changed no weights"}.items():
        one = changed(labels, tmp_path / name, partial(named_adapter, name))
        refused(told, partial(merged, bert, "embedding", [one]))
    again = changed(labels, tmp_path / "c", lambda content: content["model"]["merge"].update(runs=["x"], method="cat"))
    refused("was merged itself; name the runs that it was made of", lambda: merged(bert, "embedding", [again]))
    llama = tiny_model("llama")
    refused("was trained with model.attention=causal, not bidirectional",
            lambda: settings_of(llama, "embedding", "model=smollm2_135m", f"model.path={llama}", "adapter=none",
                                "model.merge.method=cat", f"model.merge.runs=[{other}]",
                                "model.attention=bidirectional"))  # fmt: skip
    refused("only one of head=embedding and head=instruction needs the head that predicts tokens",
            lambda: TransformerSettings.of(compose(
                "model=smollm2_135m", f"model.path={llama}", "head=instruction", "adapter=none",
                "model.merge.method=cat", f"model.merge.runs=[{other}]", "trainer.max_length=64")))  # fmt: skip
