"""Tags of words: each word has one, and entities are what runs of them say (IOB2).

Targets are an array of arrays: of each document, the tag's number of every word. Outputs are likewise probabilities of
shape ``(words, tags)``; a word that was not read (cut off, or without a token) has NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patentlab.config.registry import TASKS
from patentlab.corpus import OUTSIDE, Document, Examples, LabelSpace, as_array, is_real
from patentlab.evaluation import tagging
from patentlab.tasks import Answer, Decision

if TYPE_CHECKING:
    import pandas as pd


@TASKS.add("tagging")
class Tagging:
    """A tag a word, that with the highest probability.

    Args:
        labels: The types of entities.
        monitor: The metric that chooses an epoch; None: the main one.
    """

    name: ClassVar[str] = "tagging"
    one_label: ClassVar[bool] = False
    tags_words: ClassVar[bool] = True
    labels_documents: ClassVar[bool] = False
    several: ClassVar[bool] = False
    main_metric: ClassVar[str] = "f1_micro"
    monitors: ClassVar[tuple[str, ...]] = ("f1_micro", "f1_macro", "token_accuracy")
    default_loss: ClassVar[str] = "cross_entropy"

    def __init__(self, labels: LabelSpace, monitor: str | None = None) -> None:
        self.labels = labels
        self.monitor = monitor or self.main_metric
        self.tags = (OUTSIDE, *(f"{letter}-{name}" for name in labels.names for letter in "BI"))

    def encode(self, documents: Sequence[Document]) -> Examples:
        """Texts, with the numbers of their words' tags."""
        number = {tag: index for index, tag in enumerate(self.tags)}
        targets = [np.array([number[tag] for tag in document.tags], dtype=np.int64) for document in documents]
        added = np.array([not is_real(document) for document in documents], dtype=np.bool_)
        return Examples([document.text for document in documents], as_array(targets), added)

    def measure(self, targets: Any, outputs: Any) -> dict[str, float]:
        """All metrics."""
        return self.evaluate(targets, outputs, self.choose(targets, outputs))

    def choose(self, targets: Any, outputs: Any) -> Decision:
        """Nothing is to be chosen."""
        return Decision()

    def decide(self, outputs: Any) -> list[list[str]]:
        """The tags of each document's words; ``O`` of a word that was not read."""
        return [[self.tags[number] for number in _likeliest(rows)] for rows in outputs]

    def evaluate(self, targets: Any, outputs: Any, decision: Decision) -> dict[str, float]:
        """As :func:`patentlab.evaluation.tagging.evaluate`, with shares of words, and documents, not (wholly) read."""
        true, given = self.named(targets), self.decide(outputs)
        unread = [np.isnan(rows).any(axis=1) for rows in outputs]
        return tagging.evaluate(true, given, self.labels.names) | {
            "unread_words": float(np.concatenate(unread).mean()) if unread else 0.0,
            "partly_read": float(np.mean([rows.any() for rows in unread])) if unread else 0.0,
            **tagging.unparsable(true, given, outputs),
        }

    def references(self) -> Mapping[str, Decision]:
        """None."""
        return {}

    def tables(self, targets: Any, outputs: Any, decision: Decision) -> dict[str, pd.DataFrame]:
        """``per_label`` and ``confusions`` of entities, as of :mod:`patentlab.evaluation.tagging`."""
        true, given = self.named(targets), self.decide(outputs)
        return {
            "per_label": tagging.per_type(true, given, self.labels.names),
            "confusions": tagging.confusions(true, given),
        }

    def predictions(self, documents: Sequence[Document], outputs: Any, decision: Decision) -> pd.DataFrame:
        """A row a document: ``id, words, tags, predicted``, and ``scores``, the probabilities of the tags given."""
        import pandas as pd

        return pd.DataFrame(
            {
                "id": [document.id for document in documents],
                "words": [document.text.split() for document in documents],
                "tags": [list(document.tags) for document in documents],
                "predicted": self.decide(outputs),
                "scores": [_best(rows) for rows in outputs],
            }
        )

    def answers(self, outputs: Any, decision: Decision) -> list[Answer]:
        """The types in each text, their best word's probability, and the tags of its words."""
        found = []
        for rows, tags in zip(outputs, self.decide(outputs), strict=True):
            best: dict[str, float] = {}
            for tag, score in zip(tags, _best(rows), strict=True):
                if tag != OUTSIDE:
                    best[tag[2:]] = max(best.get(tag[2:], 0.0), float(score))
            found.append(Answer(tuple(sorted(best, key=lambda name: -best[name])), best, tuple(tags)))
        return found

    def named(self, targets: Any) -> list[list[str]]:
        """Tags of numbers."""
        return [[self.tags[number] for number in row] for row in targets]


def _likeliest(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers of tags, of outputs of shape ``(words, tags)``; 0, which is ``O``, where a word was not read."""
    return np.where(np.isnan(rows), -1.0, rows).argmax(axis=1) if len(rows) else np.zeros(0, dtype=np.int64)


def _best(rows: NDArray[Any]) -> list[float]:
    """The probability of each word's likeliest tag; NaN where it was not read."""
    return [float(value) for value in rows.max(axis=1)] if len(rows) else []
