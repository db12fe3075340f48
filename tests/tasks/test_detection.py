"""The task of raising an alarm."""

import numpy as np
import pytest

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.tasks import Decision, build_task
from patentlab.tasks.detection import Detection

LABELS = LabelSpace(("benign", "injection"))
TASK = Detection(LABELS)


def scores(*alarms: float) -> np.ndarray:
    return np.array([[1 - alarm, alarm] for alarm in alarms])


def targets(*positive: int) -> np.ndarray:
    return np.array([[1 - one, one] for one in positive], dtype=np.int8)


def test_data_of_injections_ask_for_it():
    config = compose("data=injection")
    task = build_task(config, LABELS)
    assert isinstance(task, Detection)
    assert (config.trainer.monitor, task.main_metric, config.loss.name) == ("recall", "recall", "cross_entropy")
    assert compose("data=injection", "data.task=single_label", "evaluate=none").trainer.monitor == "f1_micro"


def test_the_threshold_comes_from_benign_documents_alone():
    benign = np.linspace(0, 0.5, 200)
    outputs = scores(*benign, 0.6, 0.55, 0.1)
    asked = targets(*[0] * 200, 1, 1, 1)
    decision = TASK.choose(asked, outputs)
    assert decision == TASK.choose(np.concatenate([asked, targets(1)]), np.concatenate([outputs, scores(0.9)]))
    found = TASK.evaluate(asked, outputs, decision)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["false_alarms"] == pytest.approx(2 / 200)
    assert found["recall_low"] < found["recall"] < found["recall_high"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_more_benign_documents_are_alarms_than_may_be_in_any_precision(dtype: type):
    draw = np.random.default_rng(0)
    for count in (67, 500, 900):
        outputs: np.ndarray = scores(*draw.random(count)).astype(dtype)
        asked = targets(*[0] * count)
        asked[-1] = (0, 1)
        benign = outputs[:-1, 1]
        decision = TASK.choose(asked, outputs)
        raised = TASK.decide(outputs, decision)[:-1, 1].sum()
        assert raised == (count - 1) // 100 == (benign.astype(np.float64) >= (decision.threshold or 0)).sum()
    same: np.ndarray = np.full((200, 2), 0.5, dtype=dtype)
    asked = targets(*[0] * 199, 1)
    assert TASK.evaluate(asked, same, TASK.choose(asked, same))["false_alarms"] == 0


def test_a_validation_set_of_one_label_is_refused():
    with pytest.raises(RequestError, match="the validation set has benign alone"):
        TASK.measure(targets(0, 0), scores(0.1, 0.9))


def test_decisions_follow_the_threshold_or_the_likelier_label():
    outputs = scores(0.4, 0.6, 0.9)
    assert TASK.decide(outputs, Decision(0.9))[:, 1].tolist() == [0, 0, 1]
    assert TASK.decide(outputs, Decision())[:, 1].tolist() == [0, 1, 1]
    assert [answer.labels for answer in TASK.answers(outputs, Decision(0.9))] == [
        ("benign",),
        ("benign",),
        ("injection",),
    ]
    assert dict(TASK.references()) == {"test_at_0.5": Decision()}


def test_sets_without_injections_or_without_benign_documents_are_measured_too():
    only = TASK.evaluate(targets(0, 0), scores(0.1, 0.9), Decision(0.5))
    assert (only["false_alarms"], only["average_precision"]) == (0.5, 0.0)
    assert "recall" not in only
    assert "false_alarms" not in TASK.evaluate(targets(1), scores(0.1), Decision(0.5))


def test_documents_become_two_columns():
    examples = TASK.encode([Document("1", "one", ("injection",)), Document("2", "two", ("benign",))])
    assert examples.targets.tolist() == [[0, 1], [1, 0]]


def test_other_than_two_labels_are_refused():
    with pytest.raises(RequestError, match="tells two labels apart, and there are 3"):
        Detection(LabelSpace(("a", "b", "c")))
