from itertools import pairwise

import numpy as np
import pytest

from patentlab.console.command_line import compose
from patentlab.corpus import Corpus, derive_seed
from patentlab.data.regimes import keep_part
from patentlab.data.sources import read_corpus
from patentlab.data.splits import split_corpus
from patentlab.evaluation.multi_label import choose_threshold, evaluate
from patentlab.models.baselines import TfidfLinearClassifier
from patentlab.protocols import Observer, Silent
from patentlab.tasks.documents import MultiLabel


def read(*overrides: str) -> Corpus:
    return read_corpus(compose(*overrides).data)


def test_the_same_seed_makes_the_same_documents_and_a_larger_corpus_begins_with_the_smaller():
    small, large = read("data.size=50"), read("data.size=80")
    assert small.documents == read("data.size=50").documents
    assert [d.text for d in large.documents[:50]] == [d.text for d in small.documents]
    other = read("data.size=50", "data.corpus_seed=1")
    assert [d.text for d in other.documents] != [d.text for d in small.documents]


def test_it_has_64_labels_with_a_long_tail_in_correlated_sets():
    corpus = read("data.size=4000")
    targets = corpus.labels.encode(corpus.documents).astype(float)
    counts = np.sort(targets.sum(axis=0))[::-1]
    assert len(counts) == 64
    assert counts[0] > 8 * counts[-1]
    assert 1.3 < targets.sum(axis=1).mean() < 2.0
    joint = targets.T @ targets / len(targets)
    independent = np.outer(targets.mean(axis=0), targets.mean(axis=0))
    assert np.max((joint / independent)[~np.eye(64, dtype=bool)]) > 5


def test_titles_are_known_for_every_label():
    corpus = read("data.size=1000")
    assert set(corpus.labels.titles) == set(corpus.labels.names)


@pytest.mark.parametrize("seed", [0, 1])
def test_tfidf_is_neither_lost_nor_at_ease_and_falls_with_each_smaller_regime(seed: int):
    config = compose("model=tfidf_linear", f"seed={seed}")
    corpus = read_corpus(config.data)
    split = split_corpus(corpus, config.data.split, derive_seed(seed, "split"))
    task = MultiLabel(corpus.labels)
    validation, test = task.encode(split.validation), task.encode(split.test)
    reached = []
    for divisor in (1, 4, 10, 100):
        assert config.model.tfidf is not None
        model = TfidfLinearClassifier(config.model.tfidf)
        kept = keep_part(split.pool, corpus.labels, divisor, derive_seed(seed, "regime"))
        model.fit(task.encode(kept), validation, Observer(task.measure), seed)
        threshold = choose_threshold(validation.targets, model.predict(validation.texts, Silent()))
        reached.append(evaluate(test.targets, model.predict(test.texts, Silent()), threshold)["f1_micro"])
    assert 0.55 <= reached[0] <= 0.80
    assert all(larger - smaller > 0.05 for larger, smaller in pairwise(reached))
