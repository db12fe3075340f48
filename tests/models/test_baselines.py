from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from patentlab.config import TfidfConfig
from patentlab.console.command_line import compose
from patentlab.corpus import Examples
from patentlab.data.documents import read_documents
from patentlab.models.baselines import ConstantClassifier, TfidfLinearClassifier
from patentlab.protocols import Observer, Silent
from patentlab.tasks.documents import MultiLabel

WATCH = Observer(lambda targets, scores: {})
NOTHING = Examples([], np.zeros((0, 2), dtype=np.int8))


@settings(deadline=None)
@given(arrays(np.int8, st.tuples(st.integers(1, 8), st.integers(2, 5)), elements=st.integers(0, 1)))
def test_no_fixed_answer_beats_the_constant_one_at_its_best_threshold(targets: np.ndarray):
    def score(answer: np.ndarray) -> float:
        return float(f1_score(targets, np.tile(answer, (len(targets), 1)), average="micro", zero_division=0))

    model = ConstantClassifier(targets.shape[1])
    model.fit(Examples(["x"] * len(targets), targets), NOTHING, WATCH, 0)
    found = {score((model.answer >= threshold).astype(int)) for threshold in np.unique(model.answer)}
    labels = range(targets.shape[1])
    every = [set_ for size in range(1, len(labels) + 1) for set_ in combinations(labels, size)]
    assert max(found) == pytest.approx(max(score(np.isin(labels, set_).astype(int)) for set_ in every))


def test_constant_scores_are_frequencies_saved_and_loaded(tmp_path: Path):
    model = ConstantClassifier(2)
    targets = np.array([[1, 0], [1, 1], [1, 0], [1, 0]], dtype=np.int8)
    model.fit(Examples(["w", "x", "y", "z"], targets), NOTHING, WATCH, 0)
    model.save(tmp_path)
    scores = ConstantClassifier.load(tmp_path).predict(["a", "b"], Silent())
    assert scores.tolist() == [[1.0, 0.25], [1.0, 0.25]]
    # the best Brier score that a fixed answer can have
    assert np.square(scores[0] - targets).mean() == pytest.approx(targets.var(axis=0).mean())


TEXTS = ["wheel brake", "lens light", "wheel motor", "lens camera", "wheel lens"]
TARGETS = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=np.int8)


def test_tfidf_learns_saves_and_loads_also_with_a_label_that_never_occurs(tmp_path: Path):
    model = TfidfLinearClassifier(TfidfConfig(1, 1, True, None, 10.0))
    model.fit(Examples(TEXTS, TARGETS), Examples([], np.zeros((0, 3), dtype=np.int8)), WATCH, 0)
    scores = model.predict(["a wheel", "a lens"], Silent())
    assert scores[0, 0] > 0.5 > scores[0, 1]
    assert scores[1, 1] > 0.5 > scores[1, 0]
    assert scores[:, 2].tolist() == [0.0, 0.0]
    model.save(tmp_path)
    assert np.array_equal(TfidfLinearClassifier.load(tmp_path).predict(["a wheel", "a lens"], Silent()), scores)


def test_settings_with_several_values_are_chosen_on_validation_documents_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATENTLAB_CACHE", str(tmp_path))
    config = compose("model=tfidf_linear", "data.size=300", "data.split.validation=60", "data.split.test=60")
    assert config.model.tfidf is not None
    documents = read_documents(config)
    task = MultiLabel(documents.corpus.labels)
    train, validation = task.encode(documents.real), task.encode(documents.split.validation)
    asked: list[float] = []

    def measure(targets: Any, scores: Any) -> dict[str, float]:
        asked.append(task.measure(targets, scores)["f1_micro"])
        return {"f1_micro": asked[-1]}

    def by_hand(ngram_max: int, class_weight: str | None, strength: float) -> tuple[float, Any]:
        features = TfidfVectorizer(ngram_range=(1, ngram_max), sublinear_tf=True)
        regressions = OneVsRestClassifier(LogisticRegression(C=strength, class_weight=class_weight, max_iter=1000))
        pipeline = make_pipeline(features, regressions).fit(train.texts, train.targets)
        scores = pipeline.predict_proba(validation.texts).astype(np.float32)
        return task.measure(validation.targets, scores)["f1_micro"], scores

    first = {(n, w, 10.0): by_hand(n, w, 10.0) for n in (1, 2) for w in ("balanced", None)}
    n, w, _ = max(first, key=lambda settings: first[settings][0])
    tried = first | {(n, w, c): by_hand(n, w, c) for c in (1.0, 100.0)}
    best = max(tried, key=lambda settings: tried[settings][0])

    model = TfidfLinearClassifier(config.model.tfidf)
    report = model.fit(train, validation, Observer(measure), 0)
    assert asked == [score for score, _ in tried.values()]
    assert tuple(report.chosen.values()) == best
    assert np.array_equal(model.predict(validation.texts, Silent()), tried[best][1])
    again = TfidfLinearClassifier(config.model.tfidf)
    assert again.fit(train, validation, Observer(measure), 0).chosen == report.chosen
    assert len(asked) == 6  # it was remembered
    assert np.array_equal(again.predict(validation.texts, Silent()), tried[best][1])


def test_more_labels_than_a_byte_can_count_keep_their_places():
    rng = np.random.default_rng(0)
    targets = (rng.random((60, 300)) < 0.05).astype(np.int8)
    targets[np.arange(60), rng.integers(300, size=60)] = 1
    texts = [" ".join(f"word{label}" for label in np.flatnonzero(row)) for row in targets]
    model = TfidfLinearClassifier(TfidfConfig(1, 1, False, "balanced", 100.0))
    model.fit(Examples(texts, targets), NOTHING, WATCH, 0)
    scores = model.predict(texts, Silent())
    occur = targets.sum(axis=0) > 0
    assert ((scores >= 0.5) == targets.astype(bool))[:, occur].mean() > 0.999
