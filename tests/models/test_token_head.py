"""The token head: words found by offsets, the loss on words alone, frozen vectors, and runs on tagged documents."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from patentlab.classifiers.factory import load_classifier
from patentlab.classifiers.preparation import prepare
from patentlab.classifiers.saving import Meaning
from patentlab.classifiers.settings import TransformerSettings
from patentlab.classifiers.transformer import TransformerClassifier
from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.models.heads.token import TokenHead, word_places
from patentlab.protocols import Observer, Silent
from patentlab.tasks.tagging import Tagging
from patentlab.training.trainer import _Counter
from tests.conftest import Command

LABELS = LabelSpace(("part", "whole"))
DOCUMENTS = [
    Document("1", "the motor of a wheel", ("part", "whole"), tags=("O", "B-part", "O", "B-whole", "I-whole")),
    Document("2", "a lens", ("part",), tags=("O", "B-part")),
    Document("3", "light and sound", (), tags=("O", "O", "O")),
    Document("4", "the seat", ("whole",), tags=("B-whole", "I-whole")),
]
KINDS = ["bert", "llama", "gpt2", "gemma3"]


def classifier_on(folder: Path, *overrides: str) -> TransformerClassifier:
    settings = [
        "data=conll", "data.path=x", "model=smollm2_135m", f"model.path={folder}", "trainer.max_length=16",
        "trainer.epochs=2", "trainer.batch_size=2", "trainer.eval_batch_size=2", "head.dropout=0",
    ]  # fmt: skip
    config = compose(*settings, *overrides)
    return TransformerClassifier.fresh(TransformerSettings.of(config), Tagging(LABELS), 0, Silent())


def test_words_are_found_by_the_offsets_of_tokens():
    text = "ab  cde\tf g"
    offsets = [(0, 0), (0, 1), (1, 2), (3, 6), (6, 7), (8, 9), (0, 0)]  # g is cut off; one token begins with a blank
    assert word_places(text, offsets).tolist() == [1, 3, 5, -1]
    assert word_places(text, offsets, last=True).tolist() == [2, 4, 5, -1]
    assert word_places("ab cd", [(0, 5)]).tolist() == [0, 0]
    cut = [(0, 2), (3, 4), (0, 0)]  # the second word goes on, and its end was not read
    assert word_places("ab cde", cut).tolist() == [0, 1]
    assert word_places("ab cde", cut, last=True).tolist() == [0, -1]
    assert word_places("", [(0, 0)]).tolist() == []


@pytest.mark.parametrize("name", ["smollm2_135m", "minilm"])
def test_words_of_real_tokenizers_are_the_tokens_that_they_begin_with(name: str):
    from patentlab.models.encoder import EncoderConfig

    model = compose(f"model={name}", "data.size=50").model
    tokenizer = EncoderConfig(model, "mean", 64).load(Silent()).tokenizer
    head = TokenHead(compose("data=conll", "data.path=x", f"model={name}").head, Tagging(LABELS), tokenizer, 64)  # type: ignore[arg-type]
    words = ["Empire", "State", "Building's", "ESB", ".", "naïve", "Ünïcode", "@user", "https://t.co/x", "💡", "end"]
    (item,) = head.items([" ".join(words)])
    found = tokenizer.convert_ids_to_tokens([item["input_ids"][place] for place in item["words"]])
    plain = [tokenizer.convert_tokens_to_string([token]).strip().removeprefix("##") for token in found]
    for word, token in zip(words, plain, strict=True):
        assert token.lower().startswith(word[0].lower()) or not word.isascii(), (word, token)
    ends = TokenHead(replace(head.config, subword="last"), Tagging(LABELS), tokenizer, 64).items([" ".join(words)])[0]
    last = tokenizer.convert_ids_to_tokens([ends["input_ids"][place] for place in ends["words"]])
    assert tokenizer.convert_tokens_to_string([last[2]]).strip().removeprefix("##").removeprefix("'") == "s"
    assert (np.array(ends["words"]) >= np.array(item["words"])).all()


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_read_as_its_documents_alone(kind: str, side: str, tiny_model):
    classifier = classifier_on(tiny_model(kind), "adapter=frozen", f"model.padding_side={side}")
    texts = [document.text for document in DOCUMENTS]
    together = classifier.predict(texts, Silent())
    for text, rows in zip(texts, together, strict=True):
        (alone,) = classifier.predict([text], Silent())
        assert rows.shape == (len(text.split()), 5)
        assert np.allclose(rows, alone, atol=1e-5)
        assert np.allclose(rows.sum(axis=1), 1)


def test_words_that_are_cut_off_are_misses_and_are_counted(tiny_model):
    classifier = classifier_on(tiny_model("bert"), "adapter=frozen", "trainer.max_length=3")
    task = Tagging(LABELS)
    outputs = classifier.predict([DOCUMENTS[0].text, DOCUMENTS[1].text], Silent())
    assert np.isnan(outputs[0]).any(axis=1).tolist() == [False, False, False, True, True]
    assert task.decide(outputs)[0][3:] == ["O", "O"]
    found = task.evaluate(task.encode(DOCUMENTS[:2]).targets, outputs, task.choose(None, None))
    assert found["unread_words"] == pytest.approx(2 / 7)
    assert found["partly_read"] == 0.5
    given = task.predictions(DOCUMENTS[:2], outputs, task.choose(None, None))
    assert given["words"].map(list).tolist() == [document.text.split() for document in DOCUMENTS[:2]]
    assert np.isnan(given["scores"][0][3])


def test_only_words_that_are_read_are_learned_from(tiny_model):
    classifier = classifier_on(tiny_model("llama"), "adapter=frozen", "trainer.max_length=4")
    items = classifier.head.examples(Tagging(LABELS).encode(DOCUMENTS), classifier.loss, training=True)
    assert items[0]["labels"].tolist() == [0, 1, 0, 3, -100]
    batch = classifier.head.collate(items)
    logits = classifier.network(**batch)["logits"].detach().requires_grad_()
    classifier.loss(logits, batch["labels"]).backward()  # type: ignore[no-untyped-call]
    learned = logits.grad.abs().sum(dim=-1) > 0
    assert torch.equal(learned, batch["labels"] != -100)
    by_hand = -torch.log_softmax(logits.detach(), dim=-1)[learned].gather(1, batch["labels"][learned][:, None]).sum()
    assert classifier.loss(logits.detach(), batch["labels"]).item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_balanced_weights_are_those_of_words(tiny_model):
    head = classifier_on(tiny_model("bert"), "adapter=frozen", "loss=weighted_cross_entropy").head
    targets = Tagging(LABELS).encode(DOCUMENTS).targets
    loss = head.loss(compose("data=conll", "data.path=x", "loss=weighted_cross_entropy", "loss.power=1").loss, targets)
    counts = np.bincount(np.concatenate(list(targets)), minlength=5)
    expected = np.where(counts > 0, counts.sum() / (4 * np.maximum(counts, 1)), 1)
    assert counts[2] == 0
    assert np.allclose(loss.weight, expected)  # type: ignore[attr-defined]


@pytest.mark.parametrize("adapter", ["frozen", "lora", "full"])
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_every_adapter_learns_and_predicts_the_same_after_loading(kind: str, adapter: str, tiny_model, tmp_path: Path):
    targets = ["adapter.targets=[query,value]"] if kind == "bert" and adapter == "lora" else []
    classifier = classifier_on(
        tiny_model(kind), f"adapter={adapter}", *targets, "trainer.epochs=30", "trainer.learning_rate=2e-2"
    )
    task = Tagging(LABELS)
    examples = task.encode(DOCUMENTS)
    before = task.measure(examples.targets, classifier.predict(examples.texts, Silent()))
    report = classifier.fit(examples, examples, Observer(task.measure, monitor="f1_micro"), 0)
    after = classifier.predict(examples.texts, Silent())
    assert task.measure(examples.targets, after)["f1_micro"] > before["f1_micro"]
    if report.validation_outputs is not None:
        for kept, now in zip(report.validation_outputs, after, strict=True):
            assert np.allclose(kept, now, atol=1e-5)
    classifier.save(tmp_path)
    Meaning(task, task.choose(None, None)).write(tmp_path)
    again = load_classifier(tmp_path, Silent()).predict(examples.texts, Silent())
    for rows, others in zip(after, again, strict=True):
        assert np.array_equal(rows, others)


def test_frozen_vectors_are_what_the_network_gives(tiny_model):
    classifier = classifier_on(tiny_model("llama"), "adapter=frozen")
    items = classifier.head.items([document.text for document in DOCUMENTS])
    vectors = classifier.word_vectors(items, Silent())
    assert [len(rows) for rows in vectors] == [5, 2, 3, 2]
    logits = [classifier.network.head(torch.from_numpy(rows)).detach() for rows in vectors]
    outputs = classifier.predict([document.text for document in DOCUMENTS], Silent())
    for rows, own in zip(logits, outputs, strict=True):
        assert np.allclose(torch.softmax(rows, dim=1).numpy(), own, atol=1e-6)


def test_answers_name_types_and_tags():
    task = Tagging(LABELS)
    outputs = [np.array([[0.1, 0.8, 0, 0.1, 0], [0.1, 0, 0.9, 0, 0], [0.3, 0, 0, 0.7, 0], [1, 0, 0, 0, 0]])]
    (answer,) = task.answers(outputs, task.choose(None, None))
    assert answer.tags == ("B-part", "I-part", "B-whole", "O")
    assert answer.labels == ("part", "whole")
    assert answer.probabilities == {"part": 0.9, "whole": 0.7}


CONLL = ["data=conll", "data.path=x"]


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ["data=jsonl", "data.path=x", "head=token"],
            "its words have no tags; those that have are conll, demo, massive",
        ),
        (
            [*CONLL, "head=embedding", "data.task=tagging"],
            "and head=embedding gives labels of documents; set head=instruction or token",
        ),
        (
            [*CONLL, "data.task=multi_label"],
            r"asks for labels of documents, and head=token gives tags of words; set head=embedding or ",
        ),
        ([*CONLL, "mix=ensemble", "mix.real_share=0.5", "strategy=duplicate"], "mix=ensemble: averages probabilities"),
        ([*CONLL, "loss=bce"], "loss=bce: a word has one tag; set loss=cross_entropy"),
        (["data=massive", "data.path=x", "head=token", "data.mask_labels=true"], r"data.mask_labels: takes words out"),
        ([*CONLL, "mix=0.5", "strategy=eda"], "strategy=eda: writes texts without tags; for tagged words: duplicate"),
        (
            [*CONLL, "model=tfidf_linear", "data.task=tagging"],
            "and model=tfidf_linear gives labels of documents; set head=instruction or token",
        ),
    ],
)
def test_choices_that_do_not_go_with_tags(overrides: list[str], problem: str):
    with pytest.raises(RequestError, match=problem):
        compose(*overrides)


def test_slow_tokenizers_are_refused(tiny_model):
    class Slow:
        is_fast = False

    config = compose("data=conll", "data.path=x").head
    with pytest.raises(RequestError, match="head=token: needs a fast tokenizer"):
        TokenHead(config, Tagging(LABELS), Slow(), 16)  # type: ignore[arg-type]


def test_a_run_on_tagged_documents_leaves_what_every_run_leaves(tmp_path: Path, tiny_model, run_in_process: Command):
    lines = [f"{word}\t{tag}" for word, tag in zip(DOCUMENTS[0].text.split(), DOCUMENTS[0].tags, strict=True)]
    other = [f"{word}\t{tag}" for word, tag in zip(DOCUMENTS[1].text.split(), DOCUMENTS[1].tags, strict=True)]
    for name, blocks in (
        ("train", [lines, other, ["and\tO"]]),
        ("dev", [other]),
        ("test", [["a\tO", *other], lines[1:]]),
    ):
        (tmp_path / f"{name}.conll").write_text("\n\n".join("\n".join(block) for block in blocks) + "\n")
    ended = run_in_process(
        "data=conll", f"data.path={tmp_path}", f"model.path={tiny_model('llama')}", "adapter=lora", "mix=0.5",
        "strategy=duplicate", "trainer.max_length=32", "trainer.max_steps=20", "trainer.learning_rate=1e-2",
        "tracking=none", "hydra.run.dir=out",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    folder = tmp_path / "out"
    record = json.loads((folder / "result.json").read_text())
    assert record["choices"]["head"] == "token"
    assert record["main_metric"] == "f1_micro"
    assert {"f1_micro", "f1_macro", "precision_micro", "token_accuracy", "unread_words"} <= set(
        record["metrics"]["test"]
    )
    assert record["counts"]["train"] == 4  # one of the three repeats a validation document, and all stand there twice
    assert pd.read_csv(folder / "per_label.csv")["support"].tolist() == [2, 1]
    assert (folder / "per_label_f1.png").is_file()
    given = pd.read_parquet(folder / "predictions.parquet")
    assert list(given.columns) == ["id", "set", "words", "tags", "predicted", "scores"]
    assert given["tags"].map(len).tolist() == given["words"].map(len).tolist()


def test_words_that_are_not_read_count_in_no_statistic_and_in_no_loss(tiny_model):
    classifier = classifier_on(tiny_model("bert"), "adapter=frozen", "trainer.max_length=3")
    examples = Tagging(LABELS).encode(DOCUMENTS[:2])
    prepared = prepare(classifier, (examples, examples), Observer(classifier.task.measure))
    read = np.concatenate([item["features"][item["labels"] != -100] for item in prepared.items[0]])
    assert len(read) == 5
    assert np.allclose(classifier.network.head.shift.numpy(), read.mean(axis=0), atol=1e-6)  # type: ignore[operator]
    counter = _Counter(classifier.loss)
    batch = prepared.collate(prepared.items[0])
    with torch.no_grad():
        outputs = prepared.model(**batch)
        value = counter(outputs, batch["labels"])
        expected = torch.nn.functional.cross_entropy(outputs["logits"].flatten(0, 1), batch["labels"].flatten())
        assert value.item() == pytest.approx(expected.item(), rel=1e-5)
        nothing = counter(outputs, torch.full_like(batch["labels"], -100), num_items_in_batch=torch.tensor(0))
    assert nothing.item() == 0.0
