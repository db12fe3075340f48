"""What passes the screening, and that real patents would."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace, derive_seed
from patentlab.data.masking import mask_names, mask_text, name_overlap, singular
from patentlab.data.sources import read_corpus
from patentlab.data.splits import split_corpus
from patentlab.synthesis.generators import Answer
from patentlab.synthesis.generators.transformers import loops
from patentlab.synthesis.prompts import Request, show, write
from patentlab.synthesis.screening import Screen, label_mentions, parse, repetition, word_bounds

SPACE = LabelSpace(("A61F", "G06T"), {"A61F": "Prostheses; stents", "G06T": "Image data processing, in general"})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Title: A wheel\nAbstract: It turns.", ("A wheel", "It turns.")),
        ("Sure! Here is a patent:\n\n**Title:** A wheel\n\n**Abstract:** It turns.", ("A wheel", "It turns.")),
        ("Title: A wheel\nClaim: 1. A wheel,\n comprising a hub.", ("A wheel", "1. A wheel, comprising a hub.")),
        ("Title: A wheel\nAbstract: It turns.\n\nNote: this is fiction.", ("A wheel", "It turns.")),
        ("Title: A wheel\nAbstract: It turns.\nTitle: A seat\nAbstract: Soft.", ("A wheel", "It turns.")),
        ("```\nTitle: A wheel\nAbstract: It turns.\n```", ("A wheel", "It turns.")),
        ("<think>Title: Draft\nAbstract: No.</think>\nTitle: A wheel\nAbstract: It turns.", ("A wheel", "It turns.")),
        ("<think>Title: Draft\nAbstract: It was cut o", "unfinished"),
        ("As an AI language model, I cannot write patents.", "refusal"),
        ("Title: A wheel", "not_parsed"),
        ("Title:\nAbstract:", "empty"),
        ("Title: \nAbstract: It turns.", "not_parsed"),
    ],
)
def test_title_and_body_without_what_a_model_says_around_them(answer: str, expected: object):
    assert parse(answer) == expected


def test_an_answer_that_was_cut_ends_with_its_last_whole_sentence():
    assert parse("Title: T\nAbstract: It turns. It also sto", complete=False) == ("T", "It turns.")
    assert parse("Title: T\nAbstract: It turns and", complete=False) == "unfinished"


@given(st.text(max_size=300))
def test_no_answer_breaks_the_parser(text: str):
    parsed = parse(text)
    assert isinstance(parsed, str | tuple)


def test_names_are_counted_whole_or_up_to_a_comma():
    assert label_mentions("This is image data processing.", ("G06T", "A61F"), SPACE) == ("G06T",)
    assert label_mentions("Stents and prostheses.", ("A61F",), SPACE) == ("A61F",)
    assert label_mentions("The image of data.", ("G06T",), SPACE) == ()


def test_masked_texts_name_no_label():
    config = compose("data.size=60", "data.split.validation=10", "data.split.test=10")
    corpus = read_corpus(config.data)
    masked = mask_names(corpus)
    before, after = (
        [name_overlap(d, label, corpus.labels) or 0.0 for d in held.documents for label in d.labels]
        for held in (corpus, masked)
    )
    assert sum(before) > 10
    assert sum(after) == 0
    assert masked.documents[0].text.startswith(masked.documents[0].title or "")


@pytest.mark.parametrize(
    ("plural", "word"),
    [("batteries", "battery"), ("processes", "process"), ("wheels", "wheel"), ("lenses", "lense"), ("glass", "glass"),
     ("boxes", "box"), ("apparatus", "apparatus"), ("ties", "tie"), ("switches", "switch")],
)  # fmt: skip
def test_plurals_count_as_their_words(plural: str, word: str):
    assert singular(plural) == word
    assert singular(word) == word


def test_plurals_of_names_are_masked_too():
    space = LabelSpace(("H01M",), {"H01M": "PROCESSES, e.g. BATTERIES"})
    assert mask_text("A process for a battery, batteries, processes.", space) == "A … for a …, …, …."
    assert name_overlap(Document("1", "a battery", ("H01M",)), "H01M", space) == 0.5


def test_runs_that_repeat_are_loops():
    assert loops([1, 2, 3] * 30)
    assert not loops(list(range(90)))
    assert not loops([1, 2, 3] * 10)  # too short to tell
    assert repetition("one two three four " * 10) > 0.8
    assert repetition("one two") == 0


@pytest.mark.integration
def test_real_patents_pass_but_for_those_that_are_copies(patentsview: Path):
    config = compose("data=patentsview", f"data.path={patentsview}", "mix=0.5")
    corpus = read_corpus(config.data)
    split = split_corpus(corpus, config.data.split, derive_seed(0, "split"))
    sets = {"train": split.pool[400:500], "validation": split.validation, "test": split.test}
    settings = config.strategy.screening
    assert settings is not None
    screen = Screen(settings, corpus.labels, sets, "label_conditioned", 0)

    def judge(document: Document, number: int) -> str | None:
        request = write(number, document.labels, "patent_abstract", (), corpus.labels, "title", titled=True)
        return screen.judge(request, Answer(show(document, "Abstract"))).reason

    unseen = [judge(document, number) for number, document in enumerate(split.pool[:200])]
    others = [reason for reason in unseen if reason and not reason.startswith("copies")]
    assert len(others) <= 6, others
    assert unseen.count(None) >= 170
    assert {judge(document, 999) for document in split.test[:30]} == {"copies_test"}
    assert {judge(document, 999) for document in split.validation[:30]} == {"copies_validation"}
    # some are as near to a validation document as the screening allows no synthetic one to be
    found = {judge(document, 999) for document in sets["train"][:30]}
    assert "copies_train" in found
    assert found <= {"copies_train", "copies_validation", "copies_test", "too_short", "loop"}


def test_an_example_that_is_copied_word_for_word_is_caught():
    from tests.synthesis.scripted_server import document

    text = document(1).split("Abstract: ")[1]
    real = [Document("r1", text, ("A61F",))]
    settings = compose("mix=0.5").strategy.screening
    assert settings is not None
    screen = Screen(settings, SPACE, {"train": real}, "label_conditioned", 0)
    request = Request(0, ("A61F",), "patent_abstract", (), "", "Abstract:", ("r1",))
    other = document(2).split("Abstract: ")[1]
    half = " ".join([*text.split()[:35], *other.split()[35:]])
    assert screen.judge(request, Answer(f"Abstract: {half}")).reason == "copies_example"
    assert screen.judge(request, Answer(f"Abstract: {other}")).reason is None


def test_bounds_follow_the_real_documents_where_none_are_given():
    def of(lengths: list[int], *overrides: str) -> tuple[int, int]:
        settings = compose("mix=0.5", *overrides).strategy.screening
        assert settings is not None
        return word_bounds(
            settings, [Document(str(n), "word " * length, ("A61F",)) for n, length in enumerate(lengths)]
        )

    assert of([20] * 10) == (10, 400)
    assert of([100, 200, 300]) == (30, 580)  # 95% lie below 290
    assert of([1]) == (1, 400)
    assert of([20] * 10, "strategy.screening.min_words=15", "strategy.screening.max_words=200") == (15, 200)
