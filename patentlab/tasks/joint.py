"""A label and tags: each document has one label, and each of its words a tag.

Targets have two columns: the label's number, and the tags' numbers of the words, as of :mod:`patentlab.tasks.tagging`.
Outputs have two likewise: the probabilities of labels, and those of tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from patentlab.config.registry import TASKS
from patentlab.corpus import Document, Examples, LabelSpace, as_array, as_pairs
from patentlab.tasks import Answer, Decision
from patentlab.tasks.documents import SingleLabel
from patentlab.tasks.tagging import Tagging

if TYPE_CHECKING:
    import pandas as pd

_SHARED = ("f1_micro", "f1_macro")  # metrics whose mean over both parts is the whole's
_OF_LABELS = ("accuracy", "map_macro", "ece")
_OF_TAGS = ("precision_micro", "recall_micro", "token_accuracy", "unread_words", "partly_read")
_WRITTEN = ("unparsable", "unparsable_pieces", "f1_micro_written")  # of what was written alone


@TASKS.add("joint")
class Joint:
    """Both at once.

    Args:
        labels: Of documents; ``types`` are those of tags.
        monitor: The metric that chooses an epoch; None: the main one, the mean of both parts'.
    """

    name: ClassVar[str] = "joint"
    one_label: ClassVar[bool] = True
    tags_words: ClassVar[bool] = True
    labels_documents: ClassVar[bool] = True
    several: ClassVar[bool] = False
    main_metric: ClassVar[str] = "f1_micro"
    monitors: ClassVar[tuple[str, ...]] = (
        *_SHARED,
        *(f"{part}_{name}" for part in ("label", "tag") for name in _SHARED),
        "accuracy",
    )
    default_loss: ClassVar[str] = "cross_entropy"

    def __init__(self, labels: LabelSpace, monitor: str | None = None) -> None:
        self.labels = labels
        self.monitor = monitor or self.main_metric
        self.of_labels = SingleLabel(labels)
        self.of_tags = Tagging(LabelSpace(labels.types))

    def encode(self, documents: Sequence[Document]) -> Examples:
        """Texts, with the numbers of their labels and of their words' tags."""
        labelled, tagged = self.of_labels.encode(documents), self.of_tags.encode(documents)
        return replace(tagged, targets=as_pairs(list(labelled.targets.argmax(axis=1)), list(tagged.targets)))

    def measure(self, targets: Any, outputs: Any) -> dict[str, float]:
        """All metrics."""
        return self.evaluate(targets, outputs, self.choose(targets, outputs))

    def choose(self, targets: Any, outputs: Any) -> Decision:
        """Nothing is to be chosen."""
        return Decision()

    def evaluate(self, targets: Any, outputs: Any, decision: Decision) -> dict[str, float]:
        """Metrics of both parts.

        Returns:
            ``f1_micro`` and ``f1_macro``: the means of both parts'; those of each as ``label_…`` and ``tag_…``, with
            more of either; ``accuracy``: documents whose label and tags are all right.
        """
        (zeros_and_ones, tags), (scores, tag_scores) = self._parts(targets, outputs)
        of_labels = self.of_labels.evaluate(zeros_and_ones, scores, decision)
        of_tags = self.of_tags.evaluate(tags, tag_scores, decision)
        right = (self.of_labels.decide(scores, decision) == zeros_and_ones).all(axis=1)
        given = self.of_tags.decide(tag_scores)
        whole = [list(own) == other for own, other in zip(self.of_tags.named(tags), given, strict=True)]
        return {
            **{name: (of_labels[name] + of_tags[name]) / 2 for name in _SHARED},
            "accuracy": float(np.mean(right & np.array(whole))),
            **{f"label_{name}": of_labels[name] for name in (*_SHARED, *_OF_LABELS)},
            **{f"tag_{name}": of_tags[name] for name in (*_SHARED, *_OF_TAGS)},
            **{f"label_{name}": of_labels[name] for name in _WRITTEN if name in of_labels},
            **{f"tag_{name}": of_tags[name] for name in _WRITTEN if name in of_tags},
        }

    def references(self) -> Mapping[str, Decision]:
        """None."""
        return {}

    def tables(self, targets: Any, outputs: Any, decision: Decision) -> dict[str, pd.DataFrame]:
        """``per_label`` and ``confusions`` of labels; ``per_type`` and ``type_confusions`` of entities."""
        (zeros_and_ones, tags), (scores, tag_scores) = self._parts(targets, outputs)
        of_tags = self.of_tags.tables(tags, tag_scores, decision)
        return {
            **self.of_labels.tables(zeros_and_ones, scores, decision),
            "per_type": of_tags["per_label"],
            "type_confusions": of_tags["confusions"],
        }

    def predictions(self, documents: Sequence[Document], outputs: Any, decision: Decision) -> pd.DataFrame:
        """A row a document: as of labels, with ``words, tags, predicted_tags, tag_scores``."""
        scores, tag_scores = _columns(outputs)
        table = self.of_labels.predictions(documents, scores, decision)
        tagged = self.of_tags.predictions(documents, tag_scores, decision)
        table[["words", "tags"]] = tagged[["words", "tags"]]
        table[["predicted_tags", "tag_scores"]] = tagged[["predicted", "scores"]]
        return table

    def answers(self, outputs: Any, decision: Decision) -> list[Answer]:
        """The label of each text, and the tags of its words."""
        scores, tag_scores = _columns(outputs)
        labelled, tagged = self.of_labels.answers(scores, decision), self.of_tags.answers(tag_scores, decision)
        return [replace(one, tags=other.tags) for one, other in zip(labelled, tagged, strict=True)]

    def _parts(self, targets: Any, outputs: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Targets and outputs in the forms of the two tasks."""
        numbers, tags = _columns(targets)
        return (np.eye(len(self.labels), dtype=np.int8)[numbers], tags), _columns(outputs)


def _columns(pairs: Any) -> tuple[Any, Any]:
    """What is of labels, in one array, and what is of tags."""
    return np.array(list(pairs[:, 0])), as_array(list(pairs[:, 1]))
