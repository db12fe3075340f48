"""Adapters: which weights of a backbone are trained, and how they are kept."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, cast

from patentlab.config import AdapterConfig, RequestError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


def attach(backbone: PreTrainedModel, config: AdapterConfig) -> nn.Module:
    """Prepare a backbone for training.

    Args:
        backbone: As loaded. The head stays outside, so no adapter can freeze or wrap it.
        config: The adapter group.

    Returns:
        The backbone: all weights trainable (``full``), none (``frozen``), or wrapped by peft (``lora``).

    Raises:
        RequestError: No module has a name that LoRA is to be attached to.
    """
    backbone.requires_grad_(config.name == "full")
    if config.name != "lora":
        return backbone
    from peft import LoraConfig, TaskType, get_peft_model

    targets = list(config.targets or ())
    names = {name.rpartition(".")[2] for name, _ in backbone.named_modules()}
    unknown = [target for target in targets if target.rpartition(".")[2] not in names]
    if unknown:
        linear = sorted({n.rpartition(".")[2] for n, m in backbone.named_modules() if type(m).__name__ == "Linear"})
        raise RequestError(
            f"adapter.targets: the model has no module {', '.join(unknown)}; its linear ones are {', '.join(linear)}"
        )
    if config.rank is None or config.alpha is None:
        raise RequestError("adapter=lora: rank and alpha must be given")
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,  # type: ignore[arg-type]  # peft divides by it, fractions work
        lora_dropout=config.dropout or 0.0,
        target_modules=targets,
        task_type=TaskType.FEATURE_EXTRACTION,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft reads an attribute that transformers renamed
        return cast("nn.Module", get_peft_model(backbone, lora))


def save_adapter(backbone: nn.Module, folder: Path) -> None:
    """Save what an adapter changed: the low-rank updates, all weights, or for frozen backbones nothing.

    Args:
        backbone: As :func:`attach` returned it, trained or not.
        folder: Is created.
    """
    if any(parameter.requires_grad for parameter in backbone.parameters()):
        backbone.save_pretrained(folder)  # type: ignore[operator]


def load_adapter(backbone: PreTrainedModel, folder: Path) -> nn.Module:
    """Attach saved low-rank updates to a freshly loaded backbone.

    Args:
        backbone: The same base model.
        folder: Where :func:`save_adapter` saved.

    Returns:
        The wrapped backbone.
    """
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # as above
        return cast("nn.Module", PeftModel.from_pretrained(backbone, folder))
