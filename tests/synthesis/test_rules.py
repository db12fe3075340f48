"""Strategies by rule: words and sentences of real documents rearranged."""

from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.data.sentences import split_sentences
from patentlab.data.splits import Split
from patentlab.protocols import Silent
from patentlab.synthesis.strategies import Added, Context, find_strategy
from patentlab.synthesis.strategies.rules import OPERATIONS, change_words

LABELS = LabelSpace(("a", "b"))
ALIKE = [
    Document("1", "One wheel. It turns. It stops.", ("a",), title="One wheel"),
    Document("2", "Two ears. They hear.", ("a",), title="Two ears"),
    Document("3", "Three lamps. They shine. They burn. They fade.", ("a",), title="Three lamps"),
]
ALONE = Document("4", "A seat. A belt. A buckle.", ("a", "b"))
SHORT = Document("5", "One sentence alone.", ("b",))


_COMPOSED = lru_cache(compose)


def make(strategy: str, sources: list[Document], count: int, *more: str, seed: int = 0, agrees=None) -> Added:
    config = replace(_COMPOSED(f"strategy={strategy}", "mix=0.5", *more), seed=seed)
    context = Context(config, sources, sources, sources, Split(tuple(sources), (), ()), LABELS, Silent(), agrees)
    return find_strategy(strategy).add(context, count)


WORDS = st.lists(st.sampled_from(["wheel", "ear", "lamp", "of"]), max_size=12)


@given(WORDS, st.floats(0.01, 1), st.sampled_from(OPERATIONS), st.integers(0, 2**32))
def test_words_change_where_two_differ_and_are_the_texts_own(words: list[str], share: float, operation: str, seed: int):
    changed = change_words(words, share, operation, np.random.default_rng(seed))
    assert changed == change_words(words, share, operation, np.random.default_rng(seed))
    if len(set(words)) > 1:
        assert changed != words
    assert set(changed) <= set(words)
    count = max(1, round(share * len(words)))
    if operation == "insertion" and len(words) > 1:
        assert len(changed) == len(words) + count
    if operation == "swap":
        assert Counter(changed) == Counter(words)
        assert sum(a != b for a, b in zip(words, changed, strict=True)) <= 2 * count + 2
    if operation == "deletion" and len(words) > 1:
        assert 0 < len(changed) < len(words)
        remaining = iter(words)
        assert all(word in remaining for word in changed)  # in their order


def test_deletion_takes_each_word_with_the_probability_that_is_given():
    words = [str(number) for number in range(20_000)]
    left = len(change_words(words, 0.1, "deletion", np.random.default_rng(0)))
    assert abs(left - 18_000) < 4 * (20_000 * 0.1 * 0.9) ** 0.5  # four standard deviations of a binomial count
    with pytest.raises(ValueError, match="allowed are deletion, swap, insertion"):
        change_words(words, 0.1, "synonyms", np.random.default_rng(0))


def test_every_document_is_rewritten_once_before_any_twice():
    sources = [*ALIKE, ALONE, SHORT]
    made = make("eda", sources, 13)
    by_id = {source.id: source for source in sources}
    for document in made.documents:
        source = by_id[document.source_id or ""]
        assert document.labels == source.labels
        assert document.text != source.text
        assert document.origin == "eda"
    order = [document.source_id for document in made.documents]
    assert len(set(order[:5])) == len(set(order[5:10])) == 5
    assert len({document.id for document in made.documents}) == 13
    assert made == make("eda", sources, 13)
    assert make("eda", sources, 5).documents == made.documents[:5]
    assert make("eda", sources, 5, seed=1).documents != made.documents[:5]
    assert made.report == {"requested": 13, "accepted": 13, "attempts": 13, "rejected": {}, "rule_version": 1}
    assert made.rows is not None and made.rows[0]["source_id"] == order[0]


def test_operations_and_share_are_the_users():
    made = make("eda", ALIKE, 30, "strategy.operations=[insertion]", "strategy.share=0.5")
    for document in made.documents:
        words = next(source for source in ALIKE if source.id == document.source_id).text.split()
        assert len(document.text.split()) == len(words) + round(len(words) / 2)


def test_a_text_of_one_word_cannot_be_rewritten():
    with pytest.raises(RequestError, match="0 of 2 documents after 16 attempts; left out: 16 unchanged; raise"):
        make("eda", [Document("1", "wheel", ("a",))], 2)
    made = make("eda", [Document("1", "wheel", ("a",))], 2, "strategy.on_shortage=shrink")
    assert made.documents == ()
    assert made.report["rejected"] == {"unchanged": 16}


@pytest.mark.parametrize("strategy", ["eda", "recombine"])
def test_documents_that_a_classifier_disagrees_with_are_left_out(strategy: str):
    made = make(strategy, [*ALIKE, ALONE], 6, agrees=lambda document: "b" not in document.labels)
    assert {document.labels for document in made.documents} == {("a",)}
    assert made.report["rejected"]["disagrees"] == made.report["attempts"] - 6
    with pytest.raises(RequestError, match=f"strategy={strategy}: there are no real documents to start from"):
        make(strategy, [], 1)


def test_sentences_come_from_their_own_place_in_documents_with_the_same_labels():
    made = make("recombine", ALIKE, 9)
    places = [{split_sentences(source.text)[place] for source in ALIKE[:]
               if len(split_sentences(source.text)) > place} for place in range(4)]  # fmt: skip
    lengths = []
    for document in made.documents:
        sentences = split_sentences(document.text)
        assert all(sentence in places[place] for place, sentence in enumerate(sentences))
        assert document.text not in {source.text for source in ALIKE}
        assert document.labels == ("a",)
        assert document.title is not None and document.text.startswith(document.title)
        lengths.append(len(sentences))
    assert sorted(lengths[:3]) == sorted(lengths[3:6]) == [2, 3, 4]  # each is the frame once before any twice
    assert make("recombine", ALIKE, 4).documents == made.documents[:4]
    assert len({document.text for document in made.documents}) == 9
    assert made.rows is not None
    for row in made.rows:
        assert set(row["examples"]) <= {"1", "2", "3"}
        assert (row["source_id"] is None) == (len(row["examples"]) > 1)


def test_a_label_set_with_one_document_has_its_sentences_shuffled():
    made = make("recombine", [ALONE], 5)
    for document in made.documents:
        assert document.text != ALONE.text
        assert sorted(split_sentences(document.text)) == ["A belt.", "A buckle.", "A seat."]
        assert (document.source_id, document.labels) == ("4", ("a", "b"))
    assert len({document.text for document in made.documents}) == 5  # all other orders of three sentences


def test_what_cannot_be_recombined_is_skipped_and_counted():
    made = make("recombine", [SHORT, ALONE], 4)
    assert made.report["rejected"] == {"one_sentence": made.report["attempts"] - 4}
    assert {document.labels for document in made.documents} == {("a", "b")}
    same = [Document("1", "The same. Twice.", ("a",)), Document("2", "The same. Twice.", ("a",))]
    with pytest.raises(RequestError, match="0 of 1 documents after 8 attempts; left out: 8 copies_train"):
        make("recombine", same, 1)


DOCUMENTS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["A b.", "C d.", "E f.", "G h."]), min_size=1, max_size=4), st.sampled_from("ab")
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(DOCUMENTS, st.integers(1, 8), st.integers(0, 3))
def test_recombined_texts_are_never_a_sources(drawn: list[tuple[list[str], str]], count: int, seed: int):
    sources = [Document(str(n), " ".join(texts), (label,)) for n, (texts, label) in enumerate(drawn)]
    made = make("recombine", sources, count, "strategy.on_shortage=shrink", seed=seed)
    assert not {document.text for document in made.documents} & {source.text for source in sources}
    assert made.report["accepted"] == len(made.documents) <= count
    for document in made.documents:
        pool = {s for source in sources if source.labels == document.labels for s in split_sentences(source.text)}
        assert set(split_sentences(document.text)) <= pool


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("strategy.share=0", "strategy.share=0: must be above 0 and at most 1"),
        ("strategy.operations=[synonyms]", "strategy.operations=synonyms: allowed are deletion, swap, insertion"),
        ("strategy.operations=[]", "must name one of deletion, swap, insertion"),
        ("strategy.path=x", "strategy.path: has no effect with strategy=eda; it is a setting of strategy=corpus"),
    ],
)
def test_wrong_settings_are_told(setting: str, message: str):
    with pytest.raises(RequestError) as raised:
        compose("strategy=eda", "mix=0.5", setting)
    assert message in str(raised.value)
