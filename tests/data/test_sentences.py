import pytest
from hypothesis import given
from hypothesis import strategies as st

from patentlab.data.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        ("no end", ["no end"]),
        ("A wheel. It turns! Does it? Yes.", ["A wheel.", "It turns!", "Does it?", "Yes."]),
        ("As FIG. 2 shows, e.g. A. Miller's No. 5 of 3.5 mm. The end.", [
            "As FIG. 2 shows, e.g. A. Miller's No. 5 of 3.5 mm.", "The end."]),
        ('She said "stop." Then (it is.) 12 turn.', ['She said "stop."', "Then (it is.)", "12 turn."]),
        ("ends with approx. five. then goes on", ["ends with approx. five. then goes on"]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_stop_is_followed_by_a_capital_or_a_digit(text: str, sentences: list[str]):
    assert split_sentences(text) == sentences


@given(st.text(alphabet="ab AB.!?\"') \n5", max_size=60))
def test_nothing_of_a_text_is_lost_but_white_space(text: str):
    found = split_sentences(text)
    assert " ".join(" ".join(found).split()) == " ".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in found)
