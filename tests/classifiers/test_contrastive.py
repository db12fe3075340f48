"""Contrastive tuning on tiny random models: vectors move, a linear classifier reads them, both survive saving."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from patentlab.classifiers.factory import load_classifier
from patentlab.config import RequestError
from patentlab.console.command_line import compose, compose_run
from patentlab.corpus import Examples, LabelSpace
from patentlab.protocols import Observer, Silent
from patentlab.tasks import Task
from patentlab.tasks.documents import MultiLabel, SingleLabel
from patentlab.tracking.identity import run_key
from patentlab.training.memory import fit_within_memory
from tests.classifiers.test_transformer import EXAMPLES, TARGETS, TEXTS, WORDS, build

CONTRASTIVE = ["loss=contrastive", "trainer.batch_size=8", "trainer.learning_rate=0.003"]
ONE = np.eye(3, dtype=np.int8)[TARGETS.argmax(axis=1)]


def separation(vectors: np.ndarray, targets: np.ndarray) -> float:
    """Mean cosine of documents with the same labels, less that of documents with none in common."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine, shared = unit @ unit.T, targets @ targets.T
    others = ~np.eye(len(unit), dtype=bool)
    return float(cosine[(shared > 0) & others].mean() - cosine[shared == 0].mean())


@pytest.mark.parametrize("task", [MultiLabel(LabelSpace(tuple(WORDS))), SingleLabel(LabelSpace(tuple(WORDS)))])
@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_vectors_are_drawn_together_and_apart_and_survive_saving(tiny_model, tmp_path: Path, adapter: str, task: Task):
    targets = ONE if task.one_label else TARGETS
    examples = Examples(TEXTS, targets)
    classifier = build(tiny_model, "llama", adapter, *CONTRASTIVE, f"data.task={task.name}", task=task)
    before = separation(classifier.embed(TEXTS, Silent()), targets)
    report = classifier.fit(examples, examples, Observer(task.measure), 0)
    vectors = classifier.embed(TEXTS, Silent())
    assert separation(vectors, targets) > before + 0.2
    assert report.history[-1]["train_loss"] < report.history[0]["train_loss"]
    scores = classifier.predict(TEXTS, Silent())
    assert report.validation_outputs is not None
    assert np.allclose(report.validation_outputs, scores, atol=1e-4)  # the classifier of the epoch that was kept
    best = report.history[(report.best_epoch or 0) - 1]
    assert task.measure(targets, scores)[task.monitor] == pytest.approx(best[f"validation_{task.monitor}"], abs=1e-6)
    classifier.save(tmp_path)
    assert np.allclose(load_classifier(tmp_path, Silent(), task).predict(TEXTS, Silent()), scores, atol=1e-6)


def test_the_classifier_is_a_regularised_one_on_the_tuned_vectors(tiny_model):
    task = SingleLabel(LabelSpace(tuple(WORDS)))
    classifier = build(tiny_model, "llama", "full", *CONTRASTIVE, "data.task=single_label", task=task)
    examples = Examples(TEXTS, ONE)
    classifier.fit(examples, examples, Observer(task.measure), 0)
    vectors = classifier.embed(TEXTS, Silent()).astype(np.float64)
    z = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    own = classifier.predict(TEXTS, Silent())
    # one of the strengths that are tried gives the same probabilities as scikit-learn's regression
    apart = []
    for strength in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1):
        fitted = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000).fit(z, ONE.argmax(axis=1))
        apart.append(np.abs(fitted.predict_proba(z) - own).max())
    assert min(apart) < 5e-3


def test_in_half_precision_an_epoch_is_judged_as_what_is_kept(tiny_model):
    task = SingleLabel(LabelSpace(tuple(WORDS)))
    settings = [*CONTRASTIVE, "data.task=single_label", "trainer.precision=bf16"]
    classifier = build(tiny_model, "llama", "full", *settings, task=task)

    def measure(targets: np.ndarray, scores: np.ndarray) -> dict[str, float]:
        """Any difference in scores is seen."""
        return {"f1_micro": float((targets * logit(scores)).sum())}

    texts = [f"{text} and so on" if place % 3 else text for place, text in enumerate(TEXTS)]  # of several lengths
    examples = Examples(texts, ONE)
    report = classifier.fit(examples, examples, Observer(measure), 0)
    best = max(row["validation_f1_micro"] for row in report.history)
    assert measure(ONE, classifier.predict(texts, Silent()))["f1_micro"] == pytest.approx(
        best, abs=1e-4
    )  # 8e-4 otherwise


@pytest.mark.parametrize("kept", ["probe", "tuned"])
def test_the_probe_on_frozen_layers_is_what_it_has_to_beat(tiny_model, kept: str):
    classifier = build(tiny_model, "llama", "lora", *CONTRASTIVE, "head.fallback=probe", "head.fallback_margin=0.0")
    frozen = classifier.embed(TEXTS, Silent())
    calls: list[int] = []

    def measure(targets: np.ndarray, scores: np.ndarray) -> dict[str, float]:
        """Better, or worse, each time that it is asked: what comes first is the probe on frozen layers."""
        calls.append(len(calls))
        return {"f1_micro": (1 if kept == "tuned" else -1) * len(calls) / 1000}

    report = classifier.fit(EXAMPLES, EXAMPLES, Observer(measure), 0)
    assert report.choice is not None
    assert report.choice.kept == kept
    scores = classifier.predict(TEXTS, Silent())
    own = classifier.embed(TEXTS, Silent())
    with classifier.replaced(report.choice.weights):
        other, others = classifier.predict(TEXTS, Silent()), classifier.embed(TEXTS, Silent())
    assert np.allclose(other, report.choice.outputs, atol=1e-4)
    assert np.allclose(classifier.predict(TEXTS, Silent()), scores, atol=1e-6)  # put back
    untouched, moved = (others, own) if kept == "tuned" else (own, others)
    assert np.allclose(untouched, frozen, atol=1e-5)
    assert np.abs(moved - frozen).max() > 1e-2
    head = sum(p.numel() for p in classifier.network.head.parameters())
    assert (classifier.count_parameters().trained == head) == (kept == "probe")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["adapter=frozen"], "adapter=frozen: leaves vectors as they are"),
        (["trainer.batch_size=1"], "trainer.batch_size=1: loss=contrastive compares the documents of a batch"),
        (["head=two_layer"], "fits a linear head on them; set head=embedding"),
        (["head=label_similarity"], "fits a linear head on them; set head=embedding"),
    ],
)
def test_what_moves_no_vectors_is_refused(overrides: list[str], told: str):
    with pytest.raises(RequestError, match=told):
        compose("model=minilm", "adapter=full", "loss=contrastive", *overrides)


def test_settings_of_the_trained_linear_layer_are_refused_and_tell_no_runs_apart():
    asked = ["model=minilm", "adapter=full", "loss=contrastive"]
    with pytest.raises(RequestError, match=r"head\.dropout: has no effect: the linear layer is fitted"):
        compose_run([*asked, "head.dropout=0.3"], alone=True)
    for idle in ("head.dropout=0.3", "head.start=probe", "trainer.head_learning_rate=0.1"):
        keys = {
            run_key(compose_run([*asked[:2], f"loss={loss}", *more], alone=False).config, {})
            for loss, more in (("contrastive", []), ("contrastive", [idle]), ("bce", []), ("bce", [idle]))
        }
        assert len(keys) == 3, idle


def test_where_memory_runs_out_the_error_stands(tmp_path: Path):
    """Halved batches would have fewer pairs: another result under the same name."""
    tried: list[int | None] = []

    def fit(classifier: Any) -> None:
        raise MemoryError

    def build_one(config: Any) -> Any:
        tried.append(config.trainer.batch_size)

        return object()

    for loss, sizes in (("contrastive", [4]), ("bce", [4, 2, 1])):
        tried.clear()
        config = compose("model=minilm", "adapter=full", f"loss={loss}", "trainer.batch_size=4")
        with pytest.raises(MemoryError):
            fit_within_memory(config, build_one, fit)
        assert tried == sizes
