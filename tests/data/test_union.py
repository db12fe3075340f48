"""Several data sets in one: composed, read and split each by itself, and told apart by their names."""

import json
import shlex
from pathlib import Path

import pandas as pd
import pytest

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.console.overrides import read_arguments
from patentlab.data.documents import read_documents, read_split
from patentlab.data.sources import data_fingerprint, read_corpus
from patentlab.experiment import run_experiment
from patentlab.inference import load
from patentlab.protocols import Silent
from patentlab.tracking.identity import run_key

GROUPS = ("alt.atheism", "comp.graphics", "comp.windows.x", "talk.politics.guns")
UTTERANCES = {
    "alarm_set": "wake me at [time : {n} am]",
    "play_music": "play song {n} of [artist : anna b]",
    "general_quirky": "tell me {n} things",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 Newsgroups and MASSIVE in their layouts; a message and an utterance say the same."""
    for held, count in (("train", 20), ("test", 6)):
        for group in GROUPS:
            place = tmp_path / "news" / f"20news-bydate-{held}" / group
            place.mkdir(parents=True)
            for number in range(count):
                (place / f"{held}{number}").write_text(f"{held} words {number} about {group}", encoding="latin-1")
    (tmp_path / "news" / "20news-bydate-train" / GROUPS[0] / "said").write_text("Tell me 101 things")
    (tmp_path / "chat").mkdir()
    lines, number = [], 0
    for held, count in (("train", 60), ("dev", 12), ("test", 18)):
        for _ in range(count):
            intent = list(UTTERANCES)[number % 3]
            annotated = UTTERANCES[intent].format(n=number)
            plain = annotated.replace("[time : ", "").replace("[artist : ", "").replace("]", "")
            if held == "test" and intent == "general_quirky" and number < 90:
                annotated = plain = "tell me 101 things" if number == 74 else plain
            row = {"id": str(number), "partition": held, "scenario": intent.partition("_")[0], "intent": intent}
            lines.append(json.dumps({**row, "utt": plain, "annot_utt": annotated}))
            number += 1
    (tmp_path / "chat" / "en-US.jsonl").write_text("\n".join(lines))
    return tmp_path


def union(folder: Path, *more: str) -> list[str]:
    return [
        "data=union", "data@data.parts.news=newsgroups", f"data.parts.news.path={folder / 'news'}",
        "data@data.parts.chat=massive", f"data.parts.chat.path={folder / 'chat'}", "head=multi_task", "model=minilm",
        *more,
    ]  # fmt: skip


def test_parts_are_typed_by_their_own_options_and_asked_all_that_they_have(folder: Path):
    config = compose(*union(folder, "data.parts.chat.label=scenario"))
    assert (config.data.task, config.loss.name, config.trainer.monitor) == ("multi_task", "cross_entropy", "f1_micro")
    parts = config.data.parts  # type: ignore[attr-defined]
    assert {name: part.task for name, part in parts.items()} == {"news": "single_label", "chat": "joint"}
    assert (parts["news"].classes, parts["chat"].label) == (20, "scenario")
    assert config.choices["parts"] == "chat+news"
    assert "parts" not in compose("data=massive", "data.path=x").choices


def test_labels_types_and_ids_are_told_apart_by_their_part(folder: Path):
    config = compose(*union(folder, "data@data.parts.again=newsgroups", f"data.parts.again.path={folder / 'news'}"))
    corpus = read_corpus(config.data)
    names = [f"again/{group}" for group in GROUPS] + [f"chat/{intent}" for intent in sorted(UTTERANCES)]
    assert corpus.labels.names == (*names, *(f"news/{group}" for group in GROUPS))
    assert corpus.labels.types == ("chat/artist", "chat/time")
    assert len({document.id for document in corpus.documents}) == len(corpus.documents) == 2 * 105 + 90
    assert {document.part for document in corpus.documents} == {"again", "chat", "news"}
    assert corpus.dropped["chat_texts_as_annotated"] == 0


@pytest.mark.parametrize("method", ["given", "stratified"])
@pytest.mark.parametrize("seed", [0, 3])
def test_a_parts_split_and_regime_are_those_that_it_has_alone(folder: Path, method: str, seed: int):
    how = [f"data.parts.{name}.split.method={method}" for name in ("news", "chat")]
    both = read_documents(compose(*union(folder, *how, f"seed={seed}", "regime=1:4")))
    for part, alone in (("news", ["data=newsgroups"]), ("chat", ["data=massive", "head=joint"])):
        path = [f"data.path={folder / part}", f"data.split.method={method}", f"seed={seed}", "regime=1:4"]
        own = read_documents(compose(*alone, *path))
        for sets in (lambda d: d.split.pool, lambda d: d.split.validation, lambda d: d.split.test, lambda d: d.real):
            here = [document for document in sets(both) if document.part == part]  # type: ignore[no-untyped-call]
            there = sets(own)  # type: ignore[no-untyped-call]
            assert [document.id for document in here] == [f"{part}/{document.id}" for document in there]
            assert [document.text for document in here] == [document.text for document in there]
            assert [document.labels for document in here] == [
                tuple(f"{part}/{label}" for label in document.labels) for document in there
            ]


def test_regimes_cut_each_part_and_are_nested(folder: Path):
    small, large = (read_documents(compose(*union(folder, f"regime=1:{n}"))) for n in (8, 2))
    assert {d.id for d in small.real} < {d.id for d in large.real}
    assert sum(d.part == "chat" for d in small.real) == round(60 / 8)
    with pytest.raises(RequestError, match=r"data\.parts\.chat: regime=1:70: the pool has 60 documents"):
        read_documents(compose(*union(folder, "regime=1:70")))


def test_texts_that_another_part_learns_from_are_counted(folder: Path):
    _, split = read_split(compose(*union(folder)))
    assert split.counts["test_texts_in_training"] == 1  # "tell me 101 things"
    assert split.counts["validation_texts_in_training"] == 0
    assert split.counts["news_validation_drawn_from_train"] == 8


def test_a_union_cut_to_a_part_is_the_union_of_it(folder: Path):
    cut = compose(*union(folder, "data.only=[chat]"))
    alone = compose(
        "data=union",
        "data@data.parts.chat=massive",
        "data.parts.chat.path=elsewhere",
        "head=multi_task",
        "model=minilm",
    )
    assert list(cut.data.parts) == ["chat"]  # type: ignore[attr-defined]
    assert run_key(cut, {}) == run_key(alone, {}) != run_key(compose(*union(folder)), {})
    assert len(read_corpus(cut.data).documents) == 90
    # what is left out need not be complete
    assert compose(*[one for one in union(folder, "data.only=[chat]") if "news.path" not in one]) == cut


def test_the_order_of_parts_is_nothing_and_their_files_are(folder: Path):
    config, line = compose(*union(folder)), union(folder)
    other = compose(line[0], *line[3:5], *line[1:3], *line[5:])
    assert run_key(config, {}) == run_key(other, {})
    assert data_fingerprint(config.data) == data_fingerprint(other.data)
    before = data_fingerprint(config.data)
    (folder / "chat" / "en-US.jsonl").open("a").write("\n")
    assert data_fingerprint(config.data) != before


def test_an_option_inside_of_another_is_added_unless_an_experiment_has_one():
    assert read_arguments(["data@data.parts.a=demo"]) == ["+data@data.parts.a=demo"]
    assert read_arguments(["+data@data.parts.a=demo"]) == ["+data@data.parts.a=demo"]
    assert read_arguments(["+experiment=smoke", "data@data.parts.a=demo"]) == [
        "+experiment=smoke", "data@data.parts.a=demo"
    ]  # fmt: skip


ONE = "data=union data@data.parts.a=massive data.parts.a.path=x head=multi_task"
WRONG = {
    "data=union head=multi_task": "data.parts: names no data set; write data@data.parts.NAME=OPTION",
    "data=union head=multi_task data.parts.a.path=x": "data.parts.a: no option of data was chosen for it; write",
    "data=union data@data.parts.a=massive head=multi_task": "data.parts.a.path: must be given; write",
    f"{ONE} data.parts.a.classes=7": "data.parts.a.classes: has no effect with data=massive; it is a setting of data=n",
    f"{ONE} data.parts.a.zzz=7": "data.parts.a.zzz: no such setting; allowed are data.parts.a.name",
    f"{ONE} data.parts.a.on_bad_row=cry": "data.parts.a.on_bad_row=cry: allowed are error, skip",
    f"{ONE} data.parts.a.task=multi_label": "data.parts.a.task=multi_label: allowed are single_label, tagging, joint",
    f"{ONE} data.parts.a.mask_labels=true": "data.parts.a.mask_labels: takes words out of texts",
    f"{ONE} data.only=[b]": "data.only=b: no such part; allowed are a",
    f"{ONE} head.weights.b=2": "head.weights.b: data=union has no such part; allowed are a",
    f"{ONE} head.weights.a=0": "head.weights.a=0: must be above 0",
    f"{ONE} head.batches=odd": "head.batches=odd: allowed are proportion, even",
    f"{ONE} trainer.monitor=b_f1_micro": "allowed are f1_micro, f1_macro, a_f1_micro, a_f1_macro, a_label_f1_micro",
    f"{ONE} loss=focal": "loss=focal: a word has one tag",
    "data=union data@data.parts.A-b=demo head=multi_task": "data.parts.A-b: its name must be small letters",
    "data=union data@data.parts.a=union head=multi_task": "data.parts.a: data=union: holds other data sets",
    "data=union data@data.parts.a=demo head=joint": "and head=joint answers one; set head=multi_task",
    "data=union data@data.parts.a=demo": "and head=embedding answers one; set head=multi_task",
    "head=multi_task": "head=multi_task: is for several data sets, and data=demo is one; set data=union",
    "data.path=x data=union data@data.parts.a=demo head=multi_task": "data.path: has no effect with data=union",
    "data=union data@data.parts.a=newsgroups data.parts.a.path=x data.parts.a.task=joint head=multi_task": (
        "words of data=newsgroups have no tags; set single_label"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "message"), WRONG.items())
def test_a_wrong_request_is_told_in_one_line(request_: str, message: str):
    with pytest.raises(RequestError) as raised:
        compose(*shlex.split(request_))
    assert message in str(raised.value)
    assert len(raised.value.problems) == 1


def test_a_part_may_choose_the_epoch():
    assert compose(*shlex.split(f"{ONE} trainer.monitor=a_tag_f1_micro")).trainer.monitor == "a_tag_f1_micro"


def test_what_a_part_lacks_is_told_with_its_name(folder: Path):
    with pytest.raises(RequestError, match=r"data\.parts\.chat: data\.locale=xx: .* has no xx\.jsonl"):
        read_corpus(compose(*union(folder, "data.parts.chat.locale=xx")).data)


def test_a_run_from_files_to_answers(folder: Path, tiny_model, tmp_path: Path):
    config = compose(
        *union(folder, f"model.path={tiny_model('bert')}", "trainer.max_steps=4", "trainer.epochs=9", "tracking=none",
               "trainer.batch_size=8", "trainer.max_length=16", "regime=1:2", "mix=0.5", "strategy=duplicate",
               "head.batches=even", "trainer.monitor=chat_tag_f1_micro", "trainer.save_model=always"),
    )  # fmt: skip
    (tmp_path / "run").mkdir()
    record = run_experiment(config, tmp_path / "run", Silent())
    assert record.status == "finished"
    found = record.metrics["test"]
    assert found["f1_micro"] == pytest.approx((found["news_f1_micro"] + found["chat_f1_micro"]) / 2)
    assert record.counts["train"] == 2 * record.counts["regime"]
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert table[table["set"] == "test"]["part"].value_counts().to_dict() == {"chat": 18, "news": 24}
    right = table[(table["set"] == "test") & (table["part"] == "news")]
    share = sum(list(own) == list(given) for own, given in zip(right["labels"], right["predicted"], strict=True))
    assert share / 24 == pytest.approx(found["news_accuracy"])
    (answer,) = load(tmp_path / "run").predict(["play a song of anna"])
    assert [label.partition("/")[0] for label in answer.labels] == ["chat", "news"]
    assert len(answer.tags) == 5
