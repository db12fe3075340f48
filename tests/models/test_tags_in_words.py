"""The instruction head on tags, and on a label and tags: what is learned, what is written, how it is judged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from patentlab.classifiers.factory import load_classifier
from patentlab.classifiers.saving import Meaning
from patentlab.classifiers.settings import TransformerSettings
from patentlab.classifiers.transformer import TransformerClassifier
from patentlab.config import InstructionHeadConfig, RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace, as_array
from patentlab.models.heads.written import LabelAndTagsInWords, TagsInWords
from patentlab.protocols import Observer, Silent
from patentlab.tasks import Decision, Task
from patentlab.tasks.documents import SingleLabel
from patentlab.tasks.joint import Joint
from patentlab.tasks.tagging import Tagging
from patentlab.tracking.identity import run_key
from tests.characters import save_character_model
from tests.models.prompted import log_likelihood
from tests.models.test_joint_head import DOCUMENTS, LABELS, TEXTS

TAGGING = Tagging(LabelSpace(LABELS.types))
JOINT = Joint(LABELS)
ANSWERS = ["part: motor; whole: a wheel", "part: lens", "none", "whole: the seat"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_character_model(tmp_path_factory.mktemp("characters"), chat=True, length=1024)


def config_of(task: Task, *overrides: str) -> Any:
    return compose("data=massive", "data.path=x", "head=instruction", f"data.task={task.name}", *overrides)


def build(model: Path, task: Task, *overrides: str) -> TransformerClassifier:
    settings = ["model=smollm2_135m", f"model.path={model}", "trainer.max_length=64"]
    settings += ["head.tag_tokens=40"] if task.tags_words else []
    config = config_of(task, *settings, *overrides)
    return TransformerClassifier.fresh(TransformerSettings.of(config), task, 0, Silent())


def head_of(model: Path, *overrides: str, most: int = 64, room: int = 1024) -> TagsInWords:
    config = config_of(TAGGING, *overrides).head
    assert isinstance(config, InstructionHeadConfig)
    return TagsInWords(config, TAGGING, AutoTokenizer.from_pretrained(model, model_max_length=room), most)


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(own, rest, equal_nan=True) for own, rest in zip(one, other, strict=True))


@pytest.mark.parametrize("task", [TAGGING, JOINT], ids=["tagging", "joint"])
def test_only_the_answers_are_learned(model: Path, task: Task):
    classifier = build(model, task, "adapter=full")
    head, network = classifier.head, classifier.network
    batch = head.collate(head.examples(task.encode(DOCUMENTS), classifier.loss, training=True))
    labels = batch.pop("labels")
    states: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, arguments: object, output: torch.Tensor) -> None:
        output.retain_grad()
        states.append(output)

    network.backbone.model.norm.register_forward_hook(keep)  # type: ignore[union-attr]
    loss = classifier.loss(network(**batch)["logits"], labels)
    loss.backward()  # type: ignore[no-untyped-call]
    asked: list[tuple[Any, list[str]]] = [(head, ANSWERS)]
    if isinstance(head, LabelAndTagsInWords):
        asked = [(head.of_label, [one.labels[0] for one in DOCUMENTS]), (head.of_tags, ANSWERS)]
    read = [state for state in states if state.shape[0] == len(DOCUMENTS)]  # beside what all prompts begin with
    expected = 0.0
    for state, (question, answers) in zip(read, asked, strict=True):
        tokens = [[*question.tokenizer(one)["input_ids"], question.question.end] for one in answers]
        learned = state.grad.abs().sum(dim=-1) > 0  # type: ignore[union-attr]
        assert learned.sum(dim=1).tolist() == [len(answer) for answer in tokens]
        assert all(row[-len(answer) :].all() for row, answer in zip(learned, tokens, strict=True))
        prompts = [[*question.question.prefix, *row["input_ids"]] for row in question.items(TEXTS)]
        expected -= sum(log_likelihood(model, one, answer) for one, answer in zip(prompts, tokens, strict=True))
    assert loss.item() == pytest.approx(expected, abs=2e-3)
    assert int((labels != -100).sum()) == sum(len(one) + 1 for _, answers in asked for one in answers)


def test_the_types_are_asked_for_in_the_wording_of_the_option(model: Path):
    head = head_of(model)
    prompt = head.tokenizer.decode([*head.question.prefix, *head.items(["a lens"])[0]["input_ids"]])
    assert "The types are:\npart\nwhole\n\nText: a lens\n" in prompt
    assert 'Answer as in "type: words; type: words", or with none.' in prompt
    other = head_of(model, "head.wording.tags.cue=Go.")
    assert other.tokenizer.decode(other.items(["a lens"])[0]["input_ids"]) == " a lens\nGo.<end><a>"


def test_the_likeliest_tokens_are_written_and_read(model: Path):
    classifier = build(model, TAGGING, "adapter=none")
    head: Any = classifier.head
    language_model: Any = AutoModelForCausalLM.from_pretrained(model)
    for text, rows in zip(TEXTS, classifier.predict(TEXTS, Silent()), strict=True):
        prompt = torch.tensor([[*head.question.prefix, *head.items([text])[0]["input_ids"]]])
        answer = language_model.generate(prompt, do_sample=False, max_new_tokens=40)[0, prompt.shape[1] :]
        reading = head.read_answer(head.in_words(answer.tolist()), text.split())
        assert TAGGING.decide(as_array([rows]))[0] == reading.tags
        assert np.allclose(rows.sum(axis=1), reading.certainty)


@pytest.mark.parametrize(("task", "decoding"), [(TAGGING, None), (JOINT, "score"), (JOINT, "generate")])
def test_it_learns_answers_alike_in_any_batch_and_survives_saving(
    model: Path, tmp_path: Path, task: Task, decoding: str | None
):
    short = [f"head.wording.{kind}.{part}=''" for kind in ("label", "tags") for part in ("instruction", "cue")]
    short = short if task is JOINT else short[2:]
    classifier = build(
        model, task, "adapter=full", "trainer.epochs=60", "trainer.learning_rate=0.005", "trainer.batch_size=1",
        "trainer.patience=null", "trainer.validations=1", "trainer.schedule=constant", *short,
        *([f"head.decoding={decoding}"] if decoding else []),
    )  # fmt: skip
    documents, texts = DOCUMENTS[:3], TEXTS[:3]
    examples = task.encode(documents)
    report = classifier.fit(examples, examples, Observer(task.measure), 0)
    outputs = classifier.predict(texts, Silent())
    found = task.measure(examples.targets, outputs)
    assert found["accuracy"] == 1, found
    prefix = "tag_" if decoding else ""
    assert found[f"{prefix}f1_micro"] == 1
    assert found[f"{prefix}unparsable"] == found[f"{prefix}unparsable_pieces"] == 0
    assert ("label_unparsable" in found) == (decoding == "generate")
    assert all("validation_loss" not in row for row in report.history)  # what is written has none
    assert report.examples_seen == 60 * 3  # documents, not questions
    alone, together = classifier.answer_anew(TEXTS, 1), classifier.answer_anew(TEXTS, 4)
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one[1], other[1]) if decoding else np.array_equal(one, other)
        assert not decoding or np.allclose(one[0], other[0], atol=1e-5)
    classifier.save(tmp_path)
    Meaning(task, Decision()).write(tmp_path)
    again = load_classifier(tmp_path, Silent()).predict(texts, Silent())
    assert all(same(one, other) for one, other in zip(again, outputs, strict=True))
    answers = task.answers(again, Decision())
    assert [one.tags for one in answers] == [document.tags for document in documents]


def test_what_cannot_be_read_is_wrong_and_counted(model: Path):
    head = head_of(model)
    said = ["part: motor; whole: wheel", "part: lens; food: lens", "nothing here; or there", "whole: the seat"]
    ids = [head.tokenizer(one)["input_ids"] for one in said]
    logits = torch.full((4, 64), -1.0)
    for row, tokens in zip(logits, ids, strict=True):
        row[: len(tokens)] = torch.tensor(tokens)
    outputs = head.outputs(logits, head.items(TEXTS), None)  # type: ignore[arg-type]
    assert outputs[1].sum(axis=1).tolist() == [0.5, 0.5] and np.allclose(outputs[2].sum(axis=1), 1 / 3)
    metrics = TAGGING.measure(TAGGING.encode(DOCUMENTS).targets, outputs)
    assert metrics["unparsable"] == 2 / 4
    assert metrics["unparsable_pieces"] == 3 / 7
    assert metrics["precision_micro"] == 3 / 4 and metrics["recall_micro"] == 3 / 4  # wheel is not a wheel
    assert metrics["f1_micro"] == 6 / 8 and metrics["f1_micro_written"] == 6 / (4 + 7)
    assert "unparsable" not in TAGGING.measure(
        TAGGING.encode(DOCUMENTS).targets, as_array([np.full((len(text.split()), 5), 0.2) for text in TEXTS])
    )


def test_a_document_is_cut_and_its_answer_never(model: Path):
    document = Document("1", "a motor of one wheel", (), tags=("O", "B-part", "O", "B-whole", "I-whole"))
    targets = TAGGING.encode([document])
    for most, shown, answer in (
        (64, 5, "part: motor; whole: one wheel"),
        (len(" a motor of one wheel") - 1, 4, "part: motor"),  # an entity that is cut is not written
        (len(" a motor of one"), 4, "part: motor"),
        (len(" a motor o"), 2, "part: motor"),
        (len(" a moto"), 1, "none"),
    ):
        head = head_of(model, most=most)
        (item,) = head.examples(targets, None, training=True)
        assert item["words"] == document.text.split()[:shown]
        assert head.in_words(item["labels"]) == answer
        logits = torch.full((1, 64), -1.0)
        tokens = head.tokenizer("whole: one wheel")["input_ids"]
        logits[0, : len(tokens)] = torch.tensor(tokens)
        outputs = head.outputs(logits, head.items([document.text]), None)  # type: ignore[arg-type]
        metrics = TAGGING.measure(targets.targets, outputs)
        assert metrics["unread_words"] == (5 - shown) / 5 and metrics["partly_read"] == (shown < 5)
        assert metrics["unparsable"] == (shown < 5)  # it was not shown
        assert metrics["recall_micro"] == (0 if shown < 5 else 0.5)
    room = len(head.question.prefix) + len(head.question.middle) + 64 + 20
    short = head_of(model, most=500, room=room)
    (item,) = short.examples(TAGGING.encode([Document("1", "x " * 300, (), tags=("O",) * 300)]), None, training=True)
    assert len(short.question.prefix) + len(item["input_ids"]) + 64 - len("none") <= room
    assert len(item["words"]) == 10


def test_as_many_entities_are_learned_as_there_is_room_for(model: Path):
    head = head_of(model, "head.tag_tokens=16")
    (item, *_) = head.examples(TAGGING.encode(DOCUMENTS), None, training=True)
    assert head.in_words(item["labels"]) == "part: motor"


@pytest.mark.parametrize("task", [TAGGING, JOINT], ids=["tagging", "joint"])
def test_examples_stand_before_the_question_in_the_form_of_an_answer(model: Path, tmp_path: Path, task: Task):
    classifier = build(model, task, "adapter=none", "head.shots=2", "head.shot_length=10")
    examples = task.encode(DOCUMENTS)
    classifier.fit(examples, examples, Observer(task.measure), 0)
    head: Any = classifier.head
    questions = [head] if task is TAGGING else [head.of_tags, head.of_label]
    shots = [[(shot.text, shot.answer) for shot in one.shots] for one in questions]
    cut = {"the motor ": "part: motor", "a lens": "part: lens", "light and ": "none", "the seat": "whole: the seat"}
    assert len(shots[0]) == 2 and all(cut[text] == answer for text, answer in shots[0])
    text, answer = shots[0][0]
    assert f"Text: {text}\n" in head.tokenizer.decode(questions[0].question.prefix)
    assert f"<a>{answer}<end>" in head.tokenizer.decode(questions[0].question.prefix)
    if task is JOINT:  # of the same documents
        assert [text for text, _ in shots[1]] == [text for text, _ in shots[0]]
    classifier.save(tmp_path)
    Meaning(task, Decision()).write(tmp_path)
    loaded = load_classifier(tmp_path, Silent())
    assert loaded.head.state() == head.state()  # type: ignore[attr-defined]


def test_with_a_label_each_question_is_asked_as_it_is_alone(model: Path):
    both = build(model, JOINT, "adapter=none").predict(TEXTS, Silent())
    label = build(model, SingleLabel(LABELS), "adapter=none").predict(TEXTS, Silent())
    tags = build(model, TAGGING, "adapter=none").predict(TEXTS, Silent())
    assert np.allclose(np.stack(list(both[:, 0])), label, atol=1e-6)
    assert same(both[:, 1], tags)


def test_what_does_not_go_together_is_refused_in_one_line(model: Path, tiny_model):
    with pytest.raises(RequestError, match="model=smollm2_135m: an encoder, which sees what follows"):
        build(tiny_model("bert"), TAGGING, "adapter=none")
    for overrides, line in {
        ("head.answer=list",): "head.answer=list: tags are a list, beside one label",
        ("head.answer=label",): "head.answer=label: tags are a list, beside one label",
        ("head.calibration=batch",): "head.calibration=batch: needs scores, and tags are written",
        ("loss=cross_entropy",): "loss=cross_entropy: head=instruction takes loss=answer",
        ("adapter=frozen",): "adapter=frozen: head=instruction has no weights of its own",
        ("model.attention=bidirectional",): "head=instruction writes, and needs model.attention=causal",
    }.items():
        with pytest.raises(RequestError) as refused:
            config_of(TAGGING, *overrides)
        assert any(line in one for one in refused.value.args), refused.value.args
    assert config_of(JOINT, "head.answer=label").head.answer == "label"


def test_settings_of_what_is_not_asked_change_no_key():
    def key(task: Task, *overrides: str) -> str:
        return run_key(config_of(task, *overrides), {})

    def without(task: Task, **settings: Any) -> str:
        config = config_of(task)
        return run_key(replace(config, head=replace(config.head, **settings)), {})

    wording = "head.wording.tags.cue=Go."
    assert key(TAGGING, wording) != key(TAGGING) and key(JOINT, wording) != key(JOINT)
    assert key(JOINT, "head.decoding=generate") != key(JOINT) != key(JOINT, "head.wording.label.cue=Go.")
    labels = config_of(SingleLabel(LABELS)).head.wording
    earlier = {kind: words for kind, words in labels.items() if kind != "tags"}
    assert without(SingleLabel(LABELS), wording=earlier) == without(SingleLabel(LABELS)) == key(SingleLabel(LABELS))
    assert without(SingleLabel(LABELS), tag_tokens=7) == key(SingleLabel(LABELS))
    assert without(TAGGING, wording={"tags": labels["tags"]}, decoding="generate", score="mean") == key(TAGGING)
    for idle, task in (("head.decoding=generate", TAGGING), (wording, SingleLabel(LABELS))):
        with pytest.raises(RequestError, match=f"{idle.partition('=')[0]}: has no effect"):
            config_of(task, idle)
    assert not config_of(JOINT).idle_settings
