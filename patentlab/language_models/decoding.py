"""Sampling from a causal language model for many prompts at once.

Beside ``generate`` of transformers it does three things, without which a batch on a CPU hardly pays: what prompts have
in common is computed once, answers that are complete leave the batch, and a step writes its keys and values beside
the earlier ones instead of copying all of them. Measured in ``benchmarks/generation.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, NoRepeatNGramLogitsProcessor
from transformers.cache_utils import DynamicLayer

_ROOM = 64  # tokens by which buffers grow
_LEAVES = 1 / 8  # share of complete answers at which a batch is made smaller
_CANDIDATES = 1024  # likeliest tokens that a nucleus is looked for in first


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: 0 takes the likeliest.
        top_p: The nucleus: the fewest likeliest tokens that have this probability together (Holtzman et al. 2020).
        no_repeat_ngram: A run of so many tokens comes once, those of the prompt counted.
        max_new_tokens: Of an answer.
    """

    temperature: float
    top_p: float
    no_repeat_ngram: int | None
    max_new_tokens: int


@torch.inference_mode()
def decode(
    model: Any,
    prompts: Sequence[list[int]],
    pad: int,
    sampling: Sampling,
    is_complete: Callable[[list[int]], bool],
    on_step: Callable[[], None] = lambda: None,
    steer: Callable[[int, list[int]], Sequence[int]] = lambda row, tokens: (),
) -> list[list[int]]:
    """Continue prompts, each until it is complete.

    Args:
        model: A causal language model of transformers, on its device.
        prompts: Tokens of each, not empty. Neighbours with a common beginning share its cost.
        pad: The token to pad with, which is masked.
        sampling: How tokens are drawn, with torch's own random numbers.
        is_complete: Whether an answer, of which the tokens are given, ends here.
        on_step: Called before each token.
        steer: A prompt's place and the tokens of its answer, the last of them just drawn → tokens to go on with in
            place of that last one; none where it may stay.

    Returns:
        New tokens of each prompt, the last one included that made it complete.
    """
    cache, mask, logits = _prefill(model, prompts, pad)
    answers: list[list[int]] = [[] for _ in prompts]
    blocked = None if sampling.no_repeat_ngram is None else NoRepeatNGramLogitsProcessor(sampling.no_repeat_ngram)
    seen = _left_padded(prompts, pad, logits.device)[0]
    active = list(range(len(prompts)))
    given: list[list[int]] = [[] for _ in prompts]
    done: set[int] = set()
    for _ in range(sampling.max_new_tokens):
        on_step()
        if blocked is not None:
            logits = blocked(seen, logits)
        drawn = draw(logits, sampling).tolist()
        for position, row in enumerate(active):
            if row in done:
                continue
            if not given[row]:
                given[row] = list(steer(row, [*answers[row], drawn[position]]))
            if given[row]:
                drawn[position] = given[row].pop(0)
            answers[row].append(drawn[position])
            if not given[row] and is_complete(answers[row]):
                done.add(row)
        tokens = torch.tensor(drawn, device=logits.device)
        seen = torch.cat([seen, tokens[:, None]], dim=1)
        if len(done) == len(prompts):
            break
        kept = [position for position, row in enumerate(active) if row not in done]
        if len(kept) <= len(active) * (1 - _LEAVES):
            chosen = torch.tensor(kept, device=logits.device)
            active = [active[position] for position in kept]
            seen, mask, tokens = seen[chosen], mask[chosen], tokens[chosen]
            cache.batch_select_indices(chosen)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        logits = _forward(model, tokens[:, None], mask, cache)
    return answers


def draw(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """One token a row.

    Args:
        logits: Shape ``(rows, vocabulary)``.
        sampling: ``temperature`` and ``top_p`` are used.

    Returns:
        Shape ``(rows,)``.
    """
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    logits = logits.float() / sampling.temperature
    if sampling.top_p == 1:
        return torch.multinomial(logits.softmax(dim=-1), 1)[:, 0]
    total = logits.logsumexp(dim=-1, keepdim=True)
    # sorting a whole vocabulary takes a fifth of a step, and the nucleus is nearly always among the first few
    for candidates in (min(_CANDIDATES, logits.shape[-1]), logits.shape[-1]):
        likeliest, tokens = logits.topk(candidates, dim=-1)
        probabilities = (likeliest - total).exp()
        before = probabilities.cumsum(dim=-1) - probabilities
        if candidates == logits.shape[-1] or bool((before[:, -1] >= sampling.top_p).all()):
            break
    probabilities[before >= sampling.top_p] = 0
    return tokens.gather(1, torch.multinomial(probabilities, 1))[:, 0]


def _prefill(model: Any, prompts: Sequence[list[int]], pad: int) -> tuple[DynamicCache, torch.Tensor, torch.Tensor]:
    """Keys and values of all prompts, what they are masked by, and the logits of their first new tokens."""
    device = model.device
    cache = DynamicCache(config=model.config)
    cache.layers = [
        _RoomyLayer() if type(layer) is DynamicLayer else layer  # type: ignore[no-untyped-call]
        for layer in cache.layers
    ]
    if getattr(cache, "layer_class_to_replicate", None) is DynamicLayer:
        cache.layer_class_to_replicate = _RoomyLayer
    # the padding between a prefix and what follows would take up places in a window that slides
    slides = any(getattr(layer, "is_sliding", False) for layer in cache.layers)
    prefixes, owner = ([[]], [0] * len(prompts)) if slides else _common_prefixes(prompts)
    mask = torch.zeros(len(prompts), 0, dtype=torch.long, device=device)
    if any(prefixes):
        tokens, shared = _left_padded(prefixes, pad, device)
        _forward(model, tokens, shared, cache)
        chosen = torch.tensor(owner, device=device)
        cache.batch_select_indices(chosen)
        mask = shared[chosen]
    rests = [prompt[len(prefixes[index]) :] for prompt, index in zip(prompts, owner, strict=True)]
    tokens, own = _left_padded(rests, pad, device)
    mask = torch.cat([mask, own], dim=1)
    return cache, mask, _forward(model, tokens, mask, cache)


def _common_prefixes(prompts: Sequence[list[int]]) -> tuple[list[list[int]], list[int]]:
    """What runs of neighbours begin with, and the run of each prompt, of which at least one token is left over."""
    prefixes: list[list[int]] = []
    owner: list[int] = []
    for prompt in prompts:
        if prefixes:
            length = _common(prefixes[-1], prompt[:-1])
            # worth it where most of a prompt is shared; what is cut off others' prefix they compute again
            if 2 * length >= len(prompt) and length:
                prefixes[-1] = prefixes[-1][:length]
                owner.append(len(prefixes) - 1)
                continue
        prefixes.append(prompt[:-1])
        owner.append(len(prefixes) - 1)
    return prefixes, owner


def _common(first: list[int], second: list[int]) -> int:
    length = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        length += 1
    return length


def _forward(model: Any, tokens: torch.Tensor, mask: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
    """Logits after the last of the given tokens, shape ``(rows, vocabulary)``."""
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
    output = model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: torch.Tensor = output.logits[:, -1]
    return logits


def _left_padded(rows: Sequence[list[int]], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    tokens = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return tokens, mask


class _RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values in buffers with room at their end."""

    _buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new keys and values behind the earlier ones."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.get_seq_length()
        after = before + key_states.shape[-2]
        if self._buffers is None or after > self._buffers[0].shape[-2]:
            self._buffers = self._grown(key_states, before, after), self._grown(value_states, before, after)
            if before and self.keys is not None and self.values is not None:
                self._buffers[0][..., :before, :] = self.keys
                self._buffers[1][..., :before, :] = self.values
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., before:after, :] = states
        self.keys, self.values = (buffer[..., :after, :] for buffer in self._buffers)
        return self.keys, self.values

    @staticmethod
    def _grown(states: torch.Tensor, before: int, after: int) -> torch.Tensor:
        room = _ROOM if before else 0  # a prompt's buffer is about to be replaced by that of its rows
        return states.new_empty(*states.shape[:-2], after + room, states.shape[-1])

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Only keep these rows."""
        super().batch_select_indices(indices)
        self._buffers = None
