"""Distillation: a student learns what a teacher says of its documents, and their labels (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patentlab.config import LossConfig
from patentlab.config.bounds import bounded
from patentlab.config.registry import LOSSES
from patentlab.corpus import Examples
from patentlab.losses import Loss, at_least_fp32

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class DistillationConfig(LossConfig):
    """Settings of distillation.

    Attributes:
        teacher: The folder of a finished run on the same documents.
        temperature: What logits are divided by before teacher and student are held against each other.
        hard_share: Of the labels, in the loss; the rest is the teacher's.
    """

    teacher: str | None = None
    temperature: float = bounded(2.0, above=0)
    hard_share: float = bounded(0.5, least=0, most=1)

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from super().check()
        if self.teacher is None:
            yield f"loss.teacher=null: must be the folder of a finished run for loss={self.name}"


@LOSSES.add("distillation", settings=DistillationConfig)
class Distillation(Loss):
    """Cross-entropy with the labels, and with a teacher's probabilities at a temperature.

    The teacher's part is multiplied by the square of the temperature, so that its gradients do not shrink with it
    (Hinton et al. 2015, section 2). Where documents have several labels, each is taken by itself.
    """

    index = False
    config: DistillationConfig

    def encode(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Labels alone: their indices where documents have one, shape ``(documents,)``; else floats."""
        return np.asarray(targets.argmax(axis=1)) if self.one_label else targets.astype(np.float32)

    def encode_examples(self, examples: Examples) -> NDArray[Any]:
        """Labels and the teacher's probabilities, shape ``(documents, 2, labels)``; labels alone without a teacher.

        Documents without labels have NaN in their place.
        """
        if examples.soft is None:
            return self.encode(examples.targets)
        hard = np.where(examples.has_labels[:, None], examples.targets, np.nan)
        return np.stack([hard, examples.soft], axis=1).astype(np.float32)

    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The sum over documents; with a teacher so that its mean over all targets is that of one loss.

        Args:
            logits: Shape ``(documents, labels)``.
            targets: As encoded.

        Returns:
            A scalar.
        """
        if targets.ndim < 3:
            return self._hard(logits, targets)
        hard, soft = targets[:, 0], targets[:, 1]
        share, labels = self.config.hard_share, targets.shape[2]
        known = ~hard.isnan().any(dim=1)
        right = hard[known].argmax(dim=1) if self.one_label else hard[known]
        total = share * self._hard(logits[known], right) + (1 - share) * self._soft(logits[known], soft[known])
        total = total + self._soft(logits[~known], soft[~known])
        # the trainer divides by the number of targets, which here are twice the labels of each document
        return total * (2 * labels if self.one_label else 2)

    def _hard(self, logits: Tensor, targets: Tensor) -> Tensor:
        from torch.nn import functional

        if self.one_label:
            return functional.cross_entropy(logits, targets.long(), reduction="sum")
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum")

    def _soft(self, logits: Tensor, taught: Tensor) -> Tensor:
        import torch
        from torch.nn import functional

        temperature = self.config.temperature
        taught = taught.clamp(1e-6, 1 - 1e-6)
        if self.one_label:
            goal = torch.softmax(taught.log() / temperature, dim=1)
            found = torch.log_softmax(logits / temperature, dim=1)
            apart = functional.kl_div(found, goal, reduction="sum")
        else:
            goal = torch.sigmoid(torch.logit(taught) / temperature)
            apart = functional.binary_cross_entropy_with_logits(logits / temperature, goal, reduction="sum")
            apart = apart - functional.binary_cross_entropy(goal, goal, reduction="sum")
        return apart * temperature**2

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax where documents have one label, else each label's sigmoid."""
        import torch

        logits = at_least_fp32(logits)
        return torch.softmax(logits, dim=1) if self.one_label else torch.sigmoid(logits)
