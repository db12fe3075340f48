"""Both tasks on documents: what they make of documents and of scores."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from patentlab.config.registry import TASKS
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.evaluation import multi_label, single_label
from patentlab.tasks import Answer, Decision, build_task
from patentlab.tasks.documents import MultiLabel, SingleLabel

LABELS = LabelSpace(("a", "b", "c"))
DOCUMENTS = [Document("1", "one", ("b",)), Document("2", "two", ("a",), "paraphrase"), Document("3", "three", ("c",))]
SCORES = np.array([[0.3, 0.4, 0.1], [0.5, 0.1, 0.2], [0.2, 0.1, 0.3]], dtype=np.float32)


def test_both_tasks_go_by_name_and_follow_what_is_to_be_monitored():
    assert {"multi_label", "single_label"} <= set(TASKS.names())
    assert isinstance(build_task(compose("model=constant"), LABELS), MultiLabel)
    task = build_task(compose("model=constant", "data.task=single_label", "trainer.monitor=f1_macro"), LABELS)
    assert isinstance(task, SingleLabel)
    assert (task.monitor, task.main_metric) == ("f1_macro", "f1_micro")
    assert MultiLabel(LABELS).monitor == "f1_micro"


def test_documents_become_texts_and_zeros_and_ones():
    examples = MultiLabel(LABELS).encode(DOCUMENTS)
    assert examples.texts == ["one", "two", "three"]
    assert examples.targets.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert examples.added is not None
    assert examples.added.tolist() == [False, True, False]


def test_several_labels_are_given_at_the_threshold_that_validation_documents_choose():
    task = MultiLabel(LABELS)
    targets = task.encode(DOCUMENTS).targets
    decision = task.choose(targets, SCORES)
    best = {name: multi_label.choose_threshold(targets, SCORES, name) for name in ("f1_micro", "f1_macro")}
    assert decision == Decision(best["f1_micro"], best)
    assert MultiLabel(LABELS, "f1_macro").choose(targets, SCORES) == Decision(best["f1_macro"], best)
    assert task.measure(targets, SCORES) == task.evaluate(targets, SCORES, decision)
    assert task.evaluate(targets, SCORES, decision)["f1_micro"] == pytest.approx(6 / 7)
    assert task.references() == {"test_at_0.5": Decision(0.5)}
    assert task.evaluate(targets, SCORES, Decision(0.5)) == multi_label.evaluate(targets, SCORES, 0.5)
    assert Decision(**json.loads(json.dumps(asdict(decision)))) == decision


def test_one_label_is_that_with_the_highest_score():
    task = SingleLabel(LABELS)
    targets = task.encode(DOCUMENTS).targets
    assert task.choose(targets, SCORES) == Decision()
    assert task.measure(targets, SCORES) == single_label.evaluate(targets, SCORES)
    assert task.references() == {}


def test_predictions_tables_and_answers():
    given, one = Decision(0.3), SingleLabel(LABELS)
    task = MultiLabel(LABELS)
    table = task.predictions(DOCUMENTS, SCORES, given)
    assert list(table) == ["id", "labels", "predicted", "scores"]
    assert table["predicted"].tolist() == [["a", "b"], ["a"], ["c"]]
    assert one.predictions(DOCUMENTS, SCORES, Decision())["predicted"].tolist() == [["b"], ["a"], ["c"]]
    tables = task.tables(task.encode(DOCUMENTS).targets, SCORES, given)
    assert tables["per_label"]["predicted"].tolist() == [2, 1, 1]
    assert len(tables["confusions"]) == 4
    probabilities = {name: float(score) for name, score in zip("abc", SCORES[0], strict=True)}
    assert task.answers(SCORES, given)[0] == Answer(("b", "a"), probabilities)
    assert one.answers(SCORES, Decision())[0] == Answer(("b",), probabilities)
