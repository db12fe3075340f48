"""What training minimises: of logits and targets, summed, so that the trainer can average over accumulated batches.

A loss of your own is a class that registers itself under the name that its file in ``conf/loss/`` has:

    @LOSSES.add("smoothed_bce", settings=SmoothedConfig)
    class Smoothed(BinaryLoss):
        def total(self, logits, targets): ...

``settings`` is a dataclass that extends :class:`patentlab.config.LossConfig` by what only this loss has. Torch is
imported where it is used: that a name is known is checked before anything heavy is loaded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patentlab.config import LossConfig
from patentlab.config.registry import LOSSES
from patentlab.corpus import Examples

if TYPE_CHECKING:
    from torch import Tensor


class Loss(ABC):
    """One loss with its settings; call it with logits and targets.

    Args:
        config: Its settings.
        targets: Of the training documents, zeros and ones of shape ``(documents, labels)``, from which some losses
            take weights; None where nothing is to be trained.

    Attributes:
        index: Whether it takes the index of the one label that a document has, and not a float a label.
        tokens: Whether it takes the tokens of an answer, and not labels.
        compares: Whether it takes vectors, and compares them; a linear classifier on them is fitted afterwards.
        one_label: Whether documents have exactly one, where that is known.
        per_document: Whether a step is averaged over its documents, and not over all that they are asked.
    """

    one_label: bool = False
    index: ClassVar[bool]
    tokens: ClassVar[bool] = False
    compares: ClassVar[bool] = False
    per_document: ClassVar[bool] = False

    def __init__(self, config: LossConfig, targets: NDArray[Any] | None = None) -> None:
        self.config = config

    @abstractmethod
    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The sum over all targets.

        Args:
            logits: Shape ``(documents, labels)``, in fp32 or better.
            targets: As :meth:`encode` made them, floats in the precision of the logits.

        Returns:
            A scalar.
        """

    @abstractmethod
    def encode(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Targets in the form that the loss takes.

        Args:
            targets: Zeros and ones of shape ``(documents, labels)``.

        Returns:
            Floats of the same shape; where :attr:`index`, label indices of shape ``(documents,)``.
        """

    def encode_examples(self, examples: Examples) -> NDArray[Any]:
        """What is learned from, in the form that the loss takes.

        Args:
            examples: Targets, and what a teacher says, for losses that listen to one.

        Returns:
            First axis documents.
        """
        return self.encode(examples.targets)

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """What logits mean.

        Args:
            logits: Shape ``(documents, labels)``.

        Returns:
            The same shape, in fp32 or better.
        """

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The sum over all targets, in fp32 or better.

        Args:
            logits: Shape ``(documents, labels)``.
            targets: As :meth:`encode` made them.

        Returns:
            A scalar.
        """
        logits = at_least_fp32(logits)
        return self.total(logits, targets if self.index else targets.to(logits))


def at_least_fp32(logits: Tensor) -> Tensor:
    """Logits in double precision if they are, else in fp32."""
    import torch

    return logits if logits.dtype == torch.double else logits.float()


def build_loss(config: LossConfig, targets: NDArray[Any] | None = None) -> Loss:
    """The loss that a configuration names.

    Args:
        config: The loss group.
        targets: Of the training documents, zeros and ones of shape ``(documents, labels)``, if anything is trained.

    Returns:
        The loss.

    Raises:
        RequestError: No loss has the name.
    """
    loss: Loss = LOSSES.get(config.name)(config, targets)
    return loss


def softened(weights: NDArray[np.float64], power: float | None, largest: float | None) -> NDArray[np.float64]:
    """Weights between 1 and themselves.

    Args:
        weights: Any.
        power: 1 (or None) leaves them, 0 makes them all 1.
        largest: Larger ones are cut to this; None: none is.

    Returns:
        The same shape.
    """
    return np.asarray(np.minimum(weights ** (1.0 if power is None else power), np.inf if largest is None else largest))
