"""Entities in words: what is written comes back, and what cannot be read is counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patentlab.config import RequestError
from patentlab.evaluation.tagging import entities
from patentlab.language_models.spans import answer_of, names_for, pieces_of, read_entities

TYPES = ("place_name", "part", "date", "per:son")
WRITTEN = dict(zip(TYPES, names_for(TYPES), strict=True))
READ = {name: kind for kind, name in WRITTEN.items()}
WORDS = ["a", "A", "b", "b;", ";", ":", "date:", "none", "part:", "o'clock", "York,", "."]


def back(words: list[str], tags: list[str]):
    return read_entities(answer_of(pieces_of(words, tags, WRITTEN)), words, READ)


@st.composite
def tagged(draw: st.DrawFn, *, apart: bool) -> tuple[list[str], list[str]]:
    """Words, few of which are different or, apart, all of them, and tags: entities of any length, side by side too."""
    length = draw(st.integers(0, 12))
    words = [draw(st.sampled_from(WORDS)) + (str(place) if apart else "") for place in range(length)]
    tags: list[str] = []
    while len(tags) < length:
        kind = draw(st.sampled_from([None, *TYPES]))
        size = draw(st.integers(1, length - len(tags)))
        tags += ["O"] * size if kind is None else [f"B-{kind}"] + [f"I-{kind}"] * (size - 1)
    return words, tags


@given(tagged(apart=True))
def test_what_is_written_comes_back(both: tuple[list[str], list[str]]):
    words, tags = both
    reading = back(words, tags)
    assert reading.tags == tags
    assert reading.pieces == len(entities(tags)) and reading.unparsable == 0 and reading.certainty == 1


@given(tagged(apart=False))
def test_where_words_are_repeated_the_same_words_come_back_in_the_same_order(both: tuple[list[str], list[str]]):
    words, tags = both

    def said(found: list[str]) -> list[tuple[str, list[str]]]:
        return [(kind, [w.replace(";", ",") for w in words[start:end]]) for start, end, kind in entities(found)]

    reading = back(words, tags)
    assert reading.unparsable == 0
    assert said(reading.tags) == said(tags)
    # and exactly those where none stands earlier, behind the entity before it
    behind, first = 0, True
    plain = [word.replace(";", ",") for word in words]
    for start, end, _ in entities(tags):
        size = end - start
        first &= all(plain[at : at + size] != plain[start:end] for at in range(behind, start))
        behind = end
    assert not first or reading.tags == tags


def test_entities_of_one_type_that_touch_stay_two():
    words, tags = ["new", "york", "new", "york"], ["B-place_name", "I-place_name"] * 2
    assert answer_of(pieces_of(words, tags, WRITTEN)) == "place name: new york; place name: new york"
    assert back(words, tags).tags == tags
    assert answer_of([]) == "none"


@pytest.mark.parametrize(
    ("answer", "tags", "pieces", "unparsable"),
    [
        ("none", "O O O O O", 0, 0),
        (" None. ", "O O O O O", 0, 0),
        ("date: this week", "O O B-date I-date O", 1, 0),
        ("date: this week;", "O O B-date I-date O", 1, 0),
        ("DATE : This WEEK", "O O B-date I-date O", 1, 0),
        ("date: 'this week'", "O O B-date I-date O", 1, 0),
        ("place name: Rome\ndate: week", "B-place_name O O B-date O", 2, 0),
        ("date: week; place name: Rome", "B-place_name O O B-date O", 2, 0),  # in another order
        ("date: week; date: week", "O O O B-date O", 2, 1),  # there is one
        ("date: this week; part: week", "O O B-date I-date O", 2, 1),  # which has a tag
        ("date: week this", "O O O O O", 1, 1),
        ("date: next week; place name: Rome", "B-place_name O O O O", 2, 1),  # not in the text
        ("food: Rome; date: week", "O O O B-date O", 2, 1),  # no type of the run
        ("date: week; none", "O O O B-date O", 2, 1),
        ("date: ; date", "O O O O O", 2, 2),
        ("Here they are:\ndate: week", "O O O B-date O", 2, 1),
        ("date week", "O O O O O", 1, 1),
        ("", "O O O O O", 1, 1),
        (" ;\n;", "O O O O O", 1, 1),
    ],
)
def test_what_cannot_be_read_is_counted(answer: str, tags: str, pieces: int, unparsable: int):
    reading = read_entities(answer, ["Rome", "is", "this", "week", "ok"], READ)
    assert (" ".join(reading.tags), reading.pieces, reading.unparsable) == (tags, pieces, unparsable)
    assert reading.certainty == 1 / (1 + unparsable)


PARTS = ["date", ":", ";", " ", "\n", "place name", "none", "\u00a0", "é", *WORDS]


@given(st.lists(st.sampled_from(PARTS), max_size=12), st.lists(st.sampled_from(WORDS), max_size=6))
def test_any_answer_gives_well_formed_tags_and_loses_no_piece(parts: list[str], words: list[str]):
    answer = "".join(parts)
    reading = read_entities(answer, words, READ)
    assert len(reading.tags) == len(words)
    assert len(entities(reading.tags)) + reading.unparsable == reading.pieces
    inside = [place for place, tag in enumerate(reading.tags) if tag.startswith("I-")]
    assert all(reading.tags[place - 1][2:] == reading.tags[place][2:] for place in inside)


def test_words_as_they_stand_come_first():
    words = ["apple", "sells", "Apple"]
    assert read_entities("part: Apple", words, READ).tags == ["O", "O", "B-part"]
    assert read_entities("part: APPLE", words, READ).tags == ["B-part", "O", "O"]


def test_types_are_written_apart():
    assert names_for(["place_name", "per:son", "creative-work"]) == ["place name", "per son", "creative-work"]
    with pytest.raises(RequestError, match="types 'a_b' and 'A b' would both be written 'A b'"):
        names_for(["a_b", "A b"])
