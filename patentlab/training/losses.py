"""Losses: of logits and targets, summed, so that the trainer can average over accumulated batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from patentlab.config import LossConfig
from patentlab.protocols import Targets

SINGLE_LABEL = ("cross_entropy", "weighted_cross_entropy")


@dataclass(frozen=True)
class Loss:
    """One loss with its settings; call it with logits and targets.

    Attributes:
        config: Which, and its settings.
        weight: A weight per label, shape ``(labels,)``: of positives (binary losses), or of documents (cross-entropy).
    """

    config: LossConfig
    weight: Tensor | None = None

    @classmethod
    def of(cls, config: LossConfig, targets: Targets) -> Loss:
        """The loss that a configuration describes, with what it takes from the training documents.

        Args:
            config: The loss group.
            targets: Of the training documents, zeros and ones of shape ``(documents, labels)``.
        """
        if not config.name.startswith("weighted_"):
            return cls(config)
        balance = balanced_weights if config.name in SINGLE_LABEL else positive_weights
        power = 1.0 if config.power is None else config.power
        largest = np.inf if config.max_weight is None else config.max_weight
        return cls(config, torch.as_tensor(balance(targets, power, largest)))

    @property
    def single(self) -> bool:
        """Whether it takes label indices, for tasks with exactly one label a document."""
        return self.config.name in SINGLE_LABEL

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The sum over all targets.

        Args:
            logits: Shape ``(documents, labels)``.
            targets: Floats of the same shape; label indices of shape ``(documents,)`` where :attr:`single`.

        Returns:
            A scalar.
        """
        if logits.dtype != torch.double:
            logits = logits.float()
        weight = None if self.weight is None else self.weight.to(logits)
        if self.single:
            return functional.cross_entropy(logits, targets, weight, reduction="sum")
        targets = targets.to(logits)
        if self.config.name == "focal":
            return focal(logits, targets, self.config.gamma or 0.0, self.config.alpha)
        if self.config.name == "asymmetric":
            config = self.config
            return asymmetric(logits, targets, config.gamma or 0.0, config.gamma_negative or 0.0, config.clip or 0.0)
        return functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight, reduction="sum")

    def probabilities(self, logits: Tensor) -> Tensor:
        """What logits mean: softmax over the labels where :attr:`single`, else each label's sigmoid.

        Args:
            logits: Shape ``(documents, labels)``.

        Returns:
            The same shape, in fp32 or better.
        """
        logits = logits if logits.dtype == torch.double else logits.float()
        return torch.softmax(logits, dim=1) if self.single else torch.sigmoid(logits)


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
    log_probability = functional.logsigmoid(logits)
    positive = -torch.exp(gamma_positive * functional.logsigmoid(-logits)) * log_probability
    shifted = (torch.sigmoid(logits) - clip).clamp(min=0)
    if clip > 0:
        # the clamp keeps the power's gradient finite; where shifted is 0 the factor log(1 − 0) is 0 as well
        negative = -(shifted.clamp(min=1e-8) ** gamma_negative) * torch.log1p(-shifted)
    else:
        negative = torch.exp(gamma_negative * log_probability) * functional.softplus(logits)
    return (targets * positive + (1 - targets) * negative).sum()


def positive_weights(targets: Targets, power: float = 1.0, max_weight: float = np.inf) -> np.ndarray:
    """Weights that make each label's positives count as much as its negatives.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        power: Of the ratio; 1 balances fully, 0 not at all.
        max_weight: Larger weights are cut to this, as are those of labels without a positive.

    Returns:
        (negatives / positives) ** power, shape ``(labels,)``.
    """
    positives = targets.sum(axis=0, dtype=np.float64)
    ratio = (len(targets) - positives) / np.maximum(positives, 1)
    return np.asarray(np.minimum(ratio**power, max_weight))


def balanced_weights(targets: Targets, power: float = 1.0, max_weight: float = np.inf) -> np.ndarray:
    """Weights that make each class count the same, as scikit-learn's ``class_weight="balanced"``.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``, one 1 a row.
        power: Of the weight; 1 balances fully, 0 not at all.
        max_weight: Larger weights are cut to this.

    Returns:
        (documents / (classes · documents of the class)) ** power, shape ``(labels,)``, where only classes that occur
        are counted; 1 for the others.
    """
    counts = targets.sum(axis=0, dtype=np.float64)
    present = counts > 0
    weights = np.ones(len(counts))
    weights[present] = len(targets) / (present.sum() * counts[present])
    return np.asarray(np.minimum(weights**power, max_weight))
