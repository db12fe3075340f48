"""What is asked of documents, and how an answer is judged: the only room that knows the form of targets.

A task of your own is a class that registers itself; see :mod:`patentlab.tasks.documents`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from patentlab.config import ExperimentConfig
from patentlab.config.registry import TASKS
from patentlab.corpus import Document, Examples, LabelSpace

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Decision:
    """How outputs become answers, chosen on validation documents alone.

    Attributes:
        threshold: An answer holds what scores at least this; None where the highest score decides.
        thresholds: Those at which single metrics are measured instead, by name: the threshold that is best for micro-F1
            says little of macro-F1.
    """

    threshold: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a trained run says of one text.

    Attributes:
        labels: Given to it, the likeliest first.
        probabilities: Of every label; where words are tagged, of the surest word of each type that was given.
        tags: Of its words, where they are tagged.
    """

    labels: tuple[str, ...]
    probabilities: Mapping[str, float]
    tags: tuple[str, ...] = ()


class Task(Protocol):
    """What is asked of documents.

    Targets and outputs are arrays whose first axis is documents; their form is the task's own affair.

    Attributes:
        name: As ``data.task`` has it.
        one_label: Whether a document keeps its main label alone.
        tags_words: Whether words are tagged.
        labels_documents: Whether documents are labelled; else labels are the types of tags.
        several: Whether each of several data sets has a task of its own.
        main_metric: What runs are compared by.
        monitors: Metrics that may choose an epoch and decisions.
        default_loss: What is minimised, where ``loss=null`` and the head has none of its own.
        labels: What is told apart.
        monitor: The metric that chooses an epoch and decisions.
    """

    name: ClassVar[str]
    one_label: ClassVar[bool]
    tags_words: ClassVar[bool]
    labels_documents: ClassVar[bool]
    several: ClassVar[bool]
    main_metric: ClassVar[str]
    monitors: ClassVar[tuple[str, ...]]
    default_loss: ClassVar[str]
    labels: LabelSpace
    monitor: str

    def encode(self, documents: Sequence[Document]) -> Examples:
        """Texts and targets of documents."""
        ...

    def measure(self, targets: Any, outputs: Any) -> dict[str, float]:
        """Metrics that choose an epoch: at the decisions that suit these very documents best."""
        ...

    def choose(self, targets: Any, outputs: Any) -> Decision:
        """How outputs become answers; of validation documents, never of test ones."""
        ...

    def evaluate(self, targets: Any, outputs: Any, decision: Decision) -> dict[str, float]:
        """Metrics under given decisions."""
        ...

    def references(self) -> Mapping[str, Decision]:
        """Decisions that were not chosen, which test documents are measured under too, by the set's name."""
        ...

    def tables(self, targets: Any, outputs: Any, decision: Decision) -> dict[str, pd.DataFrame]:
        """What became of each label, and what it was taken for, by the table's name."""
        ...

    def predictions(self, documents: Sequence[Document], outputs: Any, decision: Decision) -> pd.DataFrame:
        """A row a document: ``id``, what it has, what it was given, and its outputs."""
        ...

    def answers(self, outputs: Any, decision: Decision) -> list[Answer]:
        """What outputs say, text by text."""
        ...


def build_task(config: ExperimentConfig, labels: LabelSpace) -> Task:
    """The task that a configuration asks for.

    Args:
        config: ``data.task`` and ``trainer.monitor`` are used.
        labels: What is to be told apart.

    Returns:
        The task; it follows its own main metric where no other is to be monitored.
    """
    task: Task = TASKS.get(config.data.task)(labels, config.trainer.monitor)
    return task
