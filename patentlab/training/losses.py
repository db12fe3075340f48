"""Losses: of logits and targets, summed, so that the trainer can average over accumulated batches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits of shape ``(documents, labels)`` and targets → the sum over all targets."""


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum over documents and labels of −t log σ(x) − (1−t) log(1−σ(x)).

    Args:
        logits: Shape ``(documents, labels)``.
        targets: Floats of the same shape.

    Returns:
        A scalar.
    """
    return functional.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="sum")


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum over documents of −log softmax(x) at the target.

    Args:
        logits: Shape ``(documents, labels)``.
        targets: Label indices of shape ``(documents,)``.

    Returns:
        A scalar.
    """
    return functional.cross_entropy(logits.float(), targets, reduction="sum")


LOSSES: dict[str, Loss] = {"bce": binary_cross_entropy, "cross_entropy": cross_entropy}


def probabilities(logits: Tensor, loss: str) -> Tensor:
    """What a model's logits mean under the loss that it was trained with.

    Args:
        logits: Shape ``(documents, labels)``.
        loss: A key of ``LOSSES``.

    Returns:
        Softmax over the labels for cross-entropy, else each label's sigmoid.
    """
    return torch.softmax(logits.float(), dim=1) if loss == "cross_entropy" else torch.sigmoid(logits.float())
