"""A label and tags of one forward pass: the same as two passes, learned together, judged apart and as a whole."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from patentlab.classifiers.factory import load_classifier
from patentlab.classifiers.saving import Meaning
from patentlab.classifiers.settings import TransformerSettings
from patentlab.classifiers.transformer import TransformerClassifier
from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace, as_array
from patentlab.data.documents import read_documents
from patentlab.protocols import Observer, Silent
from patentlab.tasks import Decision, Task
from patentlab.tasks.documents import SingleLabel
from patentlab.tasks.joint import Joint
from patentlab.tasks.tagging import Tagging

LABELS = LabelSpace(("ask", "tell", "wait"), types=("part", "whole"))
DOCUMENTS = [
    Document("1", "the motor of a wheel", ("ask",), tags=("O", "B-part", "O", "B-whole", "I-whole")),
    Document("2", "a lens", ("tell",), tags=("O", "B-part")),
    Document("3", "light and sound", ("tell",), tags=("O", "O", "O")),
    Document("4", "the seat", ("ask",), tags=("B-whole", "I-whole")),
]
TEXTS = [document.text for document in DOCUMENTS]


def classifier_on(folder: Path, task: Task, head: str, *overrides: str) -> TransformerClassifier:
    settings = [
        "data=massive", "data.path=x", f"head={head}", f"model.path={folder}", "trainer.max_length=16",
        "trainer.epochs=3", "trainer.batch_size=2", "trainer.eval_batch_size=2", "head.dropout=0",
    ]  # fmt: skip
    return TransformerClassifier.fresh(TransformerSettings.of(compose(*settings, *overrides)), task, 0, Silent())


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_one_pass_gives_bit_for_bit_what_two_give(kind: str, tiny_model):
    folder = tiny_model(kind)
    joint = classifier_on(folder, Joint(LABELS), "joint", "adapter=frozen")
    labels = classifier_on(folder, SingleLabel(LABELS), "embedding", "adapter=frozen")
    tags = classifier_on(folder, Tagging(LabelSpace(LABELS.types)), "token", "adapter=frozen")
    labels.network.head.load_state_dict(joint.network.head.first.state_dict())  # type: ignore[union-attr]
    tags.network.head.load_state_dict(joint.network.head.others.state_dict())  # type: ignore[union-attr]
    outputs = joint.predict(TEXTS, Silent())
    assert outputs.shape == (4, 2)
    alone = torch.softmax(torch.from_numpy(labels._logits(TEXTS, Silent())), dim=1)  # batch by batch, as the other
    assert np.array_equal(np.stack(list(outputs[:, 0])), alone.numpy())
    assert np.allclose(alone.numpy(), labels.predict(TEXTS, Silent()), atol=1e-6)
    for own, other in zip(outputs[:, 1], tags.predict(TEXTS, Silent()), strict=True):
        assert np.array_equal(own, other)


def test_the_loss_is_the_mean_over_documents_and_the_mean_over_words(tiny_model):
    joint = classifier_on(tiny_model("llama"), Joint(LABELS), "joint", "adapter=frozen", "head.label_share=0.3")
    items = joint.head.examples(joint.task.encode(DOCUMENTS), joint.loss, training=True)
    batch = joint.head.collate(items)
    logits = joint.network(**batch)["logits"].detach()
    assert logits.shape == (4, 6, 5)
    count = int((batch["labels"] != -100).sum())
    assert count == 4 + 12
    of_labels = torch.nn.functional.cross_entropy(logits[:, 0, :3], batch["labels"][:, 0])
    of_tags = torch.nn.functional.cross_entropy(logits[:, 1:].flatten(0, 1), batch["labels"][:, 1:].flatten())
    expected = 0.3 * of_labels + 0.7 * of_tags
    loss = joint.head.loss(joint.settings.loss, joint.task.encode(DOCUMENTS).targets)
    assert (loss(logits, batch["labels"]) / count).item() == pytest.approx(expected.item(), rel=1e-5)
    parts = [loss(logits[rows], batch["labels"][rows]).item() for rows in (slice(0, 1), slice(1, 4))]
    assert sum(parts) / count == pytest.approx(expected.item(), rel=1e-5)  # however a step is cut


@pytest.mark.parametrize("adapter", ["frozen", "lora", "full"])
def test_both_are_learned_and_a_saved_model_says_the_same(adapter: str, tiny_model, tmp_path: Path):
    joint = classifier_on(
        tiny_model("llama"),
        Joint(LABELS),
        "joint",
        f"adapter={adapter}",
        "trainer.epochs=30",
        "trainer.learning_rate=2e-2",
    )
    task = joint.task
    examples = task.encode(DOCUMENTS)
    report = joint.fit(examples, examples, Observer(task.measure, monitor="f1_micro"), 0)
    after = joint.predict(TEXTS, Silent())
    found = task.measure(examples.targets, after)
    assert found["label_f1_micro"] > 0.7
    assert found["tag_f1_micro"] > 0.5
    assert found["f1_micro"] == pytest.approx((found["label_f1_micro"] + found["tag_f1_micro"]) / 2)
    assert report.validation_outputs is not None
    for kept, now in zip(report.validation_outputs, after, strict=True):
        assert np.allclose(kept[0], now[0], atol=1e-5)
        assert np.allclose(kept[1], now[1], atol=1e-5)
    joint.save(tmp_path)
    Meaning(task, Decision()).write(tmp_path)
    meaning = Meaning.read(tmp_path)
    assert meaning is not None
    assert meaning.task.labels.types == LABELS.types
    again = load_classifier(tmp_path, Silent()).predict(TEXTS, Silent())
    for one, other in zip(after, again, strict=True):
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])
    (answer, *_) = meaning.task.answers(again, Decision())
    assert answer.labels[0] in LABELS.names
    assert len(answer.tags) == 5


def test_metrics_of_either_and_of_the_whole():
    task = Joint(LABELS)
    examples = task.encode(DOCUMENTS)
    scores = np.eye(3)[[0, 1, 0, 0]]  # one of four is wrong
    tags = [np.eye(5)[row] for row in task.encode(DOCUMENTS).targets[:, 1]]
    tags[0] = np.eye(5)[[0, 1, 0, 0, 0]]  # an entity is missed
    outputs = np.empty((4, 2), dtype=object)
    for row in range(4):
        outputs[row, 0], outputs[row, 1] = scores[row], tags[row]
    found = task.evaluate(examples.targets, outputs, Decision())
    assert found["label_f1_micro"] == 0.75
    assert found["label_accuracy"] == 0.75
    assert found["tag_f1_micro"] == pytest.approx(6 / 7)
    assert found["f1_micro"] == pytest.approx((0.75 + 6 / 7) / 2)
    assert found["accuracy"] == 0.5
    table = task.predictions(DOCUMENTS, outputs, Decision())
    assert table["predicted"].tolist() == [["ask"], ["tell"], ["ask"], ["ask"]]
    assert table["predicted_tags"][0] == ["O", "B-part", "O", "O", "O"]
    assert set(task.tables(examples.targets, outputs, Decision())) == {
        "per_label", "confusions", "per_type", "type_confusions"
    }  # fmt: skip


def test_massive_has_both(shared_data: Path):
    config = compose("data=massive", f"data.path={shared_data / 'massive'}", "head=joint", "model=minilm")
    assert (config.data.task, config.loss.name, config.trainer.monitor) == ("joint", "cross_entropy", "f1_micro")
    documents = read_documents(config)
    labels = documents.corpus.labels
    assert (len(labels), "timeofday" in labels.types) == (81, True)
    alone = read_documents(compose("data=massive", f"data.path={shared_data / 'massive'}", "head=token"))
    assert labels.types == alone.corpus.labels.names
    assert [d.tags for d in documents.split.test] == [d.tags for d in alone.split.test]


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["head=joint", "data.task=tagging"], "head=joint gives both labels and tags; set head=instruction or token"),
        (["head=token", "data.task=joint"], "asks for both labels and tags, and head=token gives tags of words"),
        (["head=joint", "loss=focal"], "loss=focal: a word has one tag"),
        (["head=joint", "trainer.monitor=tag_f1"], "allowed are f1_micro, f1_macro, label_f1_micro"),
    ],
)  # fmt: skip
def test_choices_that_do_not_go_with_both(overrides: list[str], problem: str):
    with pytest.raises(RequestError, match=problem):
        compose("data=massive", "data.path=x", *overrides)


def test_predictions_of_both_are_no_basis_for_resampling(tmp_path: Path):
    from patentlab.analysis.predictions import read_predictions
    from patentlab.statistics.undecidable import UndecidableError

    pd.DataFrame({"id": ["1"], "set": "test", "labels": [["a"]], "tags": [["O"]]}).to_parquet(
        tmp_path / "predictions.parquet"
    )
    pd.DataFrame({"label": ["a"]}).to_csv(tmp_path / "per_label.csv")
    with pytest.raises(UndecidableError, match="labels and tags at once"):
        read_predictions(tmp_path)
    assert as_array([np.zeros(2), np.zeros(3)]).shape == (2,)
