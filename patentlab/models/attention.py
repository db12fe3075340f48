"""Whom a decoder's tokens see: those before them, or all of the text (Li et al. 2023, https://arxiv.org/abs/2310.01208)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patentlab.config import ModelConfig, RequestError
from patentlab.protocols import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# whose layers take their mask from ``config.is_causal``, padded or not, in eager and sdpa attention
BIDIRECTIONAL = (
    "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_neox", "llama", "mistral", "olmo2", "phi", "phi3", "qwen2", "qwen3",
    "smollm3",
)  # fmt: skip


def remove_causal_mask(model: PreTrainedModel, config: ModelConfig, progress: Progress) -> None:
    """Let every token see the whole text.

    Layers with a sliding window keep it, in both directions.

    Args:
        model: As loaded; what it saves says so too.
        config: For messages.
        progress: Told of windows.

    Raises:
        RequestError: The architecture is no decoder whose mask can be removed.
    """
    text = model.config.get_text_config()
    if text.model_type not in BIDIRECTIONAL:
        raise RequestError(
            f"model.attention=bidirectional: model={config.name} is of type {text.model_type}; decoders whose mask can "
            f"be removed are {', '.join(BIDIRECTIONAL)}"
        )
    model.config.is_causal = text.is_causal = False
    window, kinds = getattr(text, "sliding_window", None), set(getattr(text, "layer_types", None) or ())
    if window is not None and getattr(text, "use_sliding_window", True) and kinds != {"full_attention"}:
        layers = "some layers" if "full_attention" in kinds else "all layers"
        progress.say(f"model.attention=bidirectional: {layers} see {window} tokens, before and behind")
