"""Backbones: from ``model.path`` to a loaded transformer and its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from patentlab.config import ModelConfig, RequestError
from patentlab.language_models.loading import load
from patentlab.models.attention import remove_causal_mask
from patentlab.protocols import Progress

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Backbone:
    """A transformer without a task head.

    Attributes:
        model: Yields hidden states of the last layer.
        tokenizer: Has a padding token; pads on the configured side.
        source: What it was loaded from: a folder, or a name on the hub.
        merged: Names of the weights that a merge changed.
        apart: Names of the adapters that stand side by side on it.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    source: str
    merged: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()


def load_backbone(
    config: ModelConfig,
    max_length: int | None,
    dtype: Any,
    progress: Progress,
    quantisation: Any = None,
    *,
    language_model: bool = False,
) -> Backbone:
    """Load a backbone.

    Args:
        config: ``path`` is ``embedded:NAME``, a local folder or a name on the model hub.
        max_length: Tokens a document; checked against what the model can read.
        dtype: A ``torch.dtype`` for the weights.
        progress: Told of a conversion.
        quantisation: A transformers quantisation config, None for weights as they are.
        language_model: Keep the head that predicts tokens.

    Returns:
        The backbone, in evaluation mode, on the CPU; quantised weights on the accelerator, if there is one.

    Raises:
        RequestError: The model is neither local nor reachable, its folder is broken, it cannot read so many tokens, or
            its mask cannot be removed.
    """
    from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModel, AutoModelForCausalLM
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # else it lists the language-model head as unused
    try:
        auto = AutoModelForCausalLM if language_model else AutoModel
        loaded = load(auto, config, "model", progress, dtype=dtype, quantisation=quantisation)
    finally:
        logging.set_verbosity(verbosity)
    model, tokenizer = loaded.model, loaded.tokenizer
    if hasattr(model, "language_model") and not language_model:
        model = model.language_model  # of a model that also sees, the part that reads
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # nothing here reads it, and it would count as trained without ever getting a gradient
    if language_model:
        from patentlab.models.linear import VocabularyLayer

        if type(model.config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(model.config, "is_decoder", False):
            raise RequestError(
                f"model={config.name}: an encoder, which sees what follows and writes nothing; heads that ask in words "
                "need a causal language model, such as model=smollm2_135m"
            )
        VocabularyLayer.replace(model)
    if config.attention == "bidirectional":
        remove_causal_mask(model, config, progress)
    if config.padding_side is not None:
        tokenizer.padding_side = config.padding_side
    limit = longest_input(model, tokenizer)
    if limit is not None:
        tokenizer.model_max_length = limit
    if max_length is not None and limit is not None and max_length > limit:
        raise RequestError(f"trainer.max_length={max_length}: model={config.name} reads at most {limit} tokens")
    model.config.use_cache = False  # keys and values are of use to generation alone
    return Backbone(model, tokenizer, loaded.source)


def longest_input(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The most tokens that a model can read, where it is known."""
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if positions is not None and counts_positions(model):
        positions -= (model.config.pad_token_id or 0) + 1  # numbered from behind the padding token's id on
    limits = [positions, tokenizer.model_max_length]
    known = [limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**9]
    return min(known, default=None)


def counts_positions(model: nn.Module) -> bool:
    """Whether a model numbers its positions by itself, past its padding: RoBERTa's family."""
    return any(
        hasattr(module, "position_embeddings") and isinstance(getattr(module, "padding_idx", None), int)
        for module in model.modules()
    )
