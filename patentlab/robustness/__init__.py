"""What a trained run does with test documents that somebody has tampered with.

An evaluation of your own is a function that registers itself under the name that its file in ``conf/evaluate/`` has:

    @EVALUATIONS.add("typos", settings=TyposConfig)
    def typos(config, trained, progress):
        ...

What it returns is added to the metrics of the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from patentlab.config import ExperimentConfig
from patentlab.config.registry import EVALUATIONS
from patentlab.corpus import Document
from patentlab.protocols import Classifier, Progress
from patentlab.tasks import Decision, Task

Rates = dict[str, float]
Evaluation = Callable[[ExperimentConfig, "Trained", Progress], Mapping[str, Mapping[str, Any]]]
"""The run's configuration and what it trained → metrics by name: numbers, or numbers by name once more."""


@dataclass(frozen=True)
class Trained:
    """A run's classifier at the end of its training.

    Attributes:
        classifier: Trained.
        task: What was asked.
        decision: How outputs become answers, chosen on validation documents.
        test: Documents.
        outputs: Of these as they are, in the form of the task.
    """

    classifier: Classifier
    task: Task
    decision: Decision
    test: Sequence[Document]
    outputs: Any


def measure_also(
    config: ExperimentConfig,
    classifier: Classifier,
    task: Task,
    decision: Decision,
    test: Sequence[Document],
    outputs: Any,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Metrics of the test set beside those under the decision that was chosen.

    Args:
        config: ``evaluate`` names an evaluation.
        classifier: Trained.
        task: What was asked.
        decision: How outputs become answers, chosen on validation documents.
        test: Documents.
        outputs: Of these, in the form of the task.
        progress: Shows how far it is.

    Returns:
        Metrics under the task's references, by the set's name, and what the evaluation finds: by name, some of them by
        name once more.
    """
    targets = task.encode(test).targets
    found: dict[str, dict[str, Any]] = {
        name: task.evaluate(targets, outputs, reference) for name, reference in task.references().items()
    }
    evaluation: Evaluation = EVALUATIONS.get(config.evaluate.name)
    trained = Trained(classifier, task, decision, test, outputs)
    return found | {name: dict(metrics) for name, metrics in evaluation(config, trained, progress).items()}


@EVALUATIONS.add("none")
def nothing(config: ExperimentConfig, trained: Trained, progress: Progress) -> dict[str, dict[str, Any]]:
    """Nothing more."""
    return {}
