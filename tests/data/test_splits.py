import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patentlab.command_line import compose
from patentlab.config import RequestError, SplitConfig
from patentlab.corpus import Corpus, Document, LabelSpace
from patentlab.data.regimes import keep_part, stratified_order
from patentlab.data.sources import read_corpus
from patentlab.data.splits import same_text, split_corpus


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus(compose("data.size=800").data)


def ids(documents: tuple[Document, ...]) -> set[str]:
    return {document.id for document in documents}


def test_split_is_disjoint_complete_and_the_same_for_a_seed(corpus: Corpus):
    split = split_corpus(corpus, SplitConfig(100, 0.2), 7)
    sets = [ids(split.pool), ids(split.validation), ids(split.test)]
    assert sum(map(len, sets)) == len(set().union(*sets)) == 800
    assert len(sets[1]) == pytest.approx(100, abs=15)
    assert len(sets[2]) == pytest.approx(160, abs=15)
    assert split == split_corpus(corpus, SplitConfig(100, 0.2), 7)


def test_another_seed_is_another_split_and_the_order_of_the_source_does_not_show(corpus: Corpus):
    splits = [split_corpus(corpus, SplitConfig(0.2, 0.2), seed) for seed in range(4)]
    by_chance = len(splits[0].test) ** 2 / 800
    for other in splits[1:]:
        assert len(ids(splits[0].test) & ids(other.test)) == pytest.approx(by_chance, abs=20)
    position = {document.id: number for number, document in enumerate(corpus.documents)}
    for split in splits:
        for documents in (split.pool, split.validation, split.test):
            mean = np.mean([position[document.id] for document in documents])
            # four standard errors of the mean of so many positions out of 800
            assert abs(mean - 399.5) < 4 * 231 / len(documents) ** 0.5


def test_equal_texts_are_never_on_two_sides():
    documents = tuple(
        Document(
            str(number), f"Text {number % 60}".upper() if number % 2 else f"text  {number % 60}", ("ab"[number % 2],)
        )
        for number in range(180)
    )
    split = split_corpus(Corpus(documents, LabelSpace(("a", "b"))), SplitConfig(0.2, 0.2), 0)
    sides = [
        {document.text.lower().split()[1] for document in side} for side in (split.pool, split.validation, split.test)
    ]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 60
    assert len(same_text(documents)) == 60


def _random_deviation(targets: np.ndarray, count: int, seed: int) -> float:
    """Mean distance of label frequencies in a random subset from those of the whole."""
    chosen = np.random.default_rng(seed).choice(len(targets), count, replace=False)
    return float(np.abs(targets[chosen].mean(axis=0) - targets.mean(axis=0)).mean())


def test_split_is_stratified(corpus: Corpus):
    split = split_corpus(corpus, SplitConfig(0.25, 0.25), 0)
    whole = corpus.labels.encode(corpus.documents).mean(axis=0)
    stratified = np.abs(corpus.labels.encode(split.test).mean(axis=0) - whole).mean()
    targets = corpus.labels.encode(corpus.documents)
    random = [_random_deviation(targets, len(split.test), draw) for draw in range(20)]
    assert stratified < 0.5 * np.mean(random)


def test_nothing_left_to_train_on_is_said(corpus: Corpus):
    with pytest.raises(RequestError, match="leave nothing to train on"):
        split_corpus(corpus, SplitConfig(500, 400), 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 3))
def test_regimes_are_nested_and_of_the_right_size(one: int, other: int, seed: int):
    space = LabelSpace(("a", "b", "c"))
    pool = tuple(
        Document(str(i), "", ("a", "b") if i % 3 == 0 else ("c",) if i % 7 == 0 else ("b",)) for i in range(200)
    )
    larger, smaller = (keep_part(pool, space, divisor, seed) for divisor in sorted((one, other)))
    assert len(smaller) == round(200 / max(one, other))
    assert ids(smaller) <= ids(larger)


def test_regimes_are_stratified(corpus: Corpus):
    split = split_corpus(corpus, SplitConfig(100, 100), 0)
    targets = corpus.labels.encode(split.pool)
    whole = targets.mean(axis=0)
    for divisor in (2, 3, 10):
        kept = keep_part(split.pool, corpus.labels, divisor, 0)
        deviation = np.abs(corpus.labels.encode(kept).mean(axis=0) - whole).mean()
        random = [_random_deviation(targets, len(kept), draw) for draw in range(20)]
        assert deviation < 0.7 * np.mean(random)


def test_an_order_has_every_document_once(corpus: Corpus):
    targets = corpus.labels.encode(corpus.documents)
    assert sorted(stratified_order(targets, 0)) == list(range(800))


def test_a_regime_smaller_than_a_document_names_the_largest(corpus: Corpus):
    with pytest.raises(RequestError, match="the largest is 1:800"):
        keep_part(corpus.documents, corpus.labels, 801, 0)
    assert len(keep_part(corpus.documents, corpus.labels, 800, 0)) == 1
