"""What stands for labels: titles, codes, tables, letters, and words of titles that begin with tokens of their own."""

import re
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from patentlab.config import RequestError
from patentlab.corpus import LabelSpace
from patentlab.language_models.questions import answer_tokens, compose_question
from patentlab.language_models.verbalisers import single_tokens, telling_words, usual_words, words_for
from tests.language_models.test_questions import LABELS


def test_words_for_labels():
    assert words_for(LABELS, "code") == ["G06T", "G06V", "H04N"]
    assert words_for(LABELS, "title")[2] == "Pictorial communication"  # in capitals a title is several times as long
    assert words_for(LABELS, "short") == ["Image data processing", "Image recognition", "Pictorial communication"]


def test_short_names_that_would_be_equal_stay_whole():
    labels = LabelSpace(("a", "b", "c"), {"a": "Seats, for cars", "b": "Seats; for trains", "c": "Wheels, in general"})
    assert words_for(labels, "short") == ["Seats, for cars", "Seats; for trains", "Wheels"]

    labels = LabelSpace(("a", "b"), {"a": "Optics, of lenses", "b": "OPTICS; OF MIRRORS"})
    assert words_for(labels, "short") == ["Optics, of lenses", "Optics; of mirrors"]


def test_equal_titles_cannot_stand_for_two_labels():
    labels = LabelSpace(("a", "b"), {"a": "Seats", "b": "Seats"})
    with pytest.raises(RequestError, match="a and b would both be answered by 'Seats'"):
        words_for(labels, "title")


def test_words_come_from_a_table(tmp_path: Path):
    table = tmp_path / "words.csv"
    table.write_text("label,answer\nG06T,graphics\nH04N,television\nG06V,vision\n")
    assert words_for(LABELS, str(table)) == ["graphics", "vision", "television"]
    table.write_text("label,answer\nG06T,graphics\n")
    with pytest.raises(RequestError, match="has no answer for G06V, H04N"):
        words_for(LABELS, str(table))
    table.write_text("code,answer\nG06T,graphics\n")
    with pytest.raises(RequestError, match="must have the columns label and answer"):
        words_for(LABELS, str(table))
    with pytest.raises(RequestError, match="no such file; allowed are title, short, code"):
        words_for(LABELS, "titel")


def test_letters_are_single_tokens_and_different(plain: PreTrainedTokenizerBase, chat: PreTrainedTokenizerBase):
    question = compose_question(chat, "Choose.", "{text}", "")
    found = single_tokens(chat, question, 30)
    assert found[:2] == ["A", "B"] and found[26] == "a"
    tokens = [answer_tokens(chat, question, letters, ended=False) for letters in found]
    assert all(len(one) == 1 for one in tokens) and len({one[0] for one in tokens}) == 30
    with pytest.raises(RequestError, match=r"the tokenizer has 52 letters .*, for 60 labels"):
        single_tokens(chat, question, 60)
    # a tokenizer of characters makes two tokens of a space and a letter
    with pytest.raises(RequestError, match="the tokenizer has 0 letters"):
        single_tokens(plain, compose_question(plain, "Choose.", "{text}", "Answer:"), 3)


def test_answers_that_differ_in_capitals_alone_cannot_stand_for_two_labels(tmp_path: Path):
    table = tmp_path / "words.csv"
    table.write_text("label,answer\nG06T,image\nG06V,Image\nH04N,television\n")
    with pytest.raises(RequestError, match="G06T and G06V would both be answered by 'Image'"):
        words_for(LABELS, str(table))


def test_the_words_that_tell_titles_apart(chat: PreTrainedTokenizerBase):
    """A token a character: no two words may begin with the same letter."""
    question = compose_question(chat, "Choose.", "{text}", "")

    def chosen(*titles: str) -> list[str]:
        found = telling_words(chat, question, titles)
        assert len({answer_tokens(chat, question, word, ended=False)[0] for word in found}) == len(titles)
        return found

    assert chosen("Image data", "Video signals", "The WHEELS of cars") == ["image", "video", "wheels"]
    assert chosen("image data", "image recognition") == ["data", "recognition"]  # of this title alone
    assert chosen("image data", "image data recognition") == ["image", "recognition"]  # or of both, where need be
    assert chosen("wheels", "wooden tents", "boats") == ["wheels", "tents", "boats"]
    assert chosen("wheels and boats", "wooden toys", "brakes") == ["wheels", "toys", "brakes"]  # not the earliest each
    assert chosen("Methods of dyeing", "Systems; 3 tents", "Means for wheels") == ["dyeing", "tents", "wheels"]
    usual = [["cars", "tents"], [], ["trams", "boats"]]  # rather than what stands in titles, and no two begin alike
    assert telling_words(chat, question, ["image data", "video signals", "image data"], usual) == [
        "cars", "video", "trams",
    ]  # fmt: skip
    assert telling_words(chat, question, ["cats", "cows"], [["cats", "goats"], ["cows"]]) == ["goats", "cows"]
    for titles in (["wheels", "waggons"], ["the of", "wheels"], ["2", "3"]):
        with pytest.raises(RequestError, match=r"head\.verbaliser=word: no word of .* set head\.verbaliser=letters"):
            chosen(*titles)


def test_usual_words_are_those_of_subclasses():
    words = usual_words()
    assert words["G06F"] == ("computing", "computer")
    for label, own in words.items():
        assert re.fullmatch("[A-HY][0-9]{2}[A-Z]", label), label
        assert own and all(re.fullmatch("[a-z]+", word) for word in own), label
