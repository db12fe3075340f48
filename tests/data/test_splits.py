from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patentlab.config import RequestError, SplitConfig
from patentlab.console.command_line import compose
from patentlab.corpus import SETS, Corpus, Document, LabelSpace
from patentlab.data.audit import (
    TERMS,
    _bands,
    close_text,
    close_to,
    jaccard,
    same_text,
    shingles,
    similar_text,
    together,
)
from patentlab.data.regimes import keep_part, stratified_order
from patentlab.data.sources import read_corpus
from patentlab.data.splits import Split, split_corpus


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus(compose("data.size=800").data)


def sizes(
    validation: float,
    test: float,
    method: str = "stratified",
    similarity: float | None = 0.7,
    cosine: float | None = None,
) -> SplitConfig:
    return SplitConfig(method, validation, test, similarity, cosine)


def ids(documents: tuple[Document, ...]) -> set[str]:
    return {document.id for document in documents}


def test_split_is_disjoint_complete_and_the_same_for_a_seed(corpus: Corpus):
    split = split_corpus(corpus, sizes(100, 0.2), 7)
    sets = [ids(split.pool), ids(split.validation), ids(split.test)]
    assert sum(map(len, sets)) == len(set().union(*sets)) == 800
    assert len(sets[1]) == pytest.approx(100, abs=15)
    assert len(sets[2]) == pytest.approx(160, abs=15)
    assert split == split_corpus(corpus, sizes(100, 0.2), 7)


def test_another_seed_is_another_split_and_the_order_of_the_source_does_not_show(corpus: Corpus):
    splits = [split_corpus(corpus, sizes(0.2, 0.2), seed) for seed in range(4)]
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
    split = split_corpus(Corpus(documents, LabelSpace(("a", "b"))), sizes(0.2, 0.2), 0)
    sides = [
        {document.text.lower().split()[1] for document in side} for side in (split.pool, split.validation, split.test)
    ]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 60
    assert len(set(same_text([document.text for document in documents]))) == 60
    assert split.counts == {"same_text": 120, "similar_text": 0, "duplicates_removed": 0}


def _random_deviation(targets: np.ndarray, count: int, seed: int) -> float:
    """Mean distance of label frequencies in a random subset from those of the whole."""
    chosen = np.random.default_rng(seed).choice(len(targets), count, replace=False)
    return float(np.abs(targets[chosen].mean(axis=0) - targets.mean(axis=0)).mean())


def test_split_is_stratified(corpus: Corpus):
    split = split_corpus(corpus, sizes(0.25, 0.25), 0)
    whole = corpus.labels.encode(corpus.documents).mean(axis=0)
    stratified = np.abs(corpus.labels.encode(split.test).mean(axis=0) - whole).mean()
    targets = corpus.labels.encode(corpus.documents)
    random = [_random_deviation(targets, len(split.test), draw) for draw in range(20)]
    assert stratified < 0.5 * np.mean(random)


def test_nothing_left_to_train_on_is_said(corpus: Corpus):
    with pytest.raises(RequestError, match="leave nothing to train on"):
        split_corpus(corpus, sizes(500, 400), 0)


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
    split = split_corpus(corpus, sizes(100, 100), 0)
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


VOCABULARY = [f"word{number}" for number in range(500)]


def abstract(number: int, changed: int = 0) -> str:
    """Sixty random words; the last ones can be exchanged."""
    words = list(np.random.default_rng(number).choice(VOCABULARY, 60))
    return " ".join(words[: 60 - changed] + [f"other{number}-{changed}-{index}" for index in range(changed)])


def test_similar_texts_are_those_whose_word_3_grams_overlap_enough():
    texts = [abstract(number, changed) for number in range(150) for changed in (0, 4, 30)]
    groups = similar_text(texts, 0.7)
    expected = [
        [jaccard(shingles(one), shingles(other)) >= 0.7 for other in texts[:60]] for one in texts[:60]
    ]  # exact, pair by pair
    assert np.array_equal(groups[:60, None] == groups[None, :60], np.array(expected))
    assert len(set(groups)) == 300  # 4 of 60 words exchanged are found, 30 are none
    assert len(set(similar_text(texts, 1.0))) == 450
    assert len(set(similar_text([*texts, texts[0].upper()], 1.0))) == 450


@pytest.mark.parametrize("text", ["", "one", "two words", "three words here"])
def test_short_texts_have_a_shingle(text: str):
    assert shingles(text) == {text}


def sides(split: Split, changed: int) -> list[set[str]]:
    return [
        {document.id.split("-")[0] for document in side if document.id.endswith(f"-{changed}")}
        for side in (split.pool, split.validation, split.test)
    ]


def family_corpus(dates: list[str] | None = None, given_sets: list[str] | None = None) -> Corpus:
    """A hundred abstracts, each followed by a near copy."""
    documents = []
    for number in range(200):
        family, changed = number // 2, 4 * (number % 2)
        document = Document(f"{family}-{changed}", abstract(family, changed), ("ab"[family % 2],))
        day, held = dates[number] if dates else None, given_sets[number] if given_sets else None
        documents.append(replace(document, date=day, split=held))
    return Corpus(tuple(documents), LabelSpace(("a", "b")), sets=frozenset(document.split for document in documents))


def test_near_duplicates_are_never_on_two_sides():
    split = split_corpus(family_corpus(), sizes(0.2, 0.2), 0)
    assert sides(split, 0) == sides(split, 4)
    assert split.counts == {"same_text": 0, "similar_text": 100, "duplicates_removed": 0}
    apart = split_corpus(family_corpus(), sizes(0.2, 0.2, similarity=None), 0)
    assert sides(apart, 0) != sides(apart, 4)
    assert apart.counts["similar_text"] == 0


def rewritten(number: int) -> str:
    """The words of an abstract in another order: no 3-gram in common."""
    words = abstract(number).split(" ")
    return " ".join(np.random.default_rng(1000 + number).permutation(words))


def test_texts_of_the_same_words_are_close_and_are_never_on_two_sides():
    texts = [text for number in range(100) for text in (abstract(number), rewritten(number))]
    assert len(set(similar_text(texts, 0.7))) == 200
    groups = close_text(texts, 0.7)
    assert (groups[::2] == groups[1::2]).all()
    assert len(set(groups)) == 100
    documents = [Document(f"{n // 2}-{n % 2}", text, ("ab"[n // 2 % 2],)) for n, text in enumerate(texts)]
    corpus = Corpus(tuple(documents), LabelSpace(("a", "b")))
    split = split_corpus(corpus, sizes(0.2, 0.2, cosine=0.7), 0)
    assert sides(split, 0) == sides(split, 1)
    assert split.counts["close_text"] == 100
    apart = split_corpus(corpus, sizes(0.2, 0.2), 0)
    assert sides(apart, 0) != sides(apart, 1)


def test_close_texts_are_those_of_a_cosine_computed_by_hand():
    # three texts: a shares twelve words with b of fifteen each, none with c; smooth inverse document frequencies
    shared, own = [f"common{n}" for n in range(12)], [[f"own{side}{n}" for n in range(3)] for side in range(2)]
    texts = [" ".join(shared + words) for words in own] + [" ".join(f"third{n}" for n in range(15))]
    common, single = np.log(4 / 3) + 1, np.log(4 / 2) + 1
    cosine = 12 * common**2 / (12 * common**2 + 3 * single**2)
    assert list(close_text(texts, cosine - 1e-6)) == [0, 0, 1]
    assert list(close_text(texts, cosine + 1e-6)) == [0, 1, 2]

    assert list(close_to(texts[1:], texts[:1], cosine - 1e-6)) == [True, False]
    assert list(close_to(texts[1:], texts[:1], cosine + 1e-6)) == [False, False]


def test_texts_are_held_against_others_and_not_among_themselves():
    chain = [" ".join(f"word{n}" for n in range(start, start + 30)) for start in (0, 8, 16)]
    assert list(close_text(chain, 0.6)) == [0, 0, 0]  # the first and the last have 14 words of 30 in common
    assert list(close_to(chain[1:], chain[:1], 0.6)) == [True, False]
    assert list(close_to(["", "the of", "word1 word2"], chain, 0.6)) == [False] * 3
    assert list(close_to(chain, [], 0.6)) == [False] * 3
    assert list(close_to([], chain, 0.6)) == list(close_to(["the"], ["of"], 0.6))[1:] == []


def test_short_texts_are_compared_for_equality_alone():
    words = [f"word{n}" for n in range(TERMS)]
    longer = [" ".join(words), " ".join(reversed(words)), "", ""]
    assert list(close_text(longer, 0.7)) == [0, 0, 1, 1]
    assert list(close_text([" ".join(words[1:]), " ".join(reversed(words[1:])), "", "Of"], 0.7)) == [0, 1, 2, 3]
    assert list(close_text(["", "the of", ""], 0.7)) == [0, 1, 0]  # no word at all


def test_groupings_are_joined():
    first, second = np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 2, 3])
    assert list(together(first, second)) == [0, 0, 0, 1, 2]
    assert list(together(first)) == [0, 0, 1, 2, 3]


def test_a_split_by_date_trains_on_the_oldest_and_never_cuts_a_day():
    days = [f"{2000 + number // 20}-01-{number // 4 % 5 + 1:02d}" for number in range(200)]
    split = split_corpus(family_corpus(days), sizes(0.2, 0.2, "date"), 0)
    dates = [[str(document.date) for document in side] for side in (split.pool, split.validation, split.test)]
    assert max(dates[0]) < min(dates[1])
    assert max(dates[1]) < min(dates[2])
    assert [len(side) for side in dates] == [120, 40, 40]


def test_a_split_by_date_takes_copies_of_newer_documents_out_of_older_sets():
    # the copy of each abstract is granted five years later
    days = [f"{1990 + number // 20 + 5 * (number % 2)}-01-01" for number in range(200)]
    split = split_corpus(family_corpus(days), sizes(0.2, 0.2, "date"), 0)
    kept = [sides(split, 0)[n] | sides(split, 4)[n] for n in range(3)]
    assert sum(map(len, kept)) == len(set().union(*kept)) == 100
    newest = sorted(days)[-40:]
    assert sorted(str(document.date) for document in split.test) == newest  # untouched
    remaining = len(split.pool) + len(split.validation) + len(split.test)
    assert split.counts["duplicates_removed"] == 200 - remaining > 0


def test_a_document_without_a_date_is_told():
    days = ["2000-01-01"] * 199 + [""]
    with pytest.raises(RequestError, match="1 of 200 documents have no date"):
        split_corpus(family_corpus(days), sizes(0.2, 0.2, "date"), 0)


def test_given_sets_are_kept_and_their_copies_leave_the_pool():
    held = [SETS[0] if number % 2 else SETS[number // 2 % 3] for number in range(200)]
    split = split_corpus(family_corpus(given_sets=held), sizes(0.2, 0.2, "given"), 0)
    assert (len(split.validation), len(split.test)) == (33, 33)
    assert len(split.pool) == 34 * 2
    assert split.counts["duplicates_removed"] == 66


def test_a_set_that_the_source_lacks_is_drawn_from_its_training_documents():
    held = [SETS[2] if number < 40 else SETS[0] for number in range(200)]
    split = split_corpus(family_corpus(given_sets=held), sizes(0.25, 0.2, "given"), 0)
    assert len(split.test) == 40
    assert len(split.validation) == pytest.approx(40, abs=4)
    assert len(split.pool) + len(split.validation) == 160
    assert sides(split, 0) == sides(split, 4)
    assert split.counts["validation_drawn_from_train"] == len(split.validation)
    assert split.counts["test_drawn_from_train"] == 0


def test_a_given_set_that_lost_all_its_documents_is_never_replaced():
    held = [SETS[2] if number < 40 else SETS[0] for number in range(200)]
    corpus = family_corpus(given_sets=held)
    left = replace(corpus, documents=corpus.documents[40:])
    with pytest.raises(RequestError, match="no document of the test set is left"):
        split_corpus(left, sizes(0.25, 0.2, "given"), 0)
    with pytest.raises(RequestError, match="no document of the train set is left"):
        split_corpus(replace(corpus, documents=corpus.documents[:40]), sizes(0.25, 0.2, "given"), 0)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_pairs_at_the_threshold_are_found(threshold: float):
    bands, rows = _bands(threshold)
    assert bands * rows <= 128
    assert (1 - threshold**rows) ** bands <= 1e-4


def test_near_duplicates_just_above_the_threshold_are_found():
    # 400 pairs of 60 words, of which the last ones are exchanged: 3-grams overlap by (58 - k) / (58 + k)
    texts = [text for number in range(400) for text in (abstract(number), abstract(number, 9))]
    overlap = jaccard(shingles(texts[0]), shingles(texts[1]))
    assert 0.70 < overlap < 0.75
    groups = similar_text(texts, 0.7)
    assert (groups[::2] == groups[1::2]).all()


def test_a_set_with_another_name_is_told():
    with pytest.raises(RequestError, match="gives the sets None; allowed are train, validation, test"):
        split_corpus(family_corpus(), sizes(0.2, 0.2, "given"), 0)
