"""20 Newsgroups, on a small folder of its layout."""

from pathlib import Path

import pytest

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.data.documents import read_documents
from patentlab.data.sources import data_fingerprint, read_corpus

GROUPS = ("alt.atheism", "comp.graphics", "comp.windows.x", "talk.politics.guns")
MESSAGE = """From: ann@example.org (Ann)
Subject: {group} {number}

In article <1@x>, bob@example.org writes:
> quoted words of {group}
own words {number} about {group}

--
Ann, of the signature
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for held, count in (("train", 20), ("test", 6)):
        for group in GROUPS:
            place = tmp_path / f"20news-bydate-{held}" / group
            place.mkdir(parents=True)
            for number in range(count):
                text = MESSAGE.format(group=group, number=f"{held}{number}") + "caf\xe9"
                (place / str(50000 + number + 100 * (held == "test"))).write_text(text, encoding="latin-1")
    return tmp_path


def test_by_date_with_a_validation_set_drawn_from_training(folder: Path):
    config = compose("data=newsgroups", f"data.path={folder}", "model=tfidf_linear")
    assert (config.data.task, config.loss.name) == ("single_label", "cross_entropy")
    documents = read_documents(config)
    assert documents.corpus.labels.names == GROUPS
    assert (len(documents.split.pool), len(documents.split.validation), len(documents.split.test)) == (72, 8, 24)
    assert {document.split for document in documents.split.test} == {"test"}
    assert documents.split.counts["validation_drawn_from_train"] == 8
    assert "caf\xe9" in documents.split.test[0].text
    assert documents.split.test[0].id == "alt.atheism/50100"


def test_seven_classes_are_the_hierarchies(folder: Path):
    corpus = read_corpus(compose("data=newsgroups", f"data.path={folder}", "data.classes=7", "model=minilm").data)
    assert corpus.labels.names == ("alt", "comp", "talk")
    assert sum(document.labels == ("comp",) for document in corpus.documents) == 52


@pytest.mark.parametrize(
    ("remove", "there", "gone"),
    [
        ("[]", ["Subject:", "quoted words", "own words", "signature"], []),
        ("[headers]", ["quoted words", "own words"], ["Subject:"]),
        ("[quotes]", ["Subject:", "own words"], ["quoted words"]),
        ("[headers,footers,quotes]", ["own words"], ["Subject:", "quoted words", "signature"]),
    ],
)
def test_what_gives_a_group_away_can_be_removed(folder: Path, remove: str, there: list[str], gone: list[str]):
    config = compose("data=newsgroups", f"data.path={folder}", f"data.remove={remove}", "model=minilm")
    text = read_corpus(config.data).documents[0].text
    assert all(words in text for words in there)
    assert not any(words in text for words in gone)


def test_mistakes_are_named(folder: Path, tmp_path: Path):
    with pytest.raises(RequestError, match=r"data.remove=header: allowed are headers, footers, quotes"):
        compose("data=newsgroups", f"data.path={folder}", "data.remove=[header]", "model=minilm")
    with pytest.raises(RequestError, match=r"no messages in it; wanted are folders such as 20news-bydate-train"):
        read_corpus(compose("data=newsgroups", "data.path=/nowhere", "model=minilm").data)
    empty = folder / "20news-bydate-train" / "alt.atheism" / "50000"
    empty.write_text("From: x\n\n> only a quote\n")
    settings = ["data=newsgroups", f"data.path={folder}", "data.remove=[headers,quotes]", "model=minilm"]
    with pytest.raises(RequestError, match=r"alt.atheism/50000: no text"):
        read_corpus(compose(*settings).data)
    assert read_corpus(compose(*settings, "data.on_bad_row=skip").data).dropped["rows_skipped"] == 1


def test_bytes_and_sets_count_in_the_fingerprint(folder: Path):
    config = compose("data=newsgroups", f"data.path={folder}", "model=minilm").data
    before = data_fingerprint(config)
    assert data_fingerprint(config) == before
    (folder / "20news-bydate-test" / "alt.atheism" / "50100").write_text("other words")
    assert data_fingerprint(config) != before


def test_another_number_of_classes_is_one_line(folder: Path):
    with pytest.raises(RequestError, match=r"data\.classes=6: allowed are 7, 20"):
        compose("data=newsgroups", f"data.path={folder}", "model=tfidf_linear", "data.classes=6")
