"""How long training is: epochs, steps and examples."""

from __future__ import annotations

from patentlab.config import TrainerConfig


def trainer_steps(documents: int, config: TrainerConfig) -> int:
    """Optimiser steps of a full training run: the fewest that epochs, ``max_steps`` and ``max_examples`` allow.

    Args:
        documents: Training documents.
        config: Those three, ``batch_size`` and ``accumulation`` are used. Without ``epochs`` one of the others counts.

    Returns:
        Steps, at least one, were training not stopped early.
    """
    per_step = (config.batch_size or 1) * (config.accumulation or 1)
    per_epoch = -(-documents // per_step)
    bounds = [config.max_steps] if config.max_steps else []
    if config.epochs is not None:
        bounds.append(config.epochs * per_epoch)
    if config.max_examples is not None:
        whole, rest = divmod(config.max_examples, documents)
        bounds.append(whole * per_epoch + rest // per_step)
    return max(min(bounds), 1)
