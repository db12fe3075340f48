"""The label-similarity head: the cosine between a document's vector and those of the labels' titles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from patentlab.config import LabelSimilarityHeadConfig
from patentlab.config.registry import HEADS
from patentlab.language_models.verbalisers import words_for
from patentlab.models.heads import Head
from patentlab.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from patentlab.models.network import Network
    from patentlab.models.similarity import CosineLayers


@HEADS.add("label_similarity", settings=LabelSimilarityHeadConfig)
class LabelSimilarityHead(Head):
    """Answers without any training; a scale and a shift of the cosine, and the backbone with its adapter, may learn."""

    answers_untrained: ClassVar[bool] = True
    pooling: str
    config: LabelSimilarityHeadConfig

    def __init__(
        self, config: LabelSimilarityHeadConfig, task: Task, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> None:
        super().__init__(config, task, tokenizer, max_length)
        self.pooling = config.pooling or "mean"
        self.words = tuple(words_for(task.labels, config.verbaliser))

    def layers(self, width: int) -> nn.Module:
        """A scale, a shift, and the labels' vectors."""
        from patentlab.models.similarity import CosineLayers

        return CosineLayers(width, len(self.task.labels), self.config.scale)

    def see(self, layers: CosineLayers, vectors: Callable[[Sequence[str]], NDArray[Any]]) -> None:
        """Keep the vectors of the labels."""
        import torch

        layers.vectors.copy_(torch.as_tensor(vectors(self.words)))

    def start(self, layers: CosineLayers, targets: NDArray[Any]) -> None:
        """Set the shift."""
        layers.centre()

    def logits(self, network: Network, batch: Mapping[str, Tensor]) -> Tensor:
        """Shape ``(documents, labels)``; the labels' vectors are those of the backbone as it stands."""
        from patentlab.models.pooling import pool

        layers: Any = network.head
        labels = {name: tensor.to(batch["input_ids"].device) for name, tensor in self._batch_of_labels().items()}
        documents, titles = (
            pool(network.hidden(**part), part["attention_mask"], self.pooling) for part in (batch, labels)
        )
        logits: Tensor = layers.compare(documents, titles)
        return logits

    def _batch_of_labels(self) -> dict[str, Tensor]:
        return self.collate(self.items(self.words))
