"""Log-probabilities of continuations: many after each prompt, in one forward pass.

A row holds a prompt and behind it all continuations, side by side: each sees the prompt and its own past alone, and its
positions start again behind the prompt. What all prompts begin with is computed once, and its keys and values are
shared. Measured against one pass a continuation in ``benchmarks/label_scoring.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import Cache

Read = Callable[..., Any]
"""A causal language model of transformers, or what calls it: keyword arguments → an output with ``logits``."""

_MOST_BYTES = 2**28  # of logits at a time


@dataclass(frozen=True)
class Segments:
    """Token sequences that stand side by side behind every prompt.

    Attributes:
        tokens: Of each; an empty one takes no place.
    """

    tokens: tuple[tuple[int, ...], ...]

    @cached_property
    def owners(self) -> Tensor:
        """The sequence that each token belongs to, shape ``(tokens,)``."""
        return torch.repeat_interleave(
            torch.arange(len(self.tokens)), torch.tensor([len(one) for one in self.tokens], dtype=torch.long)
        )

    @cached_property
    def offsets(self) -> Tensor:
        """The place of each token in its sequence, from 0, shape ``(tokens,)``."""
        return torch.tensor([place for one in self.tokens for place in range(len(one))], dtype=torch.long)

    @cached_property
    def ids(self) -> Tensor:
        """All tokens, shape ``(tokens,)``."""
        return torch.tensor([token for one in self.tokens for token in one], dtype=torch.long)

    @cached_property
    def last(self) -> Tensor:
        """Where the logits behind each sequence stand among those of :func:`segment_logits`, shape ``(sequences,)``."""
        return torch.tensor(np.cumsum([len(one) for one in self.tokens]), dtype=torch.long)


@dataclass(frozen=True)
class Prefix:
    """What all prompts of a batch begin with.

    Attributes:
        keys_and_values: Of one row.
        length: Tokens.
    """

    keys_and_values: Cache
    length: int

    def repeated(self, rows: int) -> Cache:
        """Keys and values for so many rows; gradients flow through."""
        from transformers import DynamicCache

        copied: Cache = DynamicCache()
        for number, layer in enumerate(self.keys_and_values.layers):
            keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
            if not (isinstance(keys, Tensor) and isinstance(values, Tensor)):
                raise TypeError("a layer without keys and values cannot be shared between rows")
            copied.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), number)
        return copied


def read_prefix(read: Read, tokens: Sequence[int], device: torch.device | str) -> Prefix | None:
    """Compute what all prompts begin with.

    Args:
        read: The model.
        tokens: Of the common beginning.
        device: Of the model.

    Returns:
        Its keys and values; None where there is no token.
    """
    from transformers import DynamicCache

    if not tokens:
        return None
    ids = torch.tensor([tokens], dtype=torch.long, device=device)
    # a cache that does not know the model keeps what lies outside of a sliding window too: masks are made here
    cache = DynamicCache()
    read(input_ids=ids, attention_mask=torch.ones_like(ids), past_key_values=cache, use_cache=True, logits_to_keep=1)
    return Prefix(cache, len(tokens))


def segment_logits(
    read: Read,
    config: Any,
    prompts: Tensor,
    mask: Tensor,
    segments: Segments,
    prefix: Prefix | None = None,
    *,
    at: Tensor | None = None,
) -> Tensor:
    """Logits of the token behind each prompt, and behind each token of each segment.

    Args:
        read: The model.
        config: Of the model: which of its layers have a sliding window.
        prompts: Token ids, padded on the left, shape ``(documents, tokens)``; what follows the prefix.
        mask: Ones at tokens, zeros at padding; the same shape. Every row ends with a token.
        segments: Behind every prompt.
        prefix: Before every prompt.
        at: Of which columns logits are wanted: 0 is the last token of the prompt, and those before have negative
            numbers; None: of that one and all that follow.

    Returns:
        Shape ``(documents, columns, vocabulary)``.
    """
    device, (rows, width) = prompts.device, prompts.shape
    before = prefix.length if prefix is not None else 0
    ids = torch.cat([prompts, segments.ids.to(device).expand(rows, -1)], dim=1)
    lengths = mask.sum(dim=1, keepdim=True)
    behind = before + lengths + segments.offsets.to(device)
    positions = torch.cat([before + (mask.cumsum(dim=1) - 1).clamp(min=0), behind], dim=1)
    past: dict[str, Any] = {"use_cache": False}
    if prefix is not None:
        past = {"use_cache": True, "past_key_values": prefix.repeated(rows)}
    output = read(
        input_ids=ids,
        position_ids=positions,
        attention_mask=_masks(config, mask, segments, positions, before),
        logits_to_keep=1 + len(segments.ids) if at is None else width - 1 + at.to(device),
        **past,
    )
    logits: Tensor = output.logits
    return logits


def _masks(config: Any, mask: Tensor, segments: Segments, positions: Tensor, before: int) -> Tensor | dict[str, Tensor]:
    """Who sees whom, for every kind of layer that the model has.

    Eager attention adds a mask as it stands, so it gets floats; sdpa takes booleans, or floats of the very precision.
    """
    shaped = _additive if config._attn_implementation == "eager" else lambda sees: sees[:, None]
    device, (rows, width) = mask.device, mask.shape
    owners = segments.owners.to(device)
    # the prefix and the prompt are seen by all that follows; a segment is seen by itself alone
    owner = torch.cat([torch.full((before + width,), -1, device=device), owners])
    place = torch.arange(len(owner), device=device)
    sees = (place[None, :] <= place[:, None]) & ((owner[None, :] == -1) | (owner[None, :] == owner[:, None]))
    there = torch.ones(rows, len(owner), dtype=torch.bool, device=device)
    there[:, before : before + width] = mask.bool()
    full = sees[None, before:] & there[:, None, :]
    full = full | torch.eye(len(owner), dtype=torch.bool, device=device)[None, before:]  # padding sees itself

    kinds = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    used = getattr(config, "use_sliding_window", True) and kinds != {"full_attention"}
    if window is None or not used:
        return shaped(full)
    at = torch.cat([torch.arange(before, device=device).expand(rows, -1), positions], dim=1)
    near = at[:, before:, None] - at[:, None, :] < window
    if "full_attention" in kinds:
        return {"full_attention": shaped(full), "sliding_attention": shaped(full & near)}
    return shaped(full & near)


def _additive(sees: Tensor) -> Tensor:
    added = torch.zeros(sees.shape, dtype=torch.float32, device=sees.device)
    return added.masked_fill_(~sees, torch.finfo(torch.float32).min)[:, None]


def continuation_scores(
    read: Read,
    config: Any,
    prompts: Tensor,
    mask: Tensor,
    continuations: Sequence[Sequence[int]],
    prefix: Prefix | None = None,
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of every continuation after every prompt.

    Args:
        read: As of :func:`segment_logits`, and so are ``config``, ``prompts``, ``mask`` and ``prefix``.
        config: See above.
        prompts: See above.
        mask: See above.
        continuations: Tokens of each, none of them empty.
        prefix: See above.

    Returns:
        The sums over each continuation's tokens, of shape ``(documents, continuations)``, and the numbers of tokens.

    Raises:
        ValueError: A continuation has no token.
    """
    if not all(continuations):
        raise ValueError("a continuation needs at least one token")
    segments = Segments(tuple(tuple(one[:-1]) for one in continuations))
    device = prompts.device
    owner = torch.tensor([number for number, one in enumerate(continuations) for _ in one], device=device)
    token = torch.tensor([token for one in continuations for token in one], device=device)
    starts = [0, *segments.last.tolist()]
    # the first token from what follows the prompt, every other from what follows the one before it
    place = [
        0 if offset == 0 else start + offset
        for start, one in zip(starts, continuations, strict=False)
        for offset in range(len(one))
    ]
    at = torch.tensor(place, device=device)
    found = []
    for part in parts(len(prompts), (1 + len(segments.ids)) * int(config.vocab_size) * 4):
        logits = segment_logits(read, config, prompts[part], mask[part], segments, prefix).float()
        scores = logits[:, at, token] - logits.logsumexp(dim=2)[:, at]
        sums = torch.zeros(len(scores), len(continuations), device=device)
        found.append(sums.index_add(1, owner, scores))
    return torch.cat(found), torch.tensor([len(one) for one in continuations], device=device)


def parts(rows: int, bytes_a_row: int) -> list[slice]:
    """Rows in parts whose logits fit into memory.

    Args:
        rows: How many.
        bytes_a_row: Of the logits of one.

    Returns:
        Slices, at least one row each.
    """
    step = max(1, _MOST_BYTES // bytes_a_row)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
