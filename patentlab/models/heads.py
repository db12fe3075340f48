"""The embedding head: one vector a document, pooled by the attention mask, and one or two linear layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from patentlab.models.backbones import counts_positions


def pool(hidden: Tensor, mask: Tensor, how: str) -> Tensor:
    """Pool hidden states over the tokens of each document, padding excluded on whichever side it is.

    Positions come from the attention mask alone: where the padding token is also the end token, its id says nothing.

    Args:
        hidden: Shape ``(documents, tokens, width)``.
        mask: Ones at tokens, zeros at padding; shape ``(documents, tokens)``.
        how: ``last`` or ``cls`` (the first token), ``mean`` or ``max``.

    Returns:
        Shape ``(documents, width)``.

    Raises:
        ValueError: There is no such pooling.
    """
    if how in ("last", "cls"):
        position = mask.long() * torch.arange(1, mask.shape[1] + 1, device=mask.device)
        index = position.argmax(dim=1) if how == "last" else mask.long().argmax(dim=1)
        return hidden[torch.arange(len(hidden), device=hidden.device), index]
    inside = mask.unsqueeze(-1).bool()
    if how == "mean":
        # summed in fp32: bf16 sums over hundreds of tokens lose digits
        total = hidden.float().masked_fill(~inside, 0.0).sum(dim=1)
        return (total / inside.sum(dim=1).clamp(min=1)).to(hidden.dtype)
    if how == "max":
        return hidden.masked_fill(~inside, torch.finfo(hidden.dtype).min).max(dim=1).values
    raise ValueError(f"no pooling {how!r}; allowed are last, mean, max and cls")


class EmbeddingHead(nn.Module):
    """Standardisation by fixed statistics, dropout, and one or two linear layers to one logit a label.

    The statistics are zeros and ones until :meth:`standardise` sets them from training features.

    Args:
        width: Of the pooled vector.
        labels: Number of logits.
        dropout: Probability, in training; before each linear layer.
        hidden: Width of a first layer (with GELU), None for a linear head.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, width: int, labels: int, dropout: float, hidden: int | None = None) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.dropout = nn.Dropout(dropout)
        first = nn.Linear(width, hidden or labels)
        self.hidden = nn.Sequential(first, nn.GELU(), nn.Dropout(dropout)) if hidden else None
        self.linear = nn.Linear(hidden, labels) if hidden else first

    def standardise(self, features: Tensor) -> None:
        """Fix the statistics: afterwards the given features have mean 0 and variance 1 in each dimension.

        Args:
            features: Pooled vectors of training documents, shape ``(documents, width)``.
        """
        self.shift.copy_(features.mean(dim=0))
        spread = features.std(dim=0, correction=0)
        # dimensions that hardly vary (all of them, for one document) are left at their scale
        self.scale.copy_(torch.where(spread > 1e-6, 1.0 / spread.clamp(min=1e-6), torch.ones_like(spread)))

    def start_from_frequencies(self, frequencies: Tensor) -> None:
        """Set the bias so that, before any training, each label is predicted at its frequency.

        With dozens of rare labels, a bias of 0 would have to be unlearned first (Lin et al. 2017, section 3.3).

        Args:
            frequencies: Share of training documents with each label, shape ``(labels,)``.
        """
        with torch.no_grad():
            self.linear.bias.copy_(torch.logit(frequencies.clamp(1e-3, 1 - 1e-3)))

    def start_from(self, weight: Tensor, bias: Tensor) -> None:
        """Make a linear head the classifier that was fitted on features as they come.

        Args:
            weight: Shape ``(labels, width)``.
            bias: Shape ``(labels,)``.
        """
        with torch.no_grad():
            # the head standardises first: (x − shift) · scale · w' + b' = x · w + b
            standardised = weight.to(self.scale) / self.scale
            self.linear.weight.copy_(standardised)
            self.linear.bias.copy_(bias.to(self.shift) + weight.to(self.shift) @ self.shift)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of pooled vectors: ``(documents, width)`` to ``(documents, labels)``, in fp32."""
        with torch.autocast(features.device.type, enabled=False):  # it would compute logits in bf16
            standardised = self.dropout((features.float() - self.shift) * self.scale)
            logits: Tensor = self.linear(standardised if self.hidden is None else self.hidden(standardised))
        return logits


class PooledClassifier(nn.Module):
    """A backbone, pooling, and a head.

    Args:
        backbone: A transformer without a task head, adapter included.
        head: Of the backbone's width.
        pooling: As in :func:`pool`.
    """

    def __init__(self, backbone: nn.Module, head: EmbeddingHead, pooling: str) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.pooling = pooling
        # Absolute positions must start at the first token, wherever the padding is; RoBERTa's family counts by itself.
        self.counts_positions = counts_positions(backbone)

    def embed(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Pooled vectors of token batches of shape ``(documents, tokens)``: ``(documents, width)``."""
        options: dict[str, Any] = {}
        if not self.counts_positions and not bool(attention_mask[:, 0].all()):  # padded on the left
            options["position_ids"] = (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask, **options).last_hidden_state
        return pool(hidden, attention_mask, self.pooling)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Logits of token batches; ``labels`` is accepted for the trainer, which computes the loss itself."""
        return {"logits": self.head(self.embed(input_ids, attention_mask))}


class FeatureClassifier(nn.Module):
    """A head alone, on features that were computed before.

    Args:
        head: Of the features' width.
    """

    def __init__(self, head: EmbeddingHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Logits of features of shape ``(documents, width)``; ``labels`` as in :class:`PooledClassifier`."""
        return {"logits": self.head(features)}
