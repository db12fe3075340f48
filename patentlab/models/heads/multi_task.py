"""The head for several tasks: for each part of the data layers for its labels and for its tags, of one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patentlab.config import LossConfig, MultiTaskHeadConfig
from patentlab.config.registry import HEADS
from patentlab.corpus import Examples, as_array
from patentlab.losses import Loss, build_loss
from patentlab.losses.answer import IGNORED
from patentlab.losses.softmax import SoftmaxLoss
from patentlab.models.heads.joint import JointHead
from patentlab.models.heads.token import UNREAD, TokenHead, read_vectors
from patentlab.tasks import Task
from patentlab.tasks.multi_task import MultiTask, part_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from patentlab.models.batching import Item


@dataclass(frozen=True)
class Place:
    """Where the logits of a part stand, and its targets are numbered: among those of labels, and of tags.

    Attributes:
        labels: Empty where its documents have none.
        tags: Likewise.
    """

    labels: slice
    tags: slice


@HEADS.add("multi_task", settings=MultiTaskHeadConfig)
class MultiTaskHead(JointHead):
    """Logits have a row of labels, those of all parts side by side, then a row of tags a word, likewise.

    A document is learned from in its own part alone: no other part's layers have a gradient of it.
    """

    default_task: ClassVar[str] = "multi_task"
    several: ClassVar[bool] = True
    config: MultiTaskHeadConfig
    task: MultiTask

    def __init__(
        self, config: MultiTaskHeadConfig, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> None:
        super().__init__(config, task, tokenizer, max_length)
        self.places: dict[str, Place] = {}
        labels = tags = 0
        for name in self.task.parts:
            own = sum(part_of(label) == name for label in self.task.labels.names)
            types = sum(part_of(one) == name for one in self.task.labels.types)
            more = 2 * types + 1 if types else 0
            self.places[name] = Place(slice(labels, labels + own), slice(tags, tags + more))
            labels, tags = labels + own, tags + more
        self.sizes, self.even = (labels, tags), config.batches == "even"

    def layers(self, width: int) -> nn.Module:
        """One linear layer for each kind of answer of each part, or two where ``head.hidden`` is given."""
        from patentlab.models.linear import LinearLayers, RowsApart, SideBySide

        dropout, hidden = self.config.dropout or 0.0, self.config.hidden

        def side_by_side(sizes: Sequence[int]) -> nn.Module:
            return SideBySide([LinearLayers(width, size, dropout, hidden) for size in sizes if size])

        places = self.places.values()
        return RowsApart(*(side_by_side([size_of(at) for at in of]) for of in (
            [place.labels for place in places], [place.tags for place in places]
        )))  # fmt: skip

    def items(self, texts: Sequence[str]) -> list[Item]:
        """As of tags; without places of words where no part has any."""
        items = super().items(texts)
        return items if self.sizes[1] else [_without_words(item) for item in items]

    def examples(self, examples: Examples, loss: Loss, *, training: bool) -> list[Item]:
        """Items with ``part``, and the numbers of label and tags among those of all parts; -100 for what it lacks."""
        found = []
        for item, row in zip(super().items(examples.texts), examples.targets, strict=True):
            column = next(column for column, target in enumerate(row) if target is not None)
            name = list(self.places)[column]
            label, tags = self._numbers(name, row[column])
            if tags is None:
                item = _without_words(item)
            read = item["words"] != UNREAD
            words = np.full(len(read), IGNORED) if tags is None else np.where(read, tags, IGNORED)
            labels = np.concatenate([[IGNORED if label is None else label], words]).astype(np.int64)
            found.append({**item, "labels": labels, "part": column})
        return found

    def _numbers(self, name: str, target: Any) -> tuple[int | None, NDArray[Any] | None]:
        """Of a target in the form of its part's task."""
        task, place = self.task.parts[name], self.places[name]
        if not task.tags_words:
            return place.labels.start + int(target.argmax()), None
        if not task.labels_documents:
            return None, place.tags.start + np.asarray(target)
        return place.labels.start + int(target[0]), place.tags.start + np.asarray(target[1])

    def parts(self, items: Sequence[Item]) -> NDArray[np.int64]:
        """The part of each item, as of :meth:`examples`."""
        return np.array([item["part"] for item in items], dtype=np.int64)

    def _of_parts(
        self, targets: NDArray[Any]
    ) -> dict[str, tuple[NDArray[np.int8] | None, NDArray[np.int8] | None, int]]:
        """Of each part zeros and ones of labels, those of all words, and how many documents it has."""
        found = {}
        for column, (name, place) in enumerate(self.places.items()):
            own = [self._numbers(name, target) for target in targets[:, column] if target is not None]
            labels = [label - place.labels.start for label, _ in own if label is not None]
            tags = [numbers - place.tags.start for _, numbers in own if numbers is not None]
            found[name] = (
                np.eye(size_of(place.labels), dtype=np.int8)[labels] if labels else None,
                np.eye(size_of(place.tags), dtype=np.int8)[np.concatenate(tags)] if tags else None,
                len(own),
            )
        return found

    def start(self, layers: Any, targets: NDArray[Any]) -> None:
        """Labels and tags of each part are predicted at their shares in it."""
        import torch

        for name, (labels, words, _) in self._of_parts(targets).items():
            for part, ones in zip(self._layers_of(layers, name), (labels, words), strict=True):
                if part is not None and ones is not None:
                    part.start_from_shares(torch.from_numpy(ones.mean(axis=0, dtype=np.float32)))

    def _layers_of(self, layers: Any, name: str) -> tuple[Any, Any]:
        """Of a part's labels and of its tags; None where it has none."""

        def of(side: Any, kind: str) -> Any:
            having = [one for one, place in self.places.items() if size_of(getattr(place, kind))]
            return side.parts[having.index(name)] if name in having else None

        return of(layers.first, "labels"), of(layers.others, "tags")

    def standardise(self, layers: Any, items: Sequence[Item]) -> None:
        """Vectors of each part's documents, and of their words, each by themselves."""
        import torch

        for column, name in enumerate(self.places):
            own = [item for item in items if item["part"] == column]
            rows = [item["features"][:1] for item in own], read_vectors(own, self.before_words)
            for part, vectors in zip(self._layers_of(layers, name), rows, strict=True):
                if part is not None and vectors:
                    part.standardise(torch.from_numpy(np.concatenate(vectors)))

    def loss(self, config: LossConfig, targets: NDArray[Any] | None) -> Loss:
        """That which was asked for, of labels and of tags of each part."""
        return _OfParts(config, self, None if targets is None else self._of_parts(targets))

    def outputs(self, logits: Tensor, items: Sequence[Item] | None, loss: Loss) -> NDArray[Any]:
        """Probabilities of all parts, each in the form of its task: shape ``(documents, parts)``, of objects."""
        found = np.empty((len(logits), len(self.places)), dtype=object)
        for column, (name, place) in enumerate(self.places.items()):
            task = self.task.parts[name]
            labels = loss.probabilities(logits[:, 0, place.labels]).numpy()
            words = TokenHead.outputs(self, logits[:, 1:, place.tags], items, loss) if task.tags_words else labels
            for row in range(len(logits)):
                found[row, column] = words[row] if task.tags_words else labels[row]
                if task.tags_words and task.labels_documents:
                    both = np.empty(2, dtype=object)
                    both[0], both[1] = labels[row], words[row]
                    found[row, column] = both
        return as_array(list(found))


def size_of(place: slice) -> int:
    """How many logits stand there."""
    return int(place.stop - place.start)


def _without_words(item: Item) -> Item:
    return {**item, "words": np.zeros(0, dtype=np.int64), "rows": 1}


class _OfParts(SoftmaxLoss):
    """The sum over documents, each weighted as its part is, so that a step's mean is one over documents.

    A document with a label alone has the loss of it. One with tags alone has theirs, added up and divided by the mean
    number of words of its part's training documents; one with both has both, by ``head.label_share``.
    """

    per_document = True

    def __init__(self, config: LossConfig, head: MultiTaskHead, ones: dict[str, tuple[Any, Any, int]] | None) -> None:
        super().__init__(config)
        self.of_labels: list[tuple[slice, float, Loss]] = []
        self.of_tags: list[tuple[slice, float, Loss]] = []
        for name, place in head.places.items():
            labels, words, documents = (None, None, 0) if ones is None else ones[name]
            weight = float(head.config.weights.get(name, 1.0))
            share = head.config.label_share if size_of(place.labels) and size_of(place.tags) else 1.0
            if size_of(place.labels):
                self.of_labels.append((place.labels, weight * share, build_loss(config, labels)))
            if size_of(place.tags):
                length = 1.0 if words is None else len(words) / max(documents, 1)
                rest = 1 - share if size_of(place.labels) else 1.0
                self.of_tags.append((place.tags, weight * rest / length, build_loss(config, words)))

    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Of logits of shape ``(documents, 1 + words, labels or tags)``."""
        total = logits.sum() * 0.0
        for rows, own, parts in (
            (logits[:, :1], targets[:, :1], self.of_labels), (logits[:, 1:], targets[:, 1:], self.of_tags)
        ):  # fmt: skip
            for place, weight, loss in parts:
                chosen = (own >= place.start) & (own < place.stop)
                if bool(chosen.any()):
                    total = total + weight * loss(rows[..., place][chosen], own[chosen] - place.start)
        return total
