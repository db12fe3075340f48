"""The loss of a model that writes its answer: of the answer's own tokens alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patentlab.config.registry import LOSSES
from patentlab.losses import Loss, at_least_fp32

if TYPE_CHECKING:
    from torch import Tensor

IGNORED = -100  # the label of a place that is not learned from, as transformers and torch have it


@LOSSES.add("answer")
class AnswerLoss(Loss):
    """Cross-entropy over the vocabulary, of the tokens of the right answer.

    Attributes:
        apart: Whether labels are asked about one by one: then scores, of validation documents, are log-odds each.
        written: Whether validation documents have what was written of them, and no scores: then they have no loss.
    """

    index = False
    tokens = True
    apart: bool = False
    written: bool = False

    def encode(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Floats of the same shape, for validation documents: those have scores of labels, not of tokens."""
        return targets.astype(np.float32)

    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The sum over all tokens of the answers.

        Args:
            logits: Of tokens, shape ``(documents, tokens, vocabulary)``; or scores of labels,
                ``(documents, labels)``.
            targets: Token ids, ``-100`` where none is learned; or zeros and ones of the scores' shape.

        Returns:
            A scalar; of scores of labels their cross-entropy with the right labels, binary where :attr:`apart`; no
            number where they were :attr:`written`.
        """
        import torch

        if logits.ndim == 2 and self.written:
            return logits.new_tensor(float("nan"))
        if logits.ndim == 2 and self.apart:
            return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
        if logits.ndim == 2:
            return -(torch.log_softmax(logits, dim=1) * targets).sum()
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.long().flatten(), ignore_index=IGNORED, reduction="sum"
        )

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax over the labels' scores."""
        import torch

        return torch.softmax(at_least_fp32(logits), dim=1)
