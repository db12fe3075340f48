"""Losses that take each label by itself: its probability is the sigmoid of its logit."""

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


class BinaryLoss(Loss):
    """A float per label, and sigmoids."""

    index = False

    def encode(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Floats of the same shape."""
        return targets.astype(np.float32)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Each label's sigmoid."""
        import torch

        return torch.sigmoid(at_least_fp32(logits))


@LOSSES.add("bce")
class BinaryCrossEntropy(BinaryLoss):
    """Binary cross-entropy."""

    weight: NDArray[np.float64] | None = None

    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The sum over all pairs of document and label, positives weighted where there are weights."""
        import torch

        weight = None if self.weight is None else torch.as_tensor(self.weight).to(logits)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight, reduction="sum")


@LOSSES.add("weighted_bce")
class WeightedBinaryCrossEntropy(BinaryCrossEntropy):
    """Binary cross-entropy in which a label's positives count as much as its negatives, or part of the way."""

    def __init__(self, config: LossConfig, targets: NDArray[Any] | None = None) -> None:
        super().__init__(config, targets)
        if targets is not None:
            self.weight = positive_weights(targets, config.power, config.max_weight)


@LOSSES.add("focal")
class Focal(BinaryLoss):
    """What is easy counts less."""

    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """As :func:`focal`."""
        return focal(logits, targets, self.config.gamma or 0.0, self.config.alpha)


@LOSSES.add("asymmetric")
class Asymmetric(BinaryLoss):
    """Easy negatives count less, very easy ones not at all."""

    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """As :func:`asymmetric`."""
        config = self.config
        return asymmetric(logits, targets, config.gamma or 0.0, config.gamma_negative or 0.0, config.clip or 0.0)


def focal(logits: Tensor, targets: Tensor, gamma: float, alpha: float | None) -> Tensor:
    """Focal loss, summed: −alpha (1 − p)^gamma log p, p the probability of what is true (Lin et al. 2017, equation 5).

    Args:
        logits: Shape ``(documents, labels)``.
        targets: Zeros and ones of the same shape.
        gamma: How much less what is easy counts; 0 gives cross-entropy.
        alpha: Weight of positives, 1 − alpha that of negatives; None weighs neither.

    Returns:
        A scalar.
    """
    import torch
    from torch.nn import functional

    entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    sign = 2 * targets - 1
    # (1 − p) is the sigmoid of the logit with its sign turned; the power's gradient is not finite at 0
    values = torch.exp(gamma * functional.logsigmoid(-sign * logits)) * entropy
    if alpha is not None:
        values = values * (alpha * targets + (1 - alpha) * (1 - targets))
    return values.sum()


def asymmetric(logits: Tensor, targets: Tensor, gamma_positive: float, gamma_negative: float, clip: float) -> Tensor:
    """Asymmetric loss, summed (Ridnik et al. 2021, equations 4 to 7).

    −(1 − p)^gamma_positive log p for positives, −m^gamma_negative log(1 − m) with m = max(p − clip, 0) for negatives:
    easy negatives, of which a document has dozens, count less, and very easy ones not at all.

    Args:
        logits: Shape ``(documents, labels)``.
        targets: Zeros and ones of the same shape.
        gamma_positive: How much less easy positives count.
        gamma_negative: How much less easy negatives count.
        clip: The probability up to which a negative is not looked at.

    Returns:
        A scalar.
    """
    import torch
    from torch.nn import functional

    log_probability = functional.logsigmoid(logits)
    positive = -torch.exp(gamma_positive * functional.logsigmoid(-logits)) * log_probability
    shifted = (torch.sigmoid(logits) - clip).clamp(min=0)
    if clip > 0:
        # the clamp keeps the power's gradient finite; where shifted is 0 the factor log(1 − 0) is 0 as well
        negative = -(shifted.clamp(min=1e-8) ** gamma_negative) * torch.log1p(-shifted)
    else:
        negative = torch.exp(gamma_negative * log_probability) * functional.softplus(logits)
    return (targets * positive + (1 - targets) * negative).sum()


def positive_weights(
    targets: Targets, power: float | None = None, max_weight: float | None = None
) -> NDArray[np.float64]:
    """Weights that make each label's positives count as much as its negatives.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        power: Of the ratio; 1 (or None) balances fully, 0 not at all.
        max_weight: Larger weights are cut to this, as are those of labels without a positive.

    Returns:
        (negatives / positives) ** power, shape ``(labels,)``.
    """
    positives = targets.sum(axis=0, dtype=np.float64)
    return softened((len(targets) - positives) / np.maximum(positives, 1), power, max_weight)
