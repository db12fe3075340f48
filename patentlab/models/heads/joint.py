"""The joint head: one vector a document for its label, one a word for its tag, of one forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patentlab.config import JointHeadConfig, LossConfig
from patentlab.config.registry import HEADS
from patentlab.corpus import Examples, as_pairs
from patentlab.losses import Loss, build_loss
from patentlab.losses.answer import IGNORED
from patentlab.losses.softmax import SoftmaxLoss
from patentlab.models.heads.token import UNREAD, TokenHead, read_vectors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from patentlab.models.batching import Item
    from patentlab.models.network import Network


@HEADS.add("joint", settings=JointHeadConfig)
class JointHead(TokenHead):
    """Layers as of the embedding head, and as of the token head; logits have a row of labels, then a row a word."""

    default_task: ClassVar[str] = "joint"
    labels_documents: ClassVar[bool] = True
    before_words: ClassVar[int] = 1
    layers_of: ClassVar[Mapping[str, str]] = {"first": "embedding", "others": "token"}
    config: JointHeadConfig

    @property
    def types(self) -> tuple[str, ...]:
        """Of tags."""
        return self.task.labels.types

    def layers(self, width: int) -> nn.Module:
        """Those of both."""
        from patentlab.models.linear import LinearLayers, RowsApart

        dropout, hidden = self.config.dropout or 0.0, self.config.hidden
        sizes = len(self.task.labels), self.classes
        return RowsApart(*(LinearLayers(width, size, dropout, hidden) for size in sizes))

    def examples(self, examples: Examples, loss: Loss, *, training: bool) -> list[Item]:
        """Items with the label's number, then those of the tags; -100 for words that are not read."""
        return [
            {**item, "labels": np.concatenate([[number], np.where(item["words"] == UNREAD, IGNORED, tags)])}
            for item, (number, tags) in zip(self.items(examples.texts), examples.targets, strict=True)
        ]

    def start(self, layers: Any, targets: NDArray[Any]) -> None:
        """Labels and tags are predicted at their shares."""
        import torch

        for part, ones in zip((layers.first, layers.others), self._both(targets), strict=True):
            part.start_from_shares(torch.from_numpy(ones.mean(axis=0, dtype=np.float32)))

    def loss(self, config: LossConfig, targets: NDArray[Any] | None) -> Loss:
        """That which was asked for, of both."""
        labels, words = (None, None) if targets is None else self._both(targets)
        length = 1.0 if labels is None or words is None else len(words) / max(len(labels), 1)
        return _Both(config, build_loss(config, labels), build_loss(config, words), self, length)

    def _both(self, targets: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Zeros and ones of labels, and of all words."""
        numbers = targets[:, 0].astype(int)
        return np.eye(len(self.task.labels), dtype=np.int8)[numbers], self._one_hot(targets[:, 1])

    def standardise(self, layers: Any, items: Sequence[Item]) -> None:
        """Vectors of documents and of words, each by themselves."""
        import torch

        layers.first.standardise(torch.from_numpy(np.stack([item["features"][0] for item in items])))
        layers.others.standardise(torch.from_numpy(np.concatenate(read_vectors(items, self.before_words))))

    def word_vectors(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """The document's vector, then those of its words: shape ``(documents, 1 + words, width)``."""
        import torch

        first, others = self._read(network, batch)
        return torch.cat([first.unsqueeze(1), others], dim=1)

    def _read(self, network: Network, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        from patentlab.models.pooling import pool

        first, others = network.hidden_of_parts(batch["input_ids"], batch["attention_mask"], len(self.layers_of))
        pooled = pool(first, batch["attention_mask"], self.config.pooling or "mean")
        return pooled, self.at_words(others, batch["words"])

    def logits(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """Shape ``(documents, 1 + words, labels or tags)``."""
        logits: Tensor = network.head.both(*self._read(network, batch))  # type: ignore[operator]
        return logits

    def outputs(self, logits: Tensor, items: Sequence[Item] | None, loss: Loss) -> NDArray[Any]:
        """Probabilities of labels, and of each document's words: an array of two columns."""
        labels = loss.probabilities(logits[:, 0, : len(self.task.labels)]).numpy()
        tags = super().outputs(logits[:, 1:, : self.classes], items, loss)
        return as_pairs(list(labels), list(tags))


class _Both(SoftmaxLoss):
    """The mean over documents of the label's loss and the mean over words of the tags', weighted.

    The trainer divides by the number of targets of a step, 1 + words a document. So that it is the same however a step
    is cut into batches, the weights take the mean number of words of the training documents.
    """

    def __init__(self, config: LossConfig, of_labels: Loss, of_tags: Loss, head: JointHead, length: float) -> None:
        super().__init__(config)
        self.weights = head.config.label_share * (1 + length), (1 - head.config.label_share) * (1 + length) / length
        self.of_labels, self.of_tags = of_labels, of_tags
        self.sizes = len(head.task.labels), head.classes

    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Of logits of shape ``(documents, 1 + words, labels or tags)``."""
        labels, tags = self.sizes
        of_labels = self.of_labels(logits[:, 0, :labels], targets[:, 0])
        of_tags = self.of_tags(logits[:, 1:, :tags], targets[:, 1:])
        return self.weights[0] * of_labels + self.weights[1] * of_tags
