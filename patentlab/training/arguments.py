"""The trainer group in transformers' and torch's terms: arguments, precision, optimiser."""

from __future__ import annotations

import torch
from torch import nn
from transformers import TrainingArguments

from patentlab.config import RequestError, TrainerConfig
from patentlab.corpus import derive_seed


def training_arguments(config: TrainerConfig, steps: int, folder: str, seed: int, order_seed: int) -> TrainingArguments:
    """What transformers' trainer takes.

    Args:
        config: The trainer group, complete.
        steps: Of the optimiser.
        folder: For what it might write.
        seed: Of dropout.
        order_seed: Of the order of batches.

    Returns:
        Its arguments.

    Raises:
        RequestError: There is no such schedule.
    """
    try:
        return TrainingArguments(
            output_dir=folder,
            max_steps=steps,  # it replaces the epochs, also where it is larger
            per_device_train_batch_size=config.batch_size or 1,
            per_device_eval_batch_size=config.eval_batch_size or 1,
            gradient_accumulation_steps=config.accumulation or 1,
            lr_scheduler_type=config.schedule or "linear",
            warmup_steps=config.warmup_share or 0.0,  # below 1, transformers takes it as a share
            max_grad_norm=config.max_grad_norm or 0.0,
            bf16=precision(config) == "bf16",
            use_cpu=not torch.accelerator.is_available(),  # else it refuses bf16 there
            seed=derive_seed(seed, "training"),
            # accelerate puts a sampler of its own in the place of a random one, and seeds it anew: without this, by the
            # seed of dropout
            data_seed=derive_seed(order_seed, "training"),
            eval_strategy="no",  # BestEpoch asks for it
            logging_strategy="epoch",
            logging_nan_inf_filter=False,  # else a loss that is no number is passed over in silence
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=torch.accelerator.is_available(),
            label_names=["labels"],
        )
    except ValueError as error:
        raise RequestError(f"trainer: {' '.join(str(error).split())[:300]}") from error


def precision(config: TrainerConfig) -> str:
    """``fp32`` or ``bf16``, with ``auto`` decided by the machine: on a CPU fp32 is faster and more exact."""
    if config.precision in ("fp32", "bf16"):
        return config.precision
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"


def optimiser(model: nn.Module, config: TrainerConfig) -> torch.optim.Optimizer:
    """AdamW with a learning rate for the head and one for the rest; vectors (biases, norms) do not decay."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith("head."), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": config.head_learning_rate if in_head else config.learning_rate,
                "weight_decay": config.weight_decay if decays else 0.0,
            }
            for (in_head, decays), parameters in groups.items()
        ]
    )
