"""Heads that ask a language model with words: what they answer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Examples, LabelSpace
from patentlab.language_models.questions import answer_tokens
from patentlab.models.heads.instruction import InstructionHead
from patentlab.models.heads.prompted import stratified
from patentlab.protocols import Silent
from patentlab.tasks import Task
from patentlab.tasks.documents import MultiLabel, SingleLabel
from patentlab.tracking.identity import input_fingerprints, run_key
from tests.characters import save_character_model
from tests.models.prompted import LABELS, SEVERAL, SINGLE, TEXTS, build, fit, head_of, log_likelihood


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_character_model(tmp_path_factory.mktemp("characters"), chat=True)


@pytest.mark.parametrize("score", ["sum", "mean"])
def test_a_label_is_as_likely_as_its_words_are(model: Path, score: str):
    classifier = build(model, SingleLabel(LABELS), "head=instruction", "adapter=none", f"head.score={score}")
    head = classifier.head
    assert isinstance(head, InstructionHead)
    found = classifier.predict(TEXTS, Silent())
    for text, row in zip(TEXTS, found, strict=True):
        prompt = [*head.question.prefix, *head.items([text])[0]["input_ids"]]
        sums = np.array([log_likelihood(model, prompt, answer) for answer in head.answers])
        scores = sums if score == "sum" else sums / [len(answer) for answer in head.answers]
        assert np.allclose(row, np.exp(scores) / np.exp(scores).sum(), atol=1e-5)


def test_the_first_of_a_list_is_followed_by_the_next_or_by_the_end(model: Path):
    """Else a label would always be likelier than one whose words begin with its own."""
    labels = LabelSpace(("a", "b"), {"a": "Image", "b": "Images"})
    classifier = build(model, MultiLabel(labels), "head=instruction", "head.answer=list", "adapter=none")
    head, tokenizer = classifier.head, AutoTokenizer.from_pretrained(model)
    assert isinstance(head, InstructionHead)
    prompt = [*head.question.prefix, *head.items(TEXTS[:1])[0]["input_ids"]]
    ends = [head.question.end, *tokenizer(";")["input_ids"]]
    chances = np.array([
        sum(np.exp(log_likelihood(model, prompt, [*tokenizer(word)["input_ids"], end])) for end in ends)
        for word in ("Image", "Images")
    ])  # fmt: skip
    found = classifier.predict(TEXTS[:1], Silent())[0]
    assert np.allclose(found, chances / chances.sum(), atol=1e-5)


def test_a_label_that_is_asked_about_by_itself_does_not_see_the_others(model: Path):
    whole = build(model, MultiLabel(LABELS), "head=instruction", "adapter=none").predict(TEXTS, Silent())
    for column, name in enumerate(LABELS.names):
        alone = LabelSpace((name,), {name: LABELS.titles[name]})
        found = build(model, MultiLabel(alone), "head=instruction", "adapter=none").predict(TEXTS, Silent())
        assert np.allclose(found[:, 0], whole[:, column], atol=1e-5)
    assert whole.std(axis=0).min() > 1e-5


def test_letters_score_as_their_logits_do(model: Path):
    classifier = build(model, SingleLabel(LABELS), "head=label_logits", "head.verbaliser=letters", "adapter=none")
    head = classifier.head
    prompt = [*head.question.prefix, *head.items(TEXTS[:1])[0]["input_ids"]]  # type: ignore[attr-defined]
    tokenizer = AutoTokenizer.from_pretrained(model)
    assert "A. Images\nB. Vision\nC. Pictures" in tokenizer.decode(prompt)
    letters = [tokenizer(one)["input_ids"] for one in "ABC"]
    scores = np.array([log_likelihood(model, prompt, letter) for letter in letters])
    assert np.allclose(classifier.predict(TEXTS[:1], Silent())[0], np.exp(scores) / np.exp(scores).sum(), atol=1e-5)


def test_a_word_that_is_usual_stands_for_a_label(model: Path):
    classifier = build(model, SingleLabel(LABELS), "head=label_logits", "adapter=none")
    head, tokenizer = classifier.head, AutoTokenizer.from_pretrained(model)
    assert head.words == ("image", "recognition", "video")
    assert list(head.tokens) == tokenizer.convert_tokens_to_ids(list("irv"))  # type: ignore[attr-defined]
    prompt = tokenizer.decode([*head.question.prefix, *head.question.middle])  # type: ignore[attr-defined]
    assert "image. Images\nrecognition. Vision\nvideo. Pictures" in prompt
    assert "Answer with the word of the subject alone." in prompt
    assert head_of(model, SingleLabel(LABELS), "head.verbaliser=word").words == head.words
    others = SingleLabel(LabelSpace(("a", "b"), {"a": "Images", "b": "Vision"}))
    assert head_of(model, others, "head.verbaliser=word").words == ("images", "vision")  # of titles


@pytest.mark.parametrize(("task", "loss"), [(MultiLabel(LABELS), "null"), (SingleLabel(LABELS), "bce")])
def test_labels_that_are_taken_by_themselves_are_held_against_all_other_tokens(model: Path, task: Task, loss: str):
    asked = ["head=label_logits", "head.verbaliser=letters"]
    classifier = build(model, task, *asked, "adapter=none", f"loss={loss}")
    head = classifier.head
    prompt = [*head.question.prefix, *head.items(TEXTS[:1])[0]["input_ids"]]  # type: ignore[attr-defined]
    tokenizer = AutoTokenizer.from_pretrained(model)
    letters = [tokenizer.convert_tokens_to_ids(one) for one in "ABC"]
    chances = np.exp([log_likelihood(model, prompt, [token]) for token in range(len(tokenizer))])
    rest = 1 - chances[letters].sum()
    assert np.allclose(
        classifier.predict(TEXTS[:1], Silent())[0], chances[letters] / (chances[letters] + rest), atol=1e-5
    )


def test_words_that_begin_alike_cannot_stand_for_labels(model: Path):
    labels = LabelSpace(("G06T", "G06V"), {"G06T": "Image data", "G06V": "Image recognition"})
    with pytest.raises(RequestError, match="'Image data' and 'Image recognition' begin with the same token"):
        build(model, SingleLabel(labels), "head=label_logits", "adapter=none", "head.verbaliser=title")


@pytest.mark.parametrize(("task", "answer"), [(SingleLabel(LABELS), "label"), (MultiLabel(LABELS), "list")])
@pytest.mark.parametrize("room", [220, 300, 512])
def test_a_document_is_cut_before_an_answer_ever_is(model: Path, task: Task, answer: str, room: int):
    head = head_of(model, task, f"head.answer={answer}", most=200, room=room)
    texts = ["#" * length for length in (0, 1, 50, 199, 200, 201, 5000)]
    targets = np.tile(SINGLE[1], (len(texts), 1))
    rows = head.examples(Examples(texts, targets, np.zeros(len(texts), dtype=np.bool_)), None, training=True)  # type: ignore[arg-type]
    for item, text in zip(rows, texts, strict=True):
        answered = answer_tokens(head.tokenizer, head.question, "Vision")
        assert item["labels"].tolist() == answered
        assert item["input_ids"][-len(answered) + 1 :] == answered[:-1]
        assert len(head.question.prefix) + len(item["input_ids"]) + 1 <= room
        shown = head.tokenizer.decode(item["input_ids"]).count("#")
        assert shown <= min(len(text), 200) and (shown >= min(len(text), 16))


def test_what_is_written_has_room_for_every_label(model: Path, monkeypatch: pytest.MonkeyPatch):
    labels = LabelSpace(("a", "b"), {"a": "Arrangements for control of indicating devices", "b": "Seats"})
    classifier = build(model, SingleLabel(labels), "head=instruction", "adapter=none", "head.decoding=generate")
    asked: list[int] = []

    def decode(model: Any, prompts: Any, pad: int, slots: int, sampling: Any, complete: Any) -> list[Any]:
        asked.append(sampling.max_new_tokens)
        return []

    monkeypatch.setattr("patentlab.language_models.decoding.decode", decode)
    classifier.predict(["x"], Silent())
    assert asked == [len(labels.titles["a"]) + 1]


def test_with_several_labels_what_is_written_is_a_list(model: Path):
    assert head_of(model, MultiLabel(LABELS), "head.decoding=generate").kind == "list"
    assert head_of(model, MultiLabel(LABELS)).kind == "yes_no"
    with pytest.raises(RequestError, match=r"head.answer=label: data.task=multi_label has several labels"):
        head_of(model, MultiLabel(LABELS), "head.answer=label")


def test_the_key_knows_what_a_table_of_words_says_and_not_where_it_lies(tmp_path: Path):
    def key(name: str, word: str) -> str:
        (tmp_path / name).write_text(f"label,answer\nA,{word}\n")
        config = compose("head=instruction", "data.task=single_label", f"head.verbaliser={tmp_path / name}")
        return run_key(config, input_fingerprints(config))

    assert key("one.csv", "x") == key("other.csv", "x") != key("one.csv", "y")


def test_a_prompt_that_leaves_no_room_is_refused(model: Path):
    with pytest.raises(RequestError, match=r"the prompt takes \d+ of the 140 tokens that the model reads"):
        head_of(model, SingleLabel(LABELS), room=140)


def test_what_an_answer_names(model: Path):
    head = head_of(model, SingleLabel(LabelSpace(("a", "b"), {"a": "Data", "b": "Data processing"})))
    assert head.parse("It is data processing.") == [1]  # the longest
    assert head.parse("DATA") == [0]
    assert head.parse("a seat") == [] and head.parse("Database") == []
    several = head_of(model, MultiLabel(LABELS), "head.answer=list")
    assert several.parse("vision; Images") == [0, 1]
    assert several.parse("visions; no images") == []
    semicolons = LabelSpace(("a", "b"), {"a": "Devices; solid state", "b": "Devices"})
    several = head_of(model, MultiLabel(semicolons), "head.answer=list")
    assert several.parse("Devices; solid state") == [0]
    assert several.parse("devices; Devices; solid state") == [0, 1]


def test_what_names_no_label_is_wrong_and_counted():
    task = SingleLabel(LABELS)
    outputs = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.float32)
    metrics = task.evaluate(SINGLE, outputs, task.choose(SINGLE, outputs))
    assert metrics["unparsable"] == 0.5 and metrics["accuracy"] == 0.25
    assert metrics["f1_micro"] == pytest.approx(2 * 1 / (2 + 4))  # one of two answers is right, of four documents
    scores = np.array([[0.9, 0.05, 0.05]] * 4, dtype=np.float32)
    assert "unparsable" not in task.evaluate(SINGLE, scores, task.choose(SINGLE, scores))
    several = MultiLabel(LABELS)
    assert several.evaluate(SEVERAL, outputs, several.choose(SEVERAL, outputs))["unparsable"] == 0.5


def test_an_answer_is_the_likeliest_tokens_parsed(model: Path):
    written = build(model, SingleLabel(LABELS), "head=instruction", "adapter=none", "head.decoding=generate")
    head = written.head
    assert isinstance(head, InstructionHead)
    language_model: Any = AutoModelForCausalLM.from_pretrained(model)
    expected = np.zeros((len(TEXTS), 3))
    for row, text in enumerate(TEXTS):
        prompt = torch.tensor([[*head.question.prefix, *head.items([text])[0]["input_ids"]]])
        answer = language_model.generate(prompt, do_sample=False, max_new_tokens=16)[0, prompt.shape[1] :]
        expected[row, head.parse(str(head.tokenizer.decode(answer, skip_special_tokens=True)))] = 1
    assert np.array_equal(written.predict(TEXTS, Silent()), expected)


def test_batch_calibration_evens_out_what_all_documents_are_given(model: Path):
    plain = build(model, SingleLabel(LABELS), "head=instruction", "adapter=none")
    calibrated = build(model, SingleLabel(LABELS), "head=instruction", "adapter=none", "head.calibration=batch")
    fit(plain, TEXTS, SINGLE)
    fit(calibrated, TEXTS, SINGLE)
    scores = plain.predict(TEXTS, Silent()).astype(float)
    expected = scores / scores.mean(axis=0)
    assert np.allclose(calibrated.predict(TEXTS, Silent()), expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_contextual_calibration_takes_off_what_texts_without_content_are_given(model: Path):
    plain = build(model, SingleLabel(LABELS), "head=instruction", "adapter=none")
    calibrated = build(model, SingleLabel(LABELS), "head=instruction", "adapter=none", "head.calibration=contextual")
    fit(calibrated, TEXTS, SINGLE)
    base = plain.predict(["N/A", "[MASK]", ""], Silent()).astype(float).mean(axis=0)
    expected = plain.predict(TEXTS, Silent()) / base
    assert np.allclose(calibrated.predict(TEXTS, Silent()), expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_shots_are_stratified_and_seeded():
    targets = np.array([[1, 0, 0]] * 10 + [[0, 1, 0]] * 5 + [[0, 0, 1]] * 2, dtype=np.int8)
    for seed in range(5):
        chosen = stratified(targets, 6, seed)
        assert len(set(chosen)) == 6 and chosen == stratified(targets, 6, seed)
        assert targets[chosen].sum(axis=0).tolist() == [2, 2, 2]
    assert {tuple(stratified(targets, 6, seed)) for seed in range(5)} != {tuple(stratified(targets, 6, 0))}
    assert len(stratified(targets, 100, 0)) == 17
