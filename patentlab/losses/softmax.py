"""Losses over labels of which a document has exactly one, or tags of which a word has: probabilities add up to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patentlab.config import LossConfig
from patentlab.config.registry import LOSSES
from patentlab.losses import Loss, at_least_fp32, softened
from patentlab.protocols import Targets

if TYPE_CHECKING:
    from torch import Tensor


class SoftmaxLoss(Loss):
    """The index of the one label, and a softmax."""

    index = True

    def encode(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Label indices of shape ``(documents,)``."""
        return np.asarray(targets.argmax(axis=1))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax over the labels."""
        import torch

        return torch.softmax(at_least_fp32(logits), dim=-1)


@LOSSES.add("cross_entropy")
class CrossEntropy(SoftmaxLoss):
    """Cross-entropy."""

    weight: NDArray[np.float64] | None = None

    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The sum over all documents, or over words with a tag each; weighted by these where there are weights."""
        import torch

        weight = None if self.weight is None else torch.as_tensor(self.weight).to(logits)
        if logits.ndim > 2:
            logits, targets = logits.flatten(0, -2), targets.flatten()
        return torch.nn.functional.cross_entropy(logits, targets, weight, reduction="sum")


@LOSSES.add("weighted_cross_entropy")
class WeightedCrossEntropy(CrossEntropy):
    """Cross-entropy in which every class counts the same, or part of the way."""

    def __init__(self, config: LossConfig, targets: NDArray[Any] | None = None) -> None:
        super().__init__(config, targets)
        if targets is not None:
            self.weight = balanced_weights(targets, config.power, config.max_weight)


def balanced_weights(
    targets: Targets, power: float | None = None, max_weight: float | None = None
) -> NDArray[np.float64]:
    """Weights that make each class count the same, as scikit-learn's ``class_weight="balanced"``.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``, one 1 a row.
        power: Of the weight; 1 (or None) balances fully, 0 not at all.
        max_weight: Larger weights are cut to this.

    Returns:
        (documents / (classes · documents of the class)) ** power, shape ``(labels,)``, where only classes that occur
        are counted; 1 for the others.
    """
    counts = targets.sum(axis=0, dtype=np.float64)
    present = counts > 0
    weights = np.ones(len(counts))
    weights[present] = len(targets) / (present.sum() * counts[present])
    return softened(weights, power, max_weight)
