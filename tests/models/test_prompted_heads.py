"""Heads that ask a language model with words, on a tiny model whose tokens are characters."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from patentlab.classifiers.factory import load_classifier
from patentlab.classifiers.settings import TransformerSettings
from patentlab.classifiers.transformer import TransformerClassifier
from patentlab.config import InstructionHeadConfig, RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Examples, LabelSpace
from patentlab.language_models.questions import answer_tokens
from patentlab.models.heads import label_logits
from patentlab.models.heads.instruction import InstructionHead
from patentlab.models.heads.prompted import stratified
from patentlab.protocols import Observer, Silent
from patentlab.tasks import Task
from patentlab.tasks.documents import MultiLabel, SingleLabel
from patentlab.tracking.identity import input_fingerprints, run_key
from tests.characters import save_character_model

LABELS = LabelSpace(("G06T", "G06V", "H04N"), {"G06T": "Images", "G06V": "Vision", "H04N": "Pictures"})
TEXTS = ["graphics", "a camera that sees", "tv", ""]
SINGLE = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=np.int8)
SEVERAL = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=np.int8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_character_model(tmp_path_factory.mktemp("characters"), chat=True)


def build(model: Path, task: Task, *overrides: str, seed: int = 0) -> TransformerClassifier:
    config = compose(
        "model=smollm2_135m", f"model.path={model}", f"data.task={task.name}", "trainer.max_length=64", *overrides
    )
    return TransformerClassifier.fresh(TransformerSettings.of(config), task, seed, Silent())


def head_of(model: Path, task: Task, *overrides: str, most: int = 64, room: int = 512) -> InstructionHead:
    config = compose("head=instruction", f"data.task={task.name}", *overrides).head
    assert isinstance(config, InstructionHeadConfig)
    tokenizer = AutoTokenizer.from_pretrained(model, model_max_length=room)
    return InstructionHead(config, task, tokenizer, most)


def log_likelihood(model: Path, prompt: list[int], answer: list[int]) -> float:
    """The definition, without padding, cache or mask."""
    language_model = AutoModelForCausalLM.from_pretrained(model)
    with torch.no_grad():
        logits = language_model(torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(dim=-1)
    return float(sum(logits[len(prompt) - 1 + place, token] for place, token in enumerate(answer)))


def fit(classifier: TransformerClassifier, texts: list[str], targets: np.ndarray) -> dict[str, float]:
    examples = Examples(texts, targets, np.zeros(len(texts), dtype=np.bool_))
    report = classifier.fit(examples, examples, Observer(classifier.task.measure), 0)
    assert report.chosen["answers"].split("; ") == list(classifier.head.words)
    return classifier.task.measure(targets, classifier.predict(texts, Silent()))


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


def test_a_word_of_its_title_stands_for_a_label(model: Path):
    classifier = build(model, SingleLabel(LABELS), "head=label_logits", "adapter=none")
    head, tokenizer = classifier.head, AutoTokenizer.from_pretrained(model)
    assert head.words == ("images", "vision", "pictures")
    assert list(head.tokens) == tokenizer.convert_tokens_to_ids(list("ivp"))  # type: ignore[attr-defined]
    prompt = tokenizer.decode([*head.question.prefix, *head.question.middle])  # type: ignore[attr-defined]
    assert "images. Images\nvision. Vision\npictures. Pictures" in prompt
    assert "Answer with the word of the subject alone." in prompt


def test_with_several_labels_letters_are_held_against_all_other_tokens(model: Path):
    classifier = build(model, MultiLabel(LABELS), "head=label_logits", "head.verbaliser=letters", "adapter=none")
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


@pytest.mark.parametrize(("task", "answer"), [(SingleLabel(LABELS), "label"), (MultiLabel(LABELS), "list")])
@pytest.mark.parametrize("room", [220, 300, 512])
def test_a_document_is_cut_before_an_answer_ever_is(model: Path, task: Task, answer: str, room: int):
    head = head_of(model, task, f"head.answer={answer}", "head.max_new_tokens=30", most=200, room=room)
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


def test_lists_are_learned_whole_and_end(model: Path):
    head = head_of(model, MultiLabel(LABELS), "head.answer=list")
    both = Examples(["a", "b"], np.array([[1, 1, 1], [0, 1, 0]], dtype=np.int8), np.zeros(2, dtype=np.bool_))
    head.prepare(both, 0)
    items = head.examples(both, None, training=True)  # type: ignore[arg-type]
    assert [head.tokenizer.decode(item["labels"]) for item in items] == ["Images; Vision; Pictures<end>", "Vision<end>"]
    # where there is no room for all of them, as many as there is room for
    head.longest_list = len("Images; Vision<end>") - 4
    items = head.examples(both, None, training=True)  # type: ignore[arg-type]
    assert head.tokenizer.decode(items[0]["labels"]) == "Images; Vision<end>"


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
    monkeypatch.setattr(label_logits, "telling_words", lambda *_: ["x", "y", "z"])
    assert np.array_equal(load_classifier(tmp_path, Silent()).predict(TEXTS, Silent()), expected)


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
