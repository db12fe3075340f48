from collections import Counter

import pytest

from patentlab.config import RequestError
from patentlab.corpus import Document
from patentlab.synthesis.strategies.resampling import duplicate, oversample

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


def test_oversampling_gives_every_label_the_same_chance():
    documents = tuple(Document(str(i), "", ("rare",) if i == 0 else ("common",)) for i in range(50))
    drawn = oversample(documents, 4000, 3)
    rare = sum(document.labels == ("rare",) for document in drawn)
    # four standard deviations of a binomial count; imbalanced-learn's oversampler also ends at equal counts
    assert abs(rare - 2000) < 4 * 4000**0.5 / 2
    assert {document.source_id for document in drawn} == {document.id for document in documents}
    assert drawn[:100] == oversample(documents, 100, 3)
    assert len({document.id for document in drawn}) == 4000
    assert {document.origin for document in drawn} == {"oversample"}


def test_oversampling_of_several_labels_draws_each_documents_whole_set():
    documents = (Document("a", "", ("x", "y")), Document("b", "", ("x",)), Document("c", "", ("x",)))
    counts = Counter(document.source_id for document in oversample(documents, 3000, 0))
    # y is a's alone; of x each holds a third
    assert counts["a"] / 3000 == pytest.approx(2 / 3, abs=0.04)
    assert counts["b"] / 3000 == pytest.approx(1 / 6, abs=0.04)


@pytest.mark.parametrize("strategy", [duplicate, oversample])
def test_nothing_can_be_drawn_from_nothing(strategy):
    with pytest.raises(RequestError, match="no real documents to draw from"):
        strategy((), 1, 0)
