"""Tagged words: schemes, CoNLL files, MASSIVE's annotation, and what broken ones get."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Corpus, fingerprint, restrict_types
from patentlab.data.documents import read_documents
from patentlab.data.sources import data_fingerprint, read_corpus
from patentlab.data.tags import tagged_words, to_iob2, without_annotation
from patentlab.evaluation.tagging import entities

IOB2 = ["B-x", "B-x", "I-x", "O", "B-y", "I-y", "I-y", "B-x", "O"]
SCHEMES = {
    "iob2": " ".join(IOB2),
    "iob1": "I-x B-x I-x O I-y I-y I-y I-x O",
    "bioes": "S-x B-x E-x O B-y I-y E-y S-x O",
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_becomes_iob2(scheme: str):
    assert to_iob2(SCHEMES[scheme].split(), scheme) == IOB2


def test_other_letters_for_the_same_places():
    assert to_iob2(["U-x", "B-x", "L-x", "O", "B-y", "I-y", "L-y", "U-x", "O"], "bioes") == IOB2  # BILOU
    assert to_iob2(["W-x", "B-x", "E-x", "O", "B-y", "M-y", "E-y", "W-x", "O"], "bioes") == IOB2  # BMEWO


@pytest.mark.parametrize(
    ("scheme", "tags", "position", "problem"),
    [
        ("iob2", "O I-x", 1, "I-x without its B-x"),
        ("iob2", "B-x I-y", 1, "I-y without its B-y"),
        ("iob2", "B-x X-y", 1, "'X-y' is no tag of iob2"),
        ("iob2", "B-", 0, "'B-' is no tag"),
        ("iob2", "x", 0, "'x' is no tag"),
        ("iob1", "S-x", 0, "'S-x' is no tag of iob1"),
        ("bioes", "B-x O", 0, "B-x is not ended by E-x"),
        ("bioes", "O B-x I-x", 2, "I-x is not ended by E-x"),
        ("bioes", "S-x E-x", 1, "E-x without its B-x"),
    ],
)
def test_what_is_no_tag_or_stands_where_none_may(scheme: str, tags: str, position: int, problem: str):
    with pytest.raises(ValueError, match=problem) as raised:
        to_iob2(tags.split(), scheme)
    assert raised.value.args[1] == position


def spans_to_tags(spans: list[tuple[int, str]], scheme: str) -> list[str]:
    """Runs of words (how many, type or none) as tags of a scheme."""
    tags: list[str] = []
    before = ""
    for length, kind in spans:
        if not kind:
            tags += ["O"] * length
        elif scheme == "bioes":
            tags += [f"S-{kind}"] if length == 1 else [f"B-{kind}", *[f"I-{kind}"] * (length - 2), f"E-{kind}"]
        else:
            first = "B" if scheme == "iob2" or before == kind else "I"
            tags += [f"{first}-{kind}", *[f"I-{kind}"] * (length - 1)]
        before = kind
    return tags


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "a", "b-c"])), max_size=8))
def test_all_schemes_say_the_same(spans: list[tuple[int, str]]):
    expected, at = [], 0
    for length, kind in spans:
        expected += [(at, at + length, kind)] if kind else []
        at += length
    for scheme in SCHEMES:
        assert entities(to_iob2(spans_to_tags(spans, scheme), scheme)) == expected


def write_conll(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.conll").write_text(text, encoding="utf-8")
    return folder


TRAIN = "-DOCSTART-\tO\n\nAnn\tB-person\nlives\tO\n \t \nin\tO\nNew\tB-place\nYork\tI-place\n\nnothing\tO\nhere\tO\n"
TEST = "Bob\tB-person\n\nParis\tB-place\n"


def corpus_of(*overrides: str) -> Corpus:
    return read_corpus(compose("data=conll", *overrides).data)


def test_documents_are_words_with_tags(tmp_path: Path):
    write_conll(tmp_path, train=TRAIN, test=TEST)
    corpus = corpus_of(f"data.path={tmp_path}")
    assert [document.text for document in corpus.documents] == [
        "Ann lives",
        "in New York",
        "nothing here",
        "Bob",
        "Paris",
    ]
    assert [document.tags for document in corpus.documents][1] == ("O", "B-place", "I-place")
    assert [document.labels for document in corpus.documents] == [("person",), ("place",), (), ("person",), ("place",)]
    assert [document.split for document in corpus.documents] == ["train"] * 3 + ["test"] * 2
    assert corpus.documents[1].id == "train.conll:6"
    assert corpus.labels.names == ("person", "place")
    assert corpus.dropped["documents_without_type"] == 1


def test_columns_between_white_space_and_one_file(tmp_path: Path):
    path = tmp_path / "all.txt"
    path.write_text("# id 1\nAnn NNP x I-PER\nSmith NNP x I-PER\n\nAcme NNP x I-ORG\nLtd NNP x B-ORG\n\nBye UH x O\n")
    settings = ["data.columns=[form,pos,chunk,ner]", "data.words=form", "data.tags=ner", "data.scheme=iob1"]
    corpus = corpus_of(f"data.path={path}", *settings, "data.comment='# '", "data.split.method=stratified")
    assert [document.tags for document in corpus.documents] == [("B-PER", "I-PER"), ("B-ORG", "B-ORG"), ("O",)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "Ann\tB-person\nlives\n",
            r"train.conll:2: 1 columns with white space between, not the 2 of data.columns=word,tag",
        ),
        ("Ann\tB-person\tO\n", r"train.conll:1: 3 columns with tabs between"),
        ("\nAnn\tO\nSmith\tI-person\n", r"train.conll:3: I-person without its B-person \(data.scheme=iob2\)"),
        ("Ann\tperson\n", r"train.conll:1: 'person' is no tag of iob2"),
        ("\tB-person\n", r"train.conll:1: no word"),
        ("New York\tB-place\n", r"train.conll:1: white space inside the word 'New York'"),
    ],
)
def test_a_broken_line_is_named_or_its_document_left_out_and_counted(tmp_path: Path, text: str, problem: str):
    write_conll(tmp_path, train=f"{text}\n{TRAIN.partition('-DOCSTART-')[2].lstrip()[2:]}", test=TEST)
    with pytest.raises(RequestError, match=problem):
        corpus_of(f"data.path={tmp_path}")
    corpus = corpus_of(f"data.path={tmp_path}", "data.on_bad_row=skip")
    assert (len(corpus.documents), corpus.dropped["rows_skipped"]) == (5, 1)


def test_a_folder_without_files_and_a_set_that_is_there_twice(tmp_path: Path):
    with pytest.raises(RequestError, match=r"no folder with train.conll, dev.conll and test.conll"):
        corpus_of(f"data.path={tmp_path}")
    write_conll(tmp_path, dev=TRAIN, valid=TRAIN)
    with pytest.raises(RequestError, match=r"dev.conll and valid.conll both hold the validation set"):
        corpus_of(f"data.path={tmp_path}")


def test_a_column_that_is_not_named(tmp_path: Path):
    with pytest.raises(RequestError, match=r"data.tags=ner: must be one of data.columns=word,tag"):
        compose("data=conll", f"data.path={tmp_path}", "data.tags=ner")


def test_rare_types_become_nothing_and_no_document_is_lost(tmp_path: Path):
    write_conll(tmp_path, train=TRAIN, test=f"{TEST}\nIBM\tB-firm\nin\tO\nRome\tB-place\n")
    corpus = corpus_of(f"data.path={tmp_path}", "data.min_count=2")
    assert corpus.labels.names == ("person", "place")
    assert corpus.documents[-1].tags == ("O", "O", "B-place")
    assert corpus.documents[-1].labels == ("place",)
    assert len(corpus.documents) == 6
    assert corpus.dropped["labels_dropped"] == 1


def test_tags_count_in_fingerprints_and_documents_without_have_theirs(tmp_path: Path):
    write_conll(tmp_path, train=TRAIN, test=TEST)
    documents = corpus_of(f"data.path={tmp_path}").documents
    assert fingerprint(documents) != fingerprint(restrict_types(documents, keep=["place", "person"][:1]).documents)
    config = compose("data=conll", f"data.path={tmp_path}").data
    before = data_fingerprint(config)
    (tmp_path / "test.conll").rename(tmp_path / "dev.conll")
    assert data_fingerprint(config) != before


def test_wnut_by_its_own_sets_and_nested_stratified_regimes(shared_data: Path):
    settings = ["data=conll", f"data.path={shared_data / 'wnut17'}"]
    documents = read_documents(compose(*settings, "regime=1:10"))
    split = documents.split
    assert (len(split.validation), len(split.test)) == (1009, 1287)
    assert len(split.pool) == 3394
    assert (split.counts["same_text"], split.counts["duplicates_removed"]) == (114, 0)  # repeats stay within their sets
    smaller = read_documents(compose(*settings, "regime=1:100"))
    assert {d.id for d in smaller.real} <= {d.id for d in documents.real}
    whole, part = (Counter(label for d in held for label in d.labels or ("",)) for held in (split.pool, documents.real))
    assert set(part) == set(whole)
    for label, count in whole.items():
        assert abs(part[label] - count / 10) <= 5, label


@pytest.mark.parametrize(
    ("annotated", "words", "tags"),
    [
        ("wake me [time : at nine am] [date : today]", "wake me at nine am today", "O O B-time I-time I-time B-date"),
        ("play [artist : u2]'s song", "play u2's song", "O B-artist O"),
        ("[a : x][b : y] z", "xy z", "B-a O"),
        ("nothing here", "nothing here", "O O"),
    ],
)
def test_slots_are_tags(annotated: str, words: str, tags: str):
    assert tagged_words(annotated) == (words.split(), tags.split())
    assert without_annotation(annotated) == words


@pytest.mark.parametrize(
    "annotated", ["play [artist : u2", "play u2]", "play [artist] now", "play [ : u2]", "[a : ] x"]
)
def test_annotations_that_do_not_close_or_say_nothing(annotated: str):
    with pytest.raises(ValueError, match=r"a bracket that is no slot|a slot without name or words"):
        tagged_words(annotated)


def test_massive_follows_the_head(shared_data: Path):
    settings = ["data=massive", f"data.path={shared_data / 'massive'}"]
    intents = compose(*settings, "model=minilm")
    assert (intents.data.task, intents.loss.name) == ("single_label", "cross_entropy")
    slots = compose(*settings, "model=minilm", "head=token")
    assert (slots.data.task, slots.loss.name) == ("tagging", "cross_entropy")
    of_intents, of_slots = read_documents(intents), read_documents(slots)
    assert len(of_intents.corpus.labels) == 81
    assert of_intents.corpus.dropped["texts_as_annotated"] == 16
    assert "timeofday" in of_slots.corpus.labels.names
    assert [d.text for d in of_intents.split.test] == [d.text for d in of_slots.split.test]
    assert all(len(d.tags) == len(d.text.split()) for d in of_slots.corpus.documents)
    assert compose(*settings, "model=tfidf_linear", "loss=null").data.task == "single_label"


def test_massive_from_a_folder_of_locales(tmp_path: Path):
    line = '{"id": "1", "partition": "dev", "intent": "a", "scenario": "s", "utt": "hi", "annot_utt": "hi"}\n'
    (tmp_path / "de-DE.jsonl").write_text(line)
    with pytest.raises(RequestError, match=r"data.locale=en-US: .* has no en-US.jsonl; locales in it: de-DE"):
        read_corpus(compose("data=massive", f"data.path={tmp_path}").data)
    lines = [
        json.dumps({"id": str(n), "partition": "dev", "intent": str(n % 2), "utt": "hi", "annot_utt": text}) + "\n"
        for n, text in enumerate(["hi", "Hi", "ho"])
    ]
    (tmp_path / "de-DE.jsonl").write_text("".join(lines))
    corpus = read_corpus(compose("data=massive", f"data.path={tmp_path}", "data.locale=de-DE").data)
    assert [document.text for document in corpus.documents] == ["hi", "hi", "ho"]
    assert corpus.dropped["texts_as_annotated"] == 1
    (tmp_path / "de-DE.jsonl").write_text("".join(lines).replace('"annot_utt": "ho"', '"annot_utt": "[a : ho"'))
    with pytest.raises(RequestError, match=r"de-DE.jsonl:3: annot_utt has a bracket that is no slot"):
        read_corpus(compose("data=massive", f"data.path={tmp_path}", "data.locale=de-DE").data)


def test_the_demonstration_has_tags_where_they_are_asked_for():
    labelled = read_corpus(compose("data.size=50").data)
    corpus = read_corpus(compose("data.size=50", "head=token", "loss=null").data)
    assert corpus.labels.names[:2] == ("cognition", "communication")
    assert len(corpus.labels) == 8
    assert [document.text for document in corpus.documents] == [document.text for document in labelled.documents]
    assert all(len(document.tags) == len(document.text.split()) for document in corpus.documents)
    first = corpus.documents[0]
    assert [word for word, tag in zip(first.text.split(), first.tags, strict=True) if tag != "O"] == [
        "battery", "prosthetic", "socket."
    ]  # fmt: skip
    assert not any(document.tags for document in labelled.documents)


def test_what_cannot_be_had_of_tags_is_said(tmp_path: Path):
    with pytest.raises(RequestError, match=r"data.text=\[\{title\}\] \{abstract\}: must have no brackets"):
        read_corpus(compose("data.size=5", "head=token", "loss=null", "data.text='[{title}] {abstract}'").data)
    write_conll(tmp_path, train="a\tO\n\nb\tO\n", test="c\tO\n")
    with pytest.raises(RequestError, match="no labels are left; 3 documents had none"):
        corpus_of(f"data.path={tmp_path}")
    write_conll(tmp_path, train=TRAIN, test=TEST)
    one = corpus_of(f"data.path={tmp_path}", "data.keep_labels=[person]")
    assert one.labels.names == ("person",)


def test_documents_without_entities_are_drawn_like_those_of_a_label(tmp_path: Path):
    from patentlab.synthesis.strategies.resampling import oversample

    write_conll(tmp_path, train=TRAIN, test=TEST)
    documents = corpus_of(f"data.path={tmp_path}").documents
    drawn = Counter(document.labels for document in oversample(documents, 300, 0))
    assert set(drawn) == {("person",), ("place",), ()}
    assert all(70 <= count <= 130 for count in drawn.values())
