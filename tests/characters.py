"""A tiny causal language model whose tokens are characters, so that words for labels can be spelled."""

from __future__ import annotations

import string
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

CHAT = "{% for m in messages %}<{{ m['role'][0] }}>{{ m['content'] }}<end>{% endfor %}"


def save_character_model(folder: Path, *, chat: bool = False, length: int = 512) -> Path:
    """Save a random model of two layers.

    Args:
        folder: Is made.
        chat: With a chat template.
        length: Tokens that it reads at most.

    Returns:
        The folder.
    """
    characters = [*string.printable[:95], "\n", "<unk>", "<end>", "<u>", "<a>"]
    raw = Tokenizer(models.WordLevel({one: number for number, one in enumerate(characters)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    raw.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw, unk_token="<unk>", eos_token="<end>", pad_token="<end>", model_max_length=length,
        additional_special_tokens=["<u>", "<a>"],
    )  # fmt: skip
    if chat:
        tokenizer.chat_template = CHAT
    torch.manual_seed(0)
    end = len(characters) - 3
    config = LlamaConfig(
        vocab_size=len(characters), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=length, initializer_range=0.1,
        pad_token_id=end, eos_token_id=end, bos_token_id=end,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    return folder
