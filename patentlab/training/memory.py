"""What happens when memory runs out, and how it is given back."""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from patentlab.config import ExperimentConfig, TrainerConfig
from patentlab.config.registry import LOSSES
from patentlab.protocols import Classifier

T = TypeVar("T")
_LOG = logging.getLogger(__name__)


def fit_within_memory(
    config: ExperimentConfig, build: Callable[[ExperimentConfig], Classifier], fit: Callable[[Classifier], T]
) -> tuple[Classifier, T, TrainerConfig]:
    """Build a classifier and fit it; where memory runs out, once more with half the batch and twice the accumulation.

    A step sees as many documents as before, and the loss is averaged over all of them: the result is the same but for
    rounding. A loss that compares the documents of a batch would learn from fewer pairs: there the error stands.

    Args:
        config: As asked for.
        build: Makes a new classifier.
        fit: Fits it.

    Returns:
        The fitted classifier, what ``fit`` returned, and the trainer's settings that memory was enough for.

    Raises:
        Exception: Whatever ``fit`` raises that has nothing to do with memory, or memory that one document is too
            much for.
    """
    while True:
        classifier: Classifier | None = build(config)
        assert classifier is not None
        try:
            return classifier, fit(classifier), config.trainer
        except Exception as error:
            compares = config.loss.name in LOSSES and LOSSES.get(config.loss.name).compares
            smaller = None if compares and config.trainer.batch_size is not None else _smaller_batches(config.trainer)
            if smaller is None or not is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)
        classifier = None
        release_memory()
        _LOG.warning(
            "out of memory with trainer.batch_size=%s; once more with trainer.batch_size=%s trainer.accumulation=%s",
            config.trainer.batch_size,
            smaller.batch_size,
            smaller.accumulation,
        )
        config = replace(config, trainer=smaller)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of the accelerator or of the machine."""
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, MemoryError) or (isinstance(error, Exception) and bool(should_reduce_batch_size(error)))


def release_memory() -> None:
    """Give back what is not in use any more: cycles of objects, and what torch keeps of the accelerator's memory."""
    gc.collect()
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _smaller_batches(trainer: TrainerConfig) -> TrainerConfig | None:
    """Batches of half the size, or of the next smaller one that makes up the same step; None if there is none."""
    if trainer.batch_size is None:  # nothing is trained
        asked = trainer.eval_batch_size or 1
        return replace(trainer, eval_batch_size=asked // 2) if asked > 1 else None
    size, accumulation = trainer.batch_size, trainer.accumulation or 1
    smaller = next((size // parts for parts in range(2, size + 1) if size % parts == 0), None)
    if smaller is None:
        return None
    return replace(
        trainer,
        batch_size=smaller,
        accumulation=accumulation * (size // smaller),
        eval_batch_size=max((trainer.eval_batch_size or 1) // 2, 1),
    )
