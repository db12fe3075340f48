from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from patentlab.config import TfidfConfig
from patentlab.corpus import Examples
from patentlab.models.baselines import ConstantClassifier, TfidfLinearClassifier, best_constant
from patentlab.protocols import Observer, Silent

WATCH = Observer(lambda targets, scores: {})


@settings(deadline=None)
@given(arrays(np.int8, st.tuples(st.integers(1, 8), st.integers(2, 5)), elements=st.integers(0, 1)))
def test_no_fixed_answer_beats_the_constant_one(targets: np.ndarray):
    def score(answer: np.ndarray) -> float:
        return float(f1_score(targets, np.tile(answer, (len(targets), 1)), average="micro", zero_division=0))

    labels = range(targets.shape[1])
    every = [set_ for size in range(1, len(labels) + 1) for set_ in combinations(labels, size)]
    best = max(score(np.isin(labels, set_).astype(int)) for set_ in every)
    assert score(best_constant(targets).astype(int)) == pytest.approx(best)


def test_the_constant_answer_of_a_single_label_task_is_the_commonest_label():
    targets = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=np.int8)
    assert best_constant(targets, most=1).tolist() == [0, 1, 0]


def test_constant_saves_and_loads(tmp_path: Path):
    model = ConstantClassifier(2)
    model.fit(
        Examples(["x", "y"], np.array([[1, 0], [1, 0]], dtype=np.int8)),
        Examples([], np.zeros((0, 2), dtype=np.int8)),
        WATCH,
        0,
    )
    model.save(tmp_path)
    assert ConstantClassifier.load(tmp_path).predict(["z"], Silent()).tolist() == [[1.0, 0.0]]


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
