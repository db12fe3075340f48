"""Several tasks of one forward pass: each learns from its own documents alone, and is judged as if it were alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from patentlab.classifiers.factory import load_classifier
from patentlab.classifiers.saving import Meaning
from patentlab.classifiers.settings import TransformerSettings
from patentlab.classifiers.transformer import TransformerClassifier
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.data.sources.union import of_part
from patentlab.protocols import Observer, Silent
from patentlab.tasks import Decision
from patentlab.tasks.documents import SingleLabel
from patentlab.tasks.joint import Joint
from patentlab.tasks.multi_task import MultiTask
from patentlab.tasks.tagging import Tagging

CHAT = [  # labels and tags
    Document("1", "the motor of a wheel", ("ask",), tags=("O", "B-part", "O", "B-whole", "I-whole")),
    Document("2", "a lens", ("tell",), tags=("O", "B-part")),
    Document("3", "light and sound", ("tell",), tags=("O", "O", "O")),
]
NEWS = [Document("1", "light of the wheel", ("ask",)), Document("2", "a seat and a motor", ("sell",))]  # labels
NAMES = [Document("1", "seat of sound", (), tags=("B-part", "O", "O")), Document("2", "the lens", (), tags=("O", "O"))]
DOCUMENTS = [
    *(of_part(one, "chat", labelled=True) for one in CHAT),
    *(of_part(one, "news", labelled=True) for one in NEWS),
    *(of_part(one, "names", labelled=False) for one in NAMES),
]
LABELS = LabelSpace(("chat/ask", "chat/tell", "news/ask", "news/sell"), types=("chat/part", "chat/whole", "names/part"))
TEXTS = [document.text for document in DOCUMENTS]
UNION = (
    "data=union", "data@data.parts.chat=massive", "data.parts.chat.path=x", "data@data.parts.news=newsgroups",
    "data.parts.news.path=x", "data@data.parts.names=conll", "data.parts.names.path=x", "head=multi_task",
)  # fmt: skip
ROWS = {"chat": slice(0, 3), "news": slice(3, 5), "names": slice(5, 7)}


def classifier_on(folder: Path, *overrides: str, task: object = None) -> TransformerClassifier:
    settings = [
        *(() if task else UNION), f"model.path={folder}", "trainer.max_length=16", "trainer.epochs=3",
        "trainer.batch_size=2", "trainer.eval_batch_size=2", "head.dropout=0",
    ]  # fmt: skip
    config = compose(*settings, *overrides)
    chosen: object = task or MultiTask(LABELS)
    return TransformerClassifier.fresh(TransformerSettings.of(config), chosen, 0, Silent())  # type: ignore[arg-type]


def cells(*values: object) -> np.ndarray:
    """An array of objects, which may be arrays."""
    found = np.empty(len(values), dtype=object)
    found[:] = [None] * len(values)
    for number, value in enumerate(values):
        found[number] = value
    return found


def test_a_part_asks_what_its_labels_and_types_say():
    task = MultiTask(LABELS)
    assert {name: type(part) for name, part in task.parts.items()} == {
        "chat": Joint, "names": Tagging, "news": SingleLabel
    }  # fmt: skip
    assert task.parts["chat"].labels.names == ("chat/ask", "chat/tell")
    assert [[target is None for target in row] for row in task.encode(DOCUMENTS).targets] == [
        *[[False, True, True]] * 3, *[[True, True, False]] * 2, *[[True, False, True]] * 2
    ]  # fmt: skip


def test_a_document_moves_the_layers_of_its_own_part_alone(tiny_model):
    network = classifier_on(tiny_model("llama"), "adapter=full")
    loss = network.head.loss(network.settings.loss, network.task.encode(DOCUMENTS).targets)
    items = network.head.examples(network.task.encode(DOCUMENTS), loss, training=True)
    assert network.head.parts(items).tolist() == [0, 0, 0, 2, 2, 1, 1]  # type: ignore[union-attr]
    # by name: the labels of chat and news, the tags of chat and names
    layers = dict(zip(["chat", "news"], network.network.head.first.parts, strict=True))  # type: ignore[union-attr, arg-type]
    tags = dict(zip(["chat", "names"], network.network.head.others.parts, strict=True))  # type: ignore[union-attr, arg-type]
    for name, rows in ROWS.items():
        network.network.zero_grad()
        batch = network.head.collate(items[rows])
        torch.autograd.backward(loss(network.network(**batch)["logits"], batch["labels"]))
        moved = {
            kind: {part for part, layer in of.items() if layer.linear.weight.grad.abs().sum() > 0}
            for kind, of in (("labels", layers), ("tags", tags))
        }
        assert moved == {
            "labels": {name} & {"chat", "news"},
            "tags": {name} & {"chat", "names"},
        }
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.network.backbone.parameters())


def test_the_loss_is_the_mean_over_documents_weighted_by_part_however_a_step_is_cut(tiny_model):
    network = classifier_on(
        tiny_model("bert"), "adapter=frozen", "head.label_share=0.3", "head.weights.news=2", "+head.weights.names=0.5"
    )
    targets = network.task.encode(DOCUMENTS).targets
    loss = network.head.loss(network.settings.loss, targets)
    items = network.head.examples(network.task.encode(DOCUMENTS), loss, training=True)
    batch = network.head.collate(items)
    logits = network.network(**batch)["logits"].detach()
    assert logits.shape == (7, 6, 8)  # five words at most; two tasks with five tags and three
    numbers = batch["labels"]
    entropy = torch.nn.functional.cross_entropy
    chat = 0.3 * entropy(logits[:3, 0, :2], numbers[:3, 0], reduction="sum")
    words = entropy(logits[:3, 1:, :5].flatten(0, 1), numbers[:3, 1:].flatten(), reduction="sum")
    chat = chat + 0.7 * words / (10 / 3)  # 10 words of 3 documents
    news = 2 * entropy(logits[3:5, 0, 2:4], numbers[3:5, 0] - 2, reduction="sum")
    own = torch.where(numbers[5:, 1:] == -100, -100, numbers[5:, 1:] - 5)
    names = 0.5 * entropy(logits[5:, 1:, 5:8].flatten(0, 1), own.flatten(), reduction="sum") / (5 / 2)
    assert loss(logits, numbers).item() == pytest.approx((chat + news + names).item(), rel=1e-5)
    parts = [loss(logits[rows], numbers[rows]).item() for rows in (slice(0, 2), slice(2, 6), slice(6, 7))]
    assert sum(parts) == pytest.approx((chat + news + names).item(), rel=1e-5)
    assert loss.per_document


def test_the_trainer_divides_by_documents(tiny_model, monkeypatch: pytest.MonkeyPatch):
    seen = []
    network = classifier_on(tiny_model("bert"), "adapter=full", "trainer.accumulation=2", "trainer.epochs=1")
    from patentlab.training import trainer

    original = trainer._Counter.__call__

    def spy(self, outputs, labels, num_items_in_batch=None):
        if torch.is_grad_enabled():
            seen.append((len(labels), int(num_items_in_batch)))
        return original(self, outputs, labels, num_items_in_batch)

    monkeypatch.setattr(trainer._Counter, "__call__", spy)
    examples = network.task.encode(DOCUMENTS)
    network.fit(examples, examples, Observer(network.task.measure, monitor="f1_micro"), 0)
    assert seen == [(2, 4), (2, 4), (2, 3), (1, 3)]


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_one_pass_gives_bit_for_bit_what_heads_of_single_tasks_give(kind: str, tiny_model):
    folder = tiny_model(kind)
    network = classifier_on(folder, "adapter=frozen")
    parts = network.task.parts  # type: ignore[attr-defined]
    massive = ("data=massive", "data.path=x", "adapter=frozen")
    chat = classifier_on(folder, *massive, "head=joint", task=parts["chat"])
    names = classifier_on(folder, *massive, "head=token", task=parts["names"])
    head = network.network.head
    chat.network.head.first.load_state_dict(head.first.parts[0].state_dict())  # type: ignore[union-attr, index]
    chat.network.head.others.load_state_dict(head.others.parts[0].state_dict())  # type: ignore[union-attr, index]
    names.network.head.load_state_dict(head.others.parts[1].state_dict())  # type: ignore[union-attr, index]
    outputs = network.predict(TEXTS, Silent())
    assert outputs.shape == (7, 3)
    for own, other in zip(outputs[:, 0], chat.predict(TEXTS, Silent()), strict=True):
        assert np.array_equal(own[0], other[0])
        assert np.array_equal(own[1], other[1])
    for own, other in zip(outputs[:, 1], names.predict(TEXTS, Silent()), strict=True):
        assert np.array_equal(own, other)
    assert {row.shape for row in outputs[:, 2]} == {(2,)}


def test_layers_are_standardised_by_vectors_of_their_own_part(tiny_model):
    folder = tiny_model("bert")
    network = classifier_on(folder, "adapter=frozen", "trainer.epochs=1")
    examples = network.task.encode(DOCUMENTS)
    network.fit(examples, examples, Observer(network.task.measure, monitor="f1_micro"), 0)
    parts = network.task.parts  # type: ignore[attr-defined]
    alone = classifier_on(
        folder, "data=massive", "data.path=x", "head=joint", "adapter=frozen", "trainer.epochs=1", task=parts["chat"]
    )
    own = parts["chat"].encode(DOCUMENTS[:3])
    alone.fit(own, own, Observer(parts["chat"].measure, monitor="f1_micro"), 0)
    for side in ("first", "others"):
        one, other = getattr(network.network.head, side).parts[0], getattr(alone.network.head, side)
        assert torch.allclose(one.shift, other.shift, atol=1e-6)
        assert torch.allclose(one.scale, other.scale, rtol=1e-4)


@pytest.mark.parametrize("adapter", ["frozen", "lora", "full"])
def test_all_are_learned_and_a_saved_model_says_the_same(adapter: str, tiny_model, tmp_path: Path):
    network = classifier_on(
        tiny_model("llama"), f"adapter={adapter}", "trainer.epochs=30", "trainer.learning_rate=2e-2",
        "head.batches=even", "trainer.validations=3",
    )  # fmt: skip
    task = network.task
    examples = task.encode(DOCUMENTS)
    report = network.fit(examples, examples, Observer(task.measure, monitor="f1_micro"), 0)
    assert report.examples_seen == 30 * 9  # the largest part has three documents, and there are three
    after = network.predict(TEXTS, Silent())
    found = task.measure(examples.targets, after)
    assert found["chat_label_f1_micro"] > 0.6
    assert found["news_f1_micro"] > 0.4
    assert found["names_f1_micro"] > 0.4
    assert found == pytest.approx(task.measure(examples.targets, report.validation_outputs))
    network.save(tmp_path)
    Meaning(task, Decision()).write(tmp_path)
    meaning = Meaning.read(tmp_path)
    assert meaning is not None
    assert meaning.task.labels.types == LABELS.types
    again = load_classifier(tmp_path, Silent()).predict(TEXTS, Silent())
    for one, other in zip(after, again, strict=True):
        assert np.array_equal(one[2], other[2])
        assert np.array_equal(one[1], other[1])
    answers = meaning.task.answers(again, Decision())
    assert [[label.partition("/")[0] for label in answer.labels] for answer in answers] == [["chat", "news"]] * 7
    assert [len(answer.tags) for answer in answers] == [len(text.split()) for text in TEXTS]
    assert answers[0].probabilities["news/ask"] + answers[0].probabilities["news/sell"] == pytest.approx(1)


def made_up(seed: int = 0) -> np.ndarray:
    """Outputs of all parts for each document."""
    draw = np.random.default_rng(seed)
    rows = []
    for text in TEXTS:
        words = len(text.split())
        chat = cells(draw.dirichlet(np.ones(2)), draw.dirichlet(np.ones(5), words))
        rows.append(cells(chat, draw.dirichlet(np.ones(3), words), draw.dirichlet(np.ones(2))))
    return np.stack(rows)


def test_metrics_of_a_part_are_those_of_its_task_on_its_documents_whatever_is_said_of_others():
    task, outputs, other = MultiTask(LABELS), made_up(), made_up(1)
    targets = task.encode(DOCUMENTS).targets
    found = task.evaluate(targets, outputs, Decision())
    columns = {"chat": 0, "names": 1, "news": 2}
    for name, rows in ROWS.items():
        plain = task.parts[name]
        own = plain.encode(DOCUMENTS[rows]).targets
        given = list(outputs[rows, columns[name]])
        alone = plain.evaluate(own, np.stack(given) if name != "names" else cells(*given), Decision())
        assert {f"{name}_{metric}": value for metric, value in alone.items()} == {
            metric: value for metric, value in found.items() if metric.startswith(f"{name}_")
        }
        for column in set(columns.values()) - {columns[name]}:
            outputs[rows, column] = other[rows, column]
    for metric in ("f1_micro", "f1_macro"):
        assert found[metric] == pytest.approx(np.mean([found[f"{name}_{metric}"] for name in ROWS]))
    assert task.evaluate(targets, outputs, Decision()) == found


def test_tables_and_predictions_say_the_part():
    task, outputs = MultiTask(LABELS), made_up()
    tables = task.tables(task.encode(DOCUMENTS).targets, outputs, Decision())
    assert set(tables) == {"per_label", "confusions", "per_type", "type_confusions"}
    labels = tables["per_label"]
    assert list(labels["label"]) == list(LABELS.names)
    assert list(labels["part"]) == ["chat", "chat", "news", "news"]
    assert list(labels["support"]) == [1, 2, 1, 1]
    assert list(tables["per_type"]["label"]) == list(LABELS.types)
    order = [6, 0, 3, 5, 1, 2, 4]
    table = task.predictions([DOCUMENTS[row] for row in order], outputs[order], Decision())
    assert list(table["id"]) == [DOCUMENTS[row].id for row in order]
    assert list(table["part"]) == ["names", "chat", "news", "names", "chat", "chat", "news"]
    assert table["predicted"][0] is None
    assert len(table["predicted_tags"][0]) == 2
    assert table["tags"][2] is None
    assert table["predicted"][2][0].startswith("news/")


def test_a_document_of_a_part_keeps_its_names_apart():
    (one,) = [document for document in DOCUMENTS if document.id == "chat/1"]
    assert one.labels == ("chat/ask",)
    assert one.tags == ("O", "B-chat/part", "O", "B-chat/whole", "I-chat/whole")
    assert replace(one, id="copy").part == "chat"
