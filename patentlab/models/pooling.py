"""One vector a document, from the hidden states of its tokens."""

from __future__ import annotations

import torch
from torch import Tensor


def pool(hidden: Tensor, mask: Tensor, how: str) -> Tensor:
    """Pool hidden states over the tokens of each document, padding excluded on whichever side it is.

    Positions come from the attention mask alone: where the padding token is also the end token, its id says nothing.

    Args:
        hidden: Shape ``(documents, tokens, width)``.
        mask: Ones at tokens, zeros at padding; shape ``(documents, tokens)``.
        how: ``last`` or ``cls`` (the first token), ``mean`` or ``max``.

    Returns:
        Shape ``(documents, width)``.

    Raises:
        ValueError: There is no such pooling.
    """
    if how in ("last", "cls"):
        position = mask.long() * torch.arange(1, mask.shape[1] + 1, device=mask.device)
        index = position.argmax(dim=1) if how == "last" else mask.long().argmax(dim=1)
        return hidden[torch.arange(len(hidden), device=hidden.device), index]
    inside = mask.unsqueeze(-1).bool()
    if how == "mean":
        # summed in fp32: bf16 sums over hundreds of tokens lose digits
        total = hidden.float().masked_fill(~inside, 0.0).sum(dim=1)
        return (total / inside.sum(dim=1).clamp(min=1)).to(hidden.dtype)
    if how == "max":
        return hidden.masked_fill(~inside, torch.finfo(hidden.dtype).min).max(dim=1).values
    raise ValueError(f"no pooling {how!r}; allowed are last, mean, max and cls")
