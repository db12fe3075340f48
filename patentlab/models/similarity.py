"""Logits from how alike a document's vector and those of the labels are."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CosineLayers(nn.Module):
    """A scale and a shift of the cosine between a document's vector and each label's.

    Args:
        width: Of the vectors.
        labels: Number of logits.
        scale: What cosines are multiplied by, before any training.
    """

    vectors: Tensor

    def __init__(self, width: int, labels: int, scale: float) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(labels, width))
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.shift = nn.Parameter(torch.zeros(()))

    def standardise(self, features: Tensor) -> None:
        """Nothing: cosines need no unit of measurement."""

    def centre(self) -> None:
        """Set the shift so that a document as near to a label as the labels are to each other has a logit of 0.

        Else a sigmoid of the scaled cosine is 1 for every label.
        """
        count = len(self.vectors)
        if count > 1:
            with torch.no_grad():
                unit = nn.functional.normalize(self.vectors.float(), dim=1)
                between = ((unit @ unit.T).sum() - count) / (count * (count - 1))
                self.shift.copy_(-between * self.log_scale.exp())

    def compare(self, features: Tensor, vectors: Tensor) -> Tensor:
        """Logits, in fp32.

        Args:
            features: Of documents, shape ``(documents, width)``.
            vectors: Of labels, shape ``(labels, width)``.

        Returns:
            Shape ``(documents, labels)``.
        """
        with torch.autocast(features.device.type, enabled=False):
            one, other = (nn.functional.normalize(part.float(), dim=1) for part in (features, vectors))
            return one @ other.T * self.log_scale.exp() + self.shift

    def forward(self, features: Tensor) -> Tensor:
        """Logits of documents beside the vectors that are kept, ``(documents, width)`` to ``(documents, labels)``."""
        return self.compare(features, self.vectors)
