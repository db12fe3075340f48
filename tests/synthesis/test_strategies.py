import pytest

from patentlab.config import RequestError, StrategyConfig
from patentlab.corpus import Document
from patentlab.synthesis.strategies import duplicate, get_strategy

REAL = [Document("1", "one", ("a",)), Document("2", "two", ("b",))]


def test_duplicates_keep_text_and_labels_and_name_their_source():
    for document in duplicate(REAL, 20, 0):
        source = REAL[int(document.source_id or 0) - 1]
        assert (document.text, document.labels, document.origin) == (source.text, source.labels, "duplicate")


def test_a_larger_draw_begins_with_the_smaller():
    assert duplicate(REAL, 30, 5)[:10] == duplicate(REAL, 10, 5)


def test_there_must_be_something_to_draw_from():
    assert duplicate([], 0, 0) == ()
    with pytest.raises(RequestError, match="no real documents"):
        duplicate([], 1, 0)


def test_unknown_strategies_are_refused():
    with pytest.raises(RequestError, match="allowed are none, duplicate"):
        get_strategy(StrategyConfig("magic"))
