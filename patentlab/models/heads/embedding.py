"""The embedding head: one vector a document, pooled by the attention mask, and one or two linear layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patentlab.config import HeadConfig
from patentlab.config.registry import HEADS
from patentlab.models.heads import Head
from patentlab.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from patentlab.models.linear import LinearLayers
    from patentlab.models.network import Network


@HEADS.add("embedding")
@HEADS.add("two_layer")
class EmbeddingHead(Head):
    """A logit a label, of the pooled vector."""

    linear: ClassVar[bool] = True
    pooling: str

    def __init__(self, config: HeadConfig, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        super().__init__(config, task, tokenizer, max_length)
        self.pooling = config.pooling or "mean"

    def layers(self, width: int) -> nn.Module:
        """One linear layer, or two where ``head.hidden`` is given."""
        from patentlab.models.linear import LinearLayers

        return LinearLayers(width, len(self.task.labels), self.config.dropout or 0.0, self.config.hidden)

    def logits(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """Shape ``(documents, labels)``."""
        from patentlab.models.pooling import pool

        hidden = network.hidden(**batch)
        logits: Tensor = network.head(pool(hidden, batch["attention_mask"], self.pooling))
        return logits

    def start(self, layers: LinearLayers, targets: NDArray[Any]) -> None:
        """Predict each label at its frequency."""
        import torch

        layers.start_from_frequencies(torch.as_tensor(targets.mean(axis=0, dtype=np.float64)))
