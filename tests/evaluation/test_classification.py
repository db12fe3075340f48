import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import confusion_matrix, f1_score

from patentlab.config.registry import METRICS
from patentlab.evaluation import multi_label, single_label
from patentlab.evaluation.classification import confusions, evaluate, per_label
from patentlab.evaluation.multi_label import choose_threshold

SHAPE = (6, 3)
TARGETS = arrays(np.int8, SHAPE, elements=st.integers(0, 1))
SCORES = arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32))


@given(TARGETS, SCORES, st.sampled_from(["f1_micro", "f1_macro"]))
def test_no_cut_beats_the_chosen_threshold(targets: np.ndarray, scores: np.ndarray, monitor: str):
    def score(threshold: float) -> float:
        return float(
            f1_score(
                targets, multi_label.decide(scores, threshold), average=monitor.removeprefix("f1_"), zero_division=0
            )
        )

    chosen = choose_threshold(targets, scores, monitor)
    distinct = np.unique(scores).astype(float)
    cuts = [0.5, *((distinct[1:] + distinct[:-1]) / 2)]
    assert score(chosen) == pytest.approx(max(score(cut) for cut in cuts))


def test_the_threshold_stays_at_one_half_where_that_is_as_good():
    targets = np.array([[1, 0], [0, 1]], dtype=np.int8)
    assert choose_threshold(targets, np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32)) == 0.5
    assert choose_threshold(targets, np.array([[0.3, 0.1], [0.2, 0.25]], dtype=np.float32)) == pytest.approx(0.225)


def test_single_label_gives_the_highest_score():
    scores = np.array([[0.2, 0.3, 0.1], [0.5, 0.4, 0.6]], dtype=np.float32)
    assert single_label.decide(scores).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert multi_label.decide(scores, 0.4).tolist() == [[0, 0, 0], [1, 1, 1]]


def test_metrics_of_a_case_worked_out_by_hand():
    targets = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=np.int8)
    decisions = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=np.int8)
    # label a: 2 hits, 1 false; b: 1 hit, 1 missed; c: 1 missed
    values = evaluate(targets, decisions, decisions.astype(np.float32))
    assert values["precision_micro"] == pytest.approx(3 / 4)
    assert values["recall_micro"] == pytest.approx(3 / 5)
    assert values["f1_micro"] == pytest.approx(2 * 3 / (4 + 5))
    assert values["f1_macro"] == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)
    assert values["accuracy"] == pytest.approx(1 / 4)
    # supports 2, 2, 1; F1 of the documents 1, 2/3, 2/3 and 0
    assert values["f1_weighted"] == pytest.approx((2 * 4 / 5 + 2 * 2 / 3) / 5)
    assert values["f1_samples"] == pytest.approx((1 + 2 / 3 + 2 / 3 + 0) / 4)
    assert values["hamming_loss"] == pytest.approx(3 / 12)
    table = per_label(targets, decisions, ["a", "b", "c"])
    assert table["support"].tolist() == [2, 2, 1]
    assert table["predicted"].tolist() == [3, 1, 0]
    assert table["f1"].tolist() == pytest.approx([4 / 5, 2 / 3, 0])


def test_single_label_micro_f1_is_accuracy():
    targets = np.eye(4, dtype=np.int8)[[0, 1, 2, 3, 0]]
    scores = np.eye(4, dtype=np.float32)[[0, 1, 1, 3, 2]]
    values = single_label.evaluate(targets, scores)
    assert values["f1_micro"] == pytest.approx(values["accuracy"]) == pytest.approx(3 / 5)


def test_metrics_of_scores_worked_out_by_hand():
    targets = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=np.int8)
    scores = np.array([[0.9, 0.2, 0.1], [0.8, 0.4, 0.1], [0.3, 0.7, 0.6]], dtype=np.float32)
    values = multi_label.evaluate(targets, scores, 0.5)
    # label a: hits at ranks 1 and 3; b: at ranks 1 and 2; c does not occur and does not count
    assert values["map_macro"] == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    # documents: rank 1 of 1; rank 2 of 1; ranks 1 and 3 of 2
    assert values["lrap"] == pytest.approx((1 + 1 / 2 + (1 + 2 / 3) / 2) / 3)
    # all pairs by score: .9 hit, .8, .7 hit, .6, .4 hit, .3 hit, …
    assert values["map_micro"] == pytest.approx((1 + 2 / 3 + 3 / 5 + 4 / 6) / 4)


@given(arrays(np.int64, (30,), elements=st.integers(0, 2)), arrays(np.int64, (30,), elements=st.integers(0, 2)))
def test_confusions_of_a_single_label_task_are_the_confusion_matrix(true: np.ndarray, given_: np.ndarray):
    one_hot = np.eye(3, dtype=np.int8)
    table = confusions(one_hot[true], one_hot[given_], ["a", "b", "c"])
    matrix = confusion_matrix(true, given_, labels=[0, 1, 2])
    counts = {(row.label, row.given): row.documents for row in table.itertuples()}
    expected = {("abc"[i], "abc"[j]): matrix[i, j] for i in range(3) for j in range(3) if matrix[i, j]}
    assert counts == expected
    assert np.allclose(table.groupby("label")["share"].sum(), 1.0)


def test_confusions_of_several_labels_are_wrong_labels_on_documents_with_a_label():
    targets = np.array([[1, 1, 0], [1, 0, 0]], dtype=np.int8)
    decisions = np.array([[1, 0, 1], [0, 1, 1]], dtype=np.int8)
    table = confusions(targets, decisions, ["a", "b", "c"])
    found = {(row.label, row.given): (row.documents, row.share) for row in table.itertuples()}
    assert found == {("a", "a"): (1, 0.5), ("a", "b"): (1, 0.5), ("a", "c"): (2, 1.0), ("b", "c"): (1, 1.0)}


def test_a_metric_of_ones_own_is_in_every_evaluation(monkeypatch: pytest.MonkeyPatch):
    targets, scores = np.array([[1, 0]], dtype=np.int8), np.array([[0.6, 0.7]], dtype=np.float32)
    names = set(multi_label.evaluate(targets, scores, 0.5))
    monkeypatch.setattr(METRICS, "_known", dict(METRICS._known))
    METRICS.add("given")(lambda true, decided, scored: float(decided.sum()))
    assert multi_label.evaluate(targets, scores, 0.5)["given"] == 2
    assert single_label.evaluate(targets, scores)["given"] == 1
    assert set(single_label.evaluate(targets, scores)) == names | {"given"}
