"""Labels of whole documents: several each, or exactly one. Targets and outputs are documents × labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from patentlab.config.registry import TASKS
from patentlab.corpus import Document, Examples, LabelSpace, is_real
from patentlab.evaluation import classification, multi_label, single_label
from patentlab.protocols import Scores, Targets
from patentlab.tasks import Answer, Decision

if TYPE_CHECKING:
    import pandas as pd


class DocumentClassification(ABC):
    """What both have in common.

    Args:
        labels: The columns of targets and scores.
        monitor: The metric that chooses an epoch and decisions; None: the main one.
    """

    name: ClassVar[str]
    one_label: ClassVar[bool]
    tags_words: ClassVar[bool] = False
    labels_documents: ClassVar[bool] = True
    several: ClassVar[bool] = False
    main_metric: ClassVar[str] = "f1_micro"
    monitors: ClassVar[tuple[str, ...]] = ("f1_micro", "f1_macro")
    default_loss: ClassVar[str]

    def __init__(self, labels: LabelSpace, monitor: str | None = None) -> None:
        self.labels = labels
        self.monitor = monitor or self.main_metric

    def encode(self, documents: Sequence[Document]) -> Examples:
        """Texts, with zeros and ones of shape ``(documents, labels)``."""
        added = np.array([not is_real(document) for document in documents], dtype=np.bool_)
        return Examples([document.text for document in documents], self.labels.encode(documents), added)

    def measure(self, targets: Targets, outputs: Scores) -> dict[str, float]:
        """All metrics, at the decisions that suit these very documents best."""
        return self.evaluate(targets, outputs, self.choose(targets, outputs))

    @abstractmethod
    def decide(self, outputs: Scores, decision: Decision) -> Targets:
        """Zeros and ones of shape ``(documents, labels)``."""

    @abstractmethod
    def choose(self, targets: Targets, outputs: Scores) -> Decision:
        """How scores become labels; of validation documents, never of test ones."""

    @abstractmethod
    def evaluate(self, targets: Targets, outputs: Scores, decision: Decision) -> dict[str, float]:
        """All metrics under given decisions."""

    def references(self) -> Mapping[str, Decision]:
        """None."""
        return {}

    def tables(self, targets: Targets, outputs: Scores, decision: Decision) -> dict[str, pd.DataFrame]:
        """``per_label`` and ``confusions``, as of :mod:`patentlab.evaluation.classification`."""
        decisions = self.decide(outputs, decision)
        return {
            "per_label": classification.per_label(targets, decisions, self.labels.names),
            "confusions": classification.confusions(targets, decisions, self.labels.names),
        }

    def predictions(self, documents: Sequence[Document], outputs: Scores, decision: Decision) -> pd.DataFrame:
        """A row a document: ``id, labels, predicted, scores``."""
        import pandas as pd

        predicted = self.labels.decode(self.decide(outputs, decision))
        return pd.DataFrame(
            {
                "id": [document.id for document in documents],
                "labels": [list(document.labels) for document in documents],
                "predicted": [list(names) for names in predicted],
                "scores": list(outputs),
            }
        )

    def answers(self, outputs: Scores, decision: Decision) -> list[Answer]:
        """The labels that each text is given, and the probability of every label."""
        found = []
        for row, given in zip(outputs, self.decide(outputs, decision).astype(bool), strict=True):
            ranked = [column for column in np.argsort(-row, kind="stable") if given[column]]
            probabilities = {name: float(value) for name, value in zip(self.labels.names, row, strict=True)}
            found.append(Answer(tuple(self.labels.names[column] for column in ranked), probabilities))
        return found


@TASKS.add("multi_label")
class MultiLabel(DocumentClassification):
    """Any number of labels a document, given at one threshold for all of them."""

    name = "multi_label"
    one_label = False
    default_loss = "bce"

    def decide(self, outputs: Scores, decision: Decision) -> Targets:
        """Labels with a score of at least the threshold."""
        threshold = multi_label.DEFAULT_THRESHOLD if decision.threshold is None else decision.threshold
        return multi_label.decide(outputs, threshold)

    def choose(self, targets: Targets, outputs: Scores) -> Decision:
        """The threshold at which the monitored metric is best, and those at which each of them is."""
        best = {name: multi_label.choose_threshold(targets, outputs, name) for name in self.monitors}
        return Decision(best[self.monitor], best)

    def evaluate(self, targets: Targets, outputs: Scores, decision: Decision) -> dict[str, float]:
        """As :func:`patentlab.evaluation.multi_label.evaluate`."""
        threshold = multi_label.DEFAULT_THRESHOLD if decision.threshold is None else decision.threshold
        return multi_label.evaluate(targets, outputs, threshold, decision.thresholds)

    def references(self) -> Mapping[str, Decision]:
        """The threshold that probabilities mean."""
        return {"test_at_0.5": Decision(multi_label.DEFAULT_THRESHOLD)}


@TASKS.add("single_label")
class SingleLabel(DocumentClassification):
    """Exactly one label a document: that with the highest score."""

    name = "single_label"
    one_label = True
    default_loss = "cross_entropy"

    def decide(self, outputs: Scores, decision: Decision) -> Targets:
        """The label with the highest score."""
        return single_label.decide(outputs)

    def choose(self, targets: Targets, outputs: Scores) -> Decision:
        """Nothing is to be chosen."""
        return Decision()

    def evaluate(self, targets: Targets, outputs: Scores, decision: Decision) -> dict[str, float]:
        """As :func:`patentlab.evaluation.single_label.evaluate`."""
        return single_label.evaluate(targets, outputs)
