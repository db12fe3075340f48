"""Adapters: which weights of a backbone are trained, and how they are kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

from patentlab.config import AdapterConfig, RequestError
from patentlab.weights import quiet_peft

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

_SEES = r".*vision_tower\..*"


def attach(backbone: PreTrainedModel, config: AdapterConfig, *, checkpointing: bool = False) -> nn.Module:
    """Prepare a backbone for training.

    Args:
        backbone: As loaded. The head stays outside, so no adapter can freeze, quantise or wrap it.
        config: The adapter group.
        checkpointing: Compute activations again in the backward pass instead of keeping them.

    Returns:
        The backbone: all weights trainable (``full``), none (``frozen``, ``none``), or wrapped by peft (``lora``,
        ``qlora``).

    Raises:
        RequestError: No module has a name that LoRA is to be attached to.
    """
    backbone.requires_grad_(config.name == "full")
    if config.name in ("lora", "qlora"):
        _check_targets(backbone, config)
    if config.name == "qlora":
        backbone = _with_norms_in_fp32(backbone)
    if checkpointing and config.name not in ("frozen", "none"):
        backbone.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[no-untyped-call]
        if config.name != "full":
            # else no gradient reaches the adapter through frozen layers
            backbone.enable_input_require_grads()  # type: ignore[no-untyped-call]
    if config.name not in ("lora", "qlora"):
        return backbone
    from peft import LoraConfig, TaskType, get_peft_model

    lora = LoraConfig(
        r=config.rank or 1,
        lora_alpha=config.alpha,  # type: ignore[arg-type]  # peft divides by it, fractions work
        lora_dropout=config.dropout or 0.0,
        target_modules=list(config.targets or ()),
        fan_in_fan_out=any(type(module).__name__ == "Conv1D" for module in backbone.modules()),
        task_type=TaskType.FEATURE_EXTRACTION,
        # of a model that also sees, what sees is never asked, and would count as trained
        exclude_modules=_SEES if any(re.fullmatch(_SEES, name) for name, _ in backbone.named_modules()) else None,
    )
    with quiet_peft():
        try:
            return cast("nn.Module", get_peft_model(backbone, lora))
        except ValueError as error:  # a target that is no linear layer, or stands elsewhere
            raise RequestError(
                f"adapter.targets={','.join(config.targets or ())}: {' '.join(str(error).split())}"
            ) from error


def _with_norms_in_fp32(backbone: PreTrainedModel) -> PreTrainedModel:
    from peft import prepare_model_for_kbit_training

    prepared = prepare_model_for_kbit_training(backbone, use_gradient_checkpointing=False)  # type: ignore[no-untyped-call]
    return cast("PreTrainedModel", prepared)


def _check_targets(backbone: PreTrainedModel, config: AdapterConfig) -> None:
    modules = {name.rpartition(".")[2]: type(module).__name__ for name, module in backbone.named_modules()}
    unknown = [target for target in config.targets or () if target.rpartition(".")[2] not in modules]
    if unknown:
        linear = sorted(name for name, kind in modules.items() if kind.startswith("Linear") or kind == "Conv1D")
        raise RequestError(
            f"adapter.targets: the model has no module {', '.join(unknown)}; its linear ones are {', '.join(linear)}"
        )


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

    if getattr(backbone, "is_loaded_in_4bit", False):
        backbone = _with_norms_in_fp32(backbone)  # as it was trained
    with quiet_peft():
        return cast("nn.Module", PeftModel.from_pretrained(backbone, folder))
