"""Cosines of documents and labels' titles: without training, with a learned scale, with a trained backbone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from patentlab.classifiers.factory import load_classifier
from patentlab.classifiers.settings import TransformerSettings
from patentlab.classifiers.transformer import TransformerClassifier
from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Examples, LabelSpace
from patentlab.models.similarity import CosineLayers
from patentlab.protocols import Observer, Silent
from patentlab.tasks import Task
from patentlab.tasks.documents import MultiLabel, SingleLabel

LABELS = LabelSpace(("B60", "G02"), {"B60": "wheel with a motor", "G02": "lens of a camera"})
TEXTS = ["a wheel and a brake", "the camera is light", "seat with a motor", "lens , lens"] * 3
TARGETS = np.tile(np.array([[1, 0], [0, 1]], dtype=np.int8), (6, 1))
EXAMPLES = Examples(TEXTS, TARGETS, np.zeros(12, dtype=np.bool_))


def build(folder: Path, task: Task, *overrides: str) -> TransformerClassifier:
    config = compose(
        "model=minilm", f"model.path={folder}", "head=label_similarity", f"data.task={task.name}",
        "trainer.max_length=64", *overrides,
    )  # fmt: skip
    return TransformerClassifier.fresh(TransformerSettings.of(config), task, 0, Silent())


def vector(folder: Path, text: str) -> np.ndarray:
    """The definition: mean of the last hidden states, of unit length."""
    tokens = AutoTokenizer.from_pretrained(folder)([text], return_tensors="pt")
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder)(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
    mean = hidden.last_hidden_state[0].mean(dim=0).numpy()
    return np.asarray(mean / np.linalg.norm(mean))


def test_untrained_it_is_the_cosine(tiny_model: Callable[[str], Path]):
    folder = tiny_model("bert")
    classifier = build(folder, SingleLabel(LABELS), "adapter=none", "head.scale=7")
    report = classifier.fit(EXAMPLES, EXAMPLES, Observer(classifier.task.measure), 0)
    assert report.optimiser_steps == 0 and classifier.count_parameters().trained == 0
    cosines = np.array(
        [[vector(folder, text) @ vector(folder, title) for title in LABELS.titles.values()] for text in TEXTS[:4]]
    )
    expected = np.exp(7 * cosines) / np.exp(7 * cosines).sum(axis=1, keepdims=True)
    assert np.allclose(classifier.predict(TEXTS[:4], Silent()), expected, atol=1e-5)
    assert cosines.std() > 1e-4


@pytest.mark.parametrize("task", [SingleLabel(LABELS), MultiLabel(LABELS)])
@pytest.mark.parametrize("adapter", ["frozen", "full"])
def test_it_learns_and_survives_saving(adapter: str, task: Task, tiny_model: Callable[[str], Path], tmp_path: Path):
    classifier = build(
        tiny_model("bert"), task, f"adapter={adapter}", "trainer.epochs=15", "trainer.batch_size=4",
        "trainer.learning_rate=0.01", "trainer.head_learning_rate=0.05", "trainer.patience=null",
    )  # fmt: skip
    before = float(classifier.network.head.log_scale)  # type: ignore[arg-type]
    classifier.head.start(classifier.network.head, TARGETS)
    untrained = classifier.predict(TEXTS, Silent())
    report = classifier.fit(EXAMPLES, EXAMPLES, Observer(task.measure), 0)
    assert report.history[-1]["train_loss"] < report.history[0]["train_loss"]
    assert float(classifier.network.head.log_scale) != before  # type: ignore[arg-type]
    found = classifier.predict(TEXTS, Silent())
    assert np.abs(found - untrained).max() > 1e-3
    if adapter == "frozen":  # what is learned is two numbers
        assert classifier.count_parameters().trained == 2
    else:
        assert task.measure(TARGETS, found)["accuracy"] == 1.0
    # the labels' vectors are those of the backbone as it was left
    assert np.allclose(
        classifier.network.head.vectors.numpy(),  # type: ignore[operator]
        classifier.encoder.compute(list(LABELS.titles.values()), Silent()), atol=1e-6,
    )  # fmt: skip
    classifier.save(tmp_path)
    assert np.allclose(load_classifier(tmp_path, Silent(), task).predict(TEXTS, Silent()), found, atol=1e-6)


def test_a_document_as_near_as_labels_are_to_each_other_is_undecided():
    layers = CosineLayers(2, 2, 20.0)
    layers.vectors.copy_(torch.tensor([[1.0, 0.0], [0.8, 0.6]]))
    layers.centre()
    assert torch.allclose(layers(torch.tensor([[0.8, 0.6]])), torch.tensor([[0.0, 4.0]]), atol=1e-5)


def test_equal_titles_are_refused(tiny_model: Callable[[str], Path]):
    labels = LabelSpace(("a", "b"), {"a": "Seats", "b": "Seats"})
    with pytest.raises(RequestError, match="a and b would both be answered by 'Seats'"):
        build(tiny_model("bert"), SingleLabel(labels), "adapter=none")


def test_the_loss_is_that_of_the_task():
    assert compose("head=label_similarity", "data.task=single_label").loss.name == "cross_entropy"
    assert compose("head=label_similarity").loss.name == "bce"
    assert compose("head=label_similarity", "adapter=none").trainer.name == "prompted"
