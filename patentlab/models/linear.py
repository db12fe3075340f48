"""One or two linear layers on one vector a document."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LinearLayers(nn.Module):
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

    def start_from_shares(self, shares: Tensor) -> None:
        """The same where exactly one of the logits is right: before any training, each at its share.

        Args:
            shares: Of what is to be learned from, shape ``(logits,)``.
        """
        with torch.no_grad():
            self.linear.bias.copy_(shares.clamp(min=1e-4).log())

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


class SideBySide(nn.Module):
    """Layers that read the same vectors, with their logits one behind the other.

    Args:
        parts: Any number, none too.
    """

    def __init__(self, parts: Sequence[LinearLayers]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of vectors: ``(…, width)`` to ``(…, logits of all)``."""
        found = [part(features) for part in self.parts]
        return torch.cat(found, dim=-1) if found else features.new_zeros(*features.shape[:-1], 0, dtype=torch.float32)


class RowsApart(nn.Module):
    """Layers for the first row of a document's vectors, and others for all that follow.

    Args:
        first: Of the first row.
        others: Of the others.
    """

    def __init__(self, first: nn.Module, others: nn.Module) -> None:
        super().__init__()
        self.first, self.others = first, others

    def forward(self, features: Tensor) -> Tensor:
        """:meth:`both` of vectors of shape ``(documents, rows, width)``."""
        return self.both(features[:, 0], features[:, 1:])

    def both(self, first: Tensor, others: Tensor) -> Tensor:
        """Logits of shape ``(documents, rows, most logits of either)``; those that a row lacks are -1e9.

        Args:
            first: Shape ``(documents, width)``.
            others: Shape ``(documents, other rows, width)``.
        """
        logits = self.first(first).unsqueeze(1), self.others(others)
        most = max(part.shape[-1] for part in logits)
        return torch.cat([nn.functional.pad(part, (0, most - part.shape[-1]), value=-1e9) for part in logits], dim=1)


class VocabularyLayer(nn.Linear):
    """The layer that predicts tokens, in fp32 whatever its weights are: in bf16, logits from 16 on are eighths."""

    @classmethod
    def replace(cls, model: nn.Module) -> None:
        """Have a model's own layer compute so; its weights, and their tie to the embeddings, stay.

        Args:
            model: Of transformers.
        """
        layer = model.get_output_embeddings()  # type: ignore[operator]
        if type(layer) is nn.Linear:
            layer.__class__ = cls

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits of hidden states: ``(…, width)`` to ``(…, vocabulary)``."""
        with torch.autocast(hidden.device.type, enabled=False):
            bias = None if self.bias is None else self.bias.float()
            return nn.functional.linear(hidden.float(), self.weight.float(), bias)


class FeatureClassifier(nn.Module):
    """Layers alone, on vectors that were computed before.

    Args:
        layers: Of the vectors' width.
    """

    def __init__(self, layers: LinearLayers) -> None:
        super().__init__()
        self.head = layers

    def forward(self, features: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Logits of vectors of shape ``(documents, width)``; ``labels`` is accepted for the trainer."""
        return {"logits": self.head(features)}
