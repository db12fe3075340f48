"""Contrastive tuning: vectors of documents with the same labels are drawn together, others apart.

The first of the two steps of SetFit (Tunstall et al. 2022, https://arxiv.org/abs/2209.11055); the second, a linear
classifier on the tuned vectors, is fitted by :mod:`patentlab.classifiers.contrastive`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patentlab.config.registry import LOSSES
from patentlab.losses import Loss, at_least_fp32

if TYPE_CHECKING:
    from torch import Tensor


@LOSSES.add("contrastive")
class Contrastive(Loss):
    """The squared distance of two vectors' cosine from the overlap (Jaccard) of their labels, over pairs of a batch.

    With one label a document the overlap is 1 or 0: the loss of SetFit, on all pairs of a batch instead of drawn ones.
    Pairs with and without a label in common weigh the same in all, as SetFit draws them.
    """

    index = False
    compares: ClassVar[bool] = True

    def encode(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Floats of the same shape."""
        return targets.astype(np.float32)

    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over the pairs of a batch, times the number of its targets, since the trainer divides by these.

        Args:
            logits: Vectors, shape ``(documents, width)``.
            targets: Zeros and ones, shape ``(documents, labels)``.

        Returns:
            A scalar; 0 for a single document.
        """
        import torch

        unit = torch.nn.functional.normalize(logits, dim=1)
        first, second = torch.triu_indices(len(unit), len(unit), offset=1, device=unit.device)
        shared = targets @ targets.T
        sizes = targets.sum(dim=1)
        overlap = (shared / (sizes[:, None] + sizes[None, :] - shared).clamp(min=1))[first, second]
        apart = ((unit @ unit.T)[first, second] - overlap).square()
        kinds = [apart[chosen] for chosen in (overlap > 0, overlap == 0) if bool(chosen.any())]
        mean = torch.stack([kind.mean() for kind in kinds]).mean() if kinds else logits.sum() * 0
        return mean * targets.numel()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Of the classifier on the tuned vectors: softmax where documents have one label, else each label's sigmoid."""
        import torch

        logits = at_least_fp32(logits)
        return torch.softmax(logits, dim=1) if self.one_label else torch.sigmoid(logits)
