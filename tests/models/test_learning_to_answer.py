"""Heads that ask a language model with words: what they learn, and what survives saving."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from patentlab.classifiers.factory import load_classifier
from patentlab.config import LossConfig
from patentlab.corpus import Examples, LabelSpace
from patentlab.losses.answer import AnswerLoss
from patentlab.models.heads import prompted
from patentlab.models.heads.instruction import InstructionHead
from patentlab.protocols import Silent
from patentlab.tasks import Task
from patentlab.tasks.documents import MultiLabel, SingleLabel
from tests.characters import save_character_model
from tests.models.prompted import LABELS, SEVERAL, SINGLE, TEXTS, build, fit, head_of, log_likelihood


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_character_model(tmp_path_factory.mktemp("characters"), chat=True)


@pytest.mark.parametrize("task", [SingleLabel(LABELS), MultiLabel(LABELS)])
def test_only_the_answer_is_learned(model: Path, task: Task):
    classifier = build(model, task, "head=instruction", "adapter=full")
    head, network = classifier.head, classifier.network
    assert isinstance(head, InstructionHead)
    examples = Examples(TEXTS[:3], SINGLE[:3], np.zeros(3, dtype=np.bool_))
    items = head.examples(examples, classifier.loss, training=True)
    batch = head.collate(items)
    labels = batch.pop("labels")
    states: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, arguments: object, output: torch.Tensor) -> None:
        output.retain_grad()
        states.append(output)

    network.backbone.model.norm.register_forward_hook(keep)  # type: ignore[union-attr]
    logits = network(**batch)["logits"]
    loss = classifier.loss(logits, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    learned = states[-1].grad.abs().sum(dim=-1) > 0  # type: ignore[union-attr]
    if task.one_label:
        answers = [head.answers[place] for place in SINGLE[:3].argmax(axis=1)]
        prompts = [[*head.question.prefix, *row["input_ids"]] for row in head.items(TEXTS[:3])]
        expected = -sum(log_likelihood(model, one, answer) for one, answer in zip(prompts, answers, strict=True))
        assert learned.sum(dim=1).tolist() == [len(answer) for answer in answers]
        # the last of a row is what the end of the answer is predicted from, the first the end of the prompt
        assert all(row[-len(answer) :].all() for row, answer in zip(learned, answers, strict=True))
    else:
        expected = 0.0
        for text, target in zip(TEXTS[:3], SINGLE[:3], strict=True):
            row = [*head.question.prefix, *head.items([text])[0]["input_ids"]]
            for question, right in zip(head.question.questions, target, strict=True):
                expected -= log_likelihood(model, [*row, *question], [head.yes_no[0 if right else 1]])
        assert learned.sum(dim=1).tolist() == [3, 3, 3]
    assert loss.item() == pytest.approx(expected, abs=1e-3)


def test_lists_are_learned_whole_and_end(model: Path):
    head = head_of(model, MultiLabel(LABELS), "head.answer=list")
    both = Examples(["a", "b"], np.array([[1, 1, 1], [0, 1, 0]], dtype=np.int8), np.zeros(2, dtype=np.bool_))
    head.prepare(both, 0)
    items = head.examples(both, None, training=True)  # type: ignore[arg-type]
    assert [head.tokenizer.decode(item["labels"]) for item in items] == ["Images; Vision; Pictures<end>", "Vision<end>"]
    many = Examples(["a"], np.ones((1, 40), dtype=np.int8), np.zeros(1, dtype=np.bool_))
    labels = LabelSpace(tuple(f"Label {number}" for number in range(40)))
    wide = head_of(model, MultiLabel(labels), "head.answer=list", room=2048)
    wide.prepare(many, 0)
    (item,) = wide.examples(many, None, training=True)  # type: ignore[arg-type]
    assert str(wide.tokenizer.decode(item["labels"])).endswith("Label 39<end>")  # 400 tokens
    # validation documents may have more labels than any training document: as many as there is room for
    head.longest_list = len("Images; Vision<end>") - 4
    items = head.examples(both, None, training=True)  # type: ignore[arg-type]
    assert head.tokenizer.decode(items[0]["labels"]) == "Images; Vision<end>"


@pytest.mark.parametrize(
    ("task", "overrides"),
    [
        (SingleLabel(LABELS), ["head=instruction"]),
        (SingleLabel(LABELS), ["head=label_logits"]),
        (SingleLabel(LABELS), ["head=label_logits", "head.verbaliser=letters"]),
        # two layers and characters learn to hold two words against each other where they stand side by side
        (MultiLabel(LABELS), ["head=instruction", "head.wording.yes_no.question='{label}'"]),
        (MultiLabel(LABELS), ["head=instruction", "head.answer=list"]),
        (MultiLabel(LABELS), ["head=label_logits"]),
    ],
)
def test_it_learns_and_survives_saving(model: Path, tmp_path: Path, task: Task, overrides: list[str]):
    texts = ["i" * 3, "v" * 4, "p" * 2, "i" * 5, "v" * 2, "p" * 6] * 4
    targets = np.tile(np.eye(3, dtype=np.int8), (8, 1))
    classifier = build(
        model, task, *overrides, "adapter=full", "trainer.epochs=100", "trainer.learning_rate=0.005",
        "trainer.patience=null", "trainer.validations=3", "head.shots=2", "head.calibration=batch",
    )  # fmt: skip
    metrics = fit(classifier, texts, targets)
    assert metrics["f1_micro"] > 0.95, metrics
    classifier.save(tmp_path)
    loaded = load_classifier(tmp_path, Silent(), task)
    assert np.allclose(loaded.predict(texts[:6], Silent()), classifier.predict(texts[:6], Silent()), atol=1e-6)
    assert loaded.head.state() == classifier.head.state()  # type: ignore[attr-defined]
    assert len(loaded.head.state()["shots"]) == 2  # type: ignore[attr-defined]


def test_lora_and_prompted_models_survive_saving(model: Path, tmp_path: Path):
    for adapter in ("lora", "none"):
        steps = ["trainer.max_steps=2"] if adapter == "lora" else []
        classifier = build(model, SingleLabel(LABELS), "head=instruction", f"adapter={adapter}", "head.shots=1", *steps)
        fit(classifier, TEXTS, SINGLE)
        (tmp_path / adapter).mkdir()
        classifier.save(tmp_path / adapter)
        loaded = load_classifier(tmp_path / adapter, Silent(), SingleLabel(LABELS))
        assert np.allclose(loaded.predict(TEXTS, Silent()), classifier.predict(TEXTS, Silent()), atol=1e-6)
        assert (classifier.count_parameters().trained > 0) == (adapter == "lora")


def test_words_come_with_a_saved_head(model: Path, tmp_path: Path):
    table = tmp_path / "words.csv"
    table.write_text("label,answer\nG06T,one\nG06V,two\nH04N,three\n")
    classifier = build(model, SingleLabel(LABELS), "head=instruction", "adapter=none", f"head.verbaliser={table}")
    expected = classifier.predict(TEXTS, Silent())
    (tmp_path / "saved").mkdir()
    classifier.save(tmp_path / "saved")
    table.unlink()
    assert np.array_equal(load_classifier(tmp_path / "saved", Silent()).predict(TEXTS, Silent()), expected)


def test_words_that_were_learned_stay_however_they_would_be_chosen_today(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    classifier = build(model, SingleLabel(LABELS), "head=label_logits", "adapter=none")
    expected = classifier.predict(TEXTS, Silent())
    classifier.save(tmp_path)
    monkeypatch.setattr(prompted, "telling_words", lambda *_: ["x", "y", "z"])
    assert np.array_equal(load_classifier(tmp_path, Silent()).predict(TEXTS, Silent()), expected)


def test_what_is_kept_of_a_prompt_does_not_outlive_its_weights(model: Path):
    classifier = build(model, SingleLabel(LABELS), "head=instruction", "adapter=full")
    before = classifier.predict(TEXTS, Silent())
    assert np.array_equal(classifier.predict(TEXTS, Silent()), before)
    with torch.no_grad():
        for parameter in classifier.network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    changed = classifier.predict(TEXTS, Silent())
    classifier.head._prefix = None  # type: ignore[attr-defined]
    assert np.array_equal(classifier.predict(TEXTS, Silent()), changed)
    assert np.abs(changed - before).max() > 1e-3


def test_activations_may_be_computed_again(model: Path):
    """Gradient checkpointing knows no cache, and so no shared prefix: the same numbers."""
    losses = []
    for checkpointing in ("false", "true"):
        classifier = build(
            model,
            SingleLabel(LABELS),
            "head=instruction",
            "adapter=full",
            f"trainer.gradient_checkpointing={checkpointing}",
        )
        examples = Examples(TEXTS, SINGLE, np.zeros(4, dtype=np.bool_))
        batch = classifier.head.collate(classifier.head.examples(examples, classifier.loss, training=True))
        labels = batch.pop("labels")
        classifier.network.train()
        losses.append(float(classifier.loss(classifier.network(**batch)["logits"], labels)))
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


def test_shots_come_from_the_training_documents(model: Path):
    classifier = build(model, MultiLabel(LABELS), "head=instruction", "adapter=none", "head.shots=3", seed=3)
    assert classifier.head.state()["shots"] == []
    fit(classifier, TEXTS, SEVERAL)
    shots = classifier.head.state()["shots"]
    assert {text for text, _, _ in shots} <= set(TEXTS) and len(shots) == 3
    for text, question, answer in shots:
        place = next(at for at, title in enumerate(("Images", "Vision", "Pictures")) if title in question)
        assert answer == ("Yes" if SEVERAL[TEXTS.index(text), place] else "No")


def test_what_is_shown_is_not_learned_from(model: Path):
    texts, targets = [*TEXTS, "i" * 9], np.concatenate([SINGLE, SINGLE[:1]])
    for shots, left in ((0, len(texts)), (2, len(texts) - 2), (100, len(texts))):  # all are kept where all are shown
        head = build(model, SingleLabel(LABELS), "head=instruction", "adapter=lora", f"head.shots={shots}").head
        learned = head.prepare(Examples(texts, targets), 0)
        assert len(learned.texts) == len(learned.targets) == left
        shown = {text for text, _, _ in head.state()["shots"]}
        assert shots == 100 or not shown & set(learned.texts)


@pytest.mark.parametrize("apart", [False, True])
def test_validation_documents_have_the_loss_of_their_labels(apart: bool):
    """Scores of labels, and not of tokens: among each other, or each by itself."""
    loss = AnswerLoss(LossConfig())
    loss.apart = apart
    scores, targets = np.array([[0.5, -1.0, 2.0], [0.0, 3.0, 1.0]]), np.array([[1, 0, 1], [0, 1, 0]])
    chances = expit(scores) if apart else softmax(scores, axis=1)
    expected = -(targets * np.log(chances)).sum() - apart * ((1 - targets) * np.log1p(-chances)).sum()
    found = loss.total(torch.tensor(scores), torch.tensor(targets, dtype=torch.float64))
    assert float(found) == pytest.approx(expected)


@pytest.mark.parametrize("adapter", ["full", "lora", "none"])
@pytest.mark.parametrize("head", ["instruction", "label_logits"])
def test_in_half_precision_logits_of_tokens_are_whole(model: Path, tmp_path: Path, head: str, adapter: str):
    """Of 16 and more they would be eighths."""
    classifier = build(model, SingleLabel(LABELS), f"head={head}", f"adapter={adapter}", "trainer.precision=bf16")
    layer: Any = classifier.network.backbone.get_output_embeddings()  # type: ignore[operator]
    seen: list[torch.Tensor] = []
    layer.register_forward_hook(lambda module, inputs, output: seen.extend([inputs[0], output]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = classifier.predict(TEXTS, Silent())
    hidden, logits = seen[-2:]
    with torch.inference_mode():
        assert logits.dtype == torch.float32 and torch.equal(logits, hidden.float() @ layer.weight.float().T)
    assert not torch.equal(logits, logits.bfloat16().float())
    if adapter != "full":  # whose weights stay in fp32
        assert layer.weight.dtype == torch.bfloat16
    classifier.save(tmp_path)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert np.array_equal(load_classifier(tmp_path, Silent()).predict(TEXTS, Silent()), scores)
