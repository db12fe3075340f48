"""One label of two is an alarm: recall at a threshold that lets few false ones through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from patentlab.config import RequestError
from patentlab.config.registry import TASKS
from patentlab.corpus import LabelSpace
from patentlab.evaluation import classification, detection, single_label
from patentlab.evaluation.calibration import expected_calibration_error
from patentlab.protocols import Scores, Targets
from patentlab.tasks import Decision
from patentlab.tasks.documents import DocumentClassification


@TASKS.add("detection")
class Detection(DocumentClassification):
    """Benign or not, the alarm is the label that comes last by name; given where its probability reaches a threshold.

    Args:
        labels: Exactly two.
        monitor: The metric that chooses an epoch; None: recall.
    """

    name = "detection"
    one_label = True
    main_metric = "recall"
    monitors: ClassVar[tuple[str, ...]] = ("recall", "average_precision", "f1_micro", "f1_macro")
    default_loss = "cross_entropy"

    def __init__(self, labels: LabelSpace, monitor: str | None = None) -> None:
        if len(labels) != 2:
            raise RequestError(f"data.task=detection: tells two labels apart, and there are {len(labels)}")
        super().__init__(labels, monitor)

    def decide(self, outputs: Scores, decision: Decision) -> Targets:
        """The alarm where its score is at least the threshold, else the other label."""
        if decision.threshold is None:
            return single_label.decide(outputs)
        # in fp64, as the threshold: the next number above a score in fp32 would be rounded down to the score itself
        raised = (outputs[:, 1].astype(np.float64) >= decision.threshold).astype(np.int8)
        return np.stack([1 - raised, raised], axis=1)

    def measure(self, targets: Targets, outputs: Scores) -> dict[str, float]:
        """All metrics, at the threshold that suits these very documents best.

        Raises:
            RequestError: They have one label alone.
        """
        if len(present := np.unique(targets.argmax(axis=1))) < 2:
            only = self.labels.names[present[0]] if len(present) else "nothing"
            raise RequestError(
                f"data.task=detection: the validation set has {only} alone, and is to tell two labels apart; "
                "raise data.size or data.split.validation"
            )
        return super().measure(targets, outputs)

    def choose(self, targets: Targets, outputs: Scores) -> Decision:
        """The lowest threshold with at most 1% false alarms."""
        return Decision(detection.threshold_at(outputs[targets[:, 1] == 0, 1].astype(np.float64)))

    def evaluate(self, targets: Targets, outputs: Scores, decision: Decision) -> dict[str, float]:
        """Recall and false alarms at the threshold with intervals, and what one label a document is measured by."""
        from sklearn.metrics import average_precision_score

        decisions, positive = self.decide(outputs, decision), targets[:, 1].astype(np.bool_)
        right = np.asarray((single_label.decide(outputs) & targets).any(axis=1))
        found = detection.rates(decisions[:, 1].astype(np.bool_), positive)
        found["average_precision"] = float(average_precision_score(positive, outputs[:, 1])) if positive.any() else 0.0
        return {
            **found,
            **classification.evaluate(targets, decisions, outputs),
            "ece": expected_calibration_error(outputs.max(axis=1), right),
            "brier": single_label.brier_score(targets, outputs),
            **classification.unparsable(outputs),
        }

    def references(self) -> Mapping[str, Decision]:
        """The likelier label."""
        return {"test_at_0.5": Decision()}
