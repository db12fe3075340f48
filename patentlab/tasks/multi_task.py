"""Several tasks: each document is of one data set, and is asked what that one asks.

Targets are an array of shape ``(documents, parts)``: in the column of a document's part its target in the form of that
part's task, None in the others. Outputs are likewise, with something in every column: a text is answered for all parts,
and measured in its own alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patentlab.config.registry import TASKS
from patentlab.corpus import OUTSIDE, PART_END, Document, Examples, LabelSpace, as_array, is_real
from patentlab.tasks import Answer, Decision
from patentlab.tasks.documents import SingleLabel
from patentlab.tasks.joint import Joint
from patentlab.tasks.tagging import Tagging

if TYPE_CHECKING:
    import pandas as pd

    from patentlab.tasks import Task

_SHARED = ("f1_micro", "f1_macro")  # metrics whose mean over parts is the whole's


@TASKS.add("multi_task")
class MultiTask:
    """A task for each part.

    Args:
        labels: Of documents, and types of tagged words, each with its part's name before it.
        monitor: The metric that chooses an epoch; None: the main one, the mean over parts.

    Attributes:
        parts: The tasks by name: labels, tags of words, or both, as the label space has them.
    """

    name: ClassVar[str] = "multi_task"
    one_label: ClassVar[bool] = True
    tags_words: ClassVar[bool] = True
    labels_documents: ClassVar[bool] = True
    several: ClassVar[bool] = True
    main_metric: ClassVar[str] = "f1_micro"
    monitors: ClassVar[tuple[str, ...]] = _SHARED  # and those of parts, under their names
    default_loss: ClassVar[str] = "cross_entropy"

    def __init__(self, labels: LabelSpace, monitor: str | None = None) -> None:
        self.labels = labels
        self.monitor = monitor or self.main_metric
        self.parts = {name: _task(name, labels) for name in sorted({*map(part_of, (*labels.names, *labels.types))})}

    def encode(self, documents: Sequence[Document]) -> Examples:
        """Texts, with the target of each document in the column of its part."""
        targets = np.full((len(documents), len(self.parts)), None, dtype=object)
        for column, (name, task) in enumerate(self.parts.items()):
            rows = [row for row, document in enumerate(documents) if document.part == name]
            _put(targets, rows, column, task.encode([documents[row] for row in rows]).targets)
        added = np.array([not is_real(document) for document in documents], dtype=np.bool_)
        return Examples([document.text for document in documents], targets, added)

    def measure(self, targets: Any, outputs: Any) -> dict[str, float]:
        """All metrics."""
        return self.evaluate(targets, outputs, self.choose(targets, outputs))

    def choose(self, targets: Any, outputs: Any) -> Decision:
        """Nothing is to be chosen."""
        return Decision()

    def evaluate(self, targets: Any, outputs: Any, decision: Decision) -> dict[str, float]:
        """Metrics of each part, on its own documents.

        Returns:
            ``f1_micro`` and ``f1_macro``: the means over parts; all of each part under its name, ``first_f1_micro``.
        """
        found = {
            name: task.evaluate(own, given, decision) for name, task, own, given in self._measured(targets, outputs)
        }
        whole = {metric: float(np.mean([one[metric] for one in found.values()])) for metric in _SHARED}
        return whole | {f"{name}_{metric}": value for name, one in found.items() for metric, value in one.items()}

    def references(self) -> Mapping[str, Decision]:
        """None."""
        return {}

    def tables(self, targets: Any, outputs: Any, decision: Decision) -> dict[str, pd.DataFrame]:
        """As of labels and tags at once, a row a label or type of any part, in whose column ``part`` it stands."""
        import pandas as pd

        tables: dict[str, list[pd.DataFrame]] = {}
        for name, task, own, given in self._measured(targets, outputs):
            for table, rows in task.tables(own, given, decision).items():
                called = table if task.labels_documents else _OF_TAGS[table]
                tables.setdefault(called, []).append(rows.assign(part=name))
        return {table: pd.concat(parts, ignore_index=True) for table, parts in tables.items()}

    def predictions(self, documents: Sequence[Document], outputs: Any, decision: Decision) -> pd.DataFrame:
        """A row a document: ``id, part`` and what its part's task has, tags as of labels and tags at once."""
        import pandas as pd

        tables = []
        for column, (name, task) in enumerate(self.parts.items()):
            rows = [row for row, document in enumerate(documents) if document.part == name]
            if rows:
                given = as_array(list(outputs[rows, column]))
                table = task.predictions([documents[row] for row in rows], given, decision).assign(part=name)
                if not task.labels_documents:
                    table = table.rename(columns={"predicted": "predicted_tags", "scores": "tag_scores"})
                tables.append(table.set_index(pd.Index(rows)))
        whole = pd.concat(tables).sort_index()
        whole.insert(1, "part", whole.pop("part"))
        # what a part's documents do not have is missing, not NaN
        return whole.astype(object).where(whole.notna(), None)

    def answers(self, outputs: Any, decision: Decision) -> list[Answer]:
        """The label of each part, and tags of words; of several parts those of a word stand side by side."""
        each = [
            (task, task.answers(as_array(list(outputs[:, column])), decision))
            for column, task in enumerate(self.parts.values())
        ]
        return [_one_answer([(task, answers[row]) for task, answers in each]) for row in range(len(outputs))]

    def _measured(self, targets: Any, outputs: Any) -> Iterator[tuple[str, Task, NDArray[Any], NDArray[Any]]]:
        """Each part with the targets and outputs of its documents, in the form of its task."""
        for column, (name, task) in enumerate(self.parts.items()):
            own = np.array([target is not None for target in targets[:, column]], dtype=np.bool_)
            if own.any():
                yield name, task, as_array(list(targets[own, column])), as_array(list(outputs[own, column]))


_OF_TAGS = {"per_label": "per_type", "confusions": "type_confusions"}


def part_of(name: str) -> str:
    """The part that a label or type is of."""
    return name.partition(PART_END)[0]


def _task(part: str, labels: LabelSpace) -> Task:
    """What is asked of a part's documents."""
    names, types = (tuple(n for n in all_ if part_of(n) == part) for all_ in (labels.names, labels.types))
    if names and types:
        return Joint(replace(labels, names=names, types=types))
    return SingleLabel(replace(labels, names=names, types=())) if names else Tagging(LabelSpace(types))


def _put(array: NDArray[Any], rows: Sequence[int], column: int, values: Any) -> None:
    """Put a value, itself an array, into each row of a column."""
    for row, value in zip(rows, values, strict=True):
        array[row, column] = value


def _one_answer(parts: Sequence[tuple[Task, Answer]]) -> Answer:
    tagged = [answer.tags for task, answer in parts if task.tags_words]
    words = (" ".join(tag for tag in of_word if tag != OUTSIDE) or OUTSIDE for of_word in zip(*tagged, strict=True))
    labels = tuple(label for task, answer in parts if task.labels_documents for label in answer.labels)
    return Answer(labels, {name: p for _, answer in parts for name, p in answer.probabilities.items()}, tuple(words))
