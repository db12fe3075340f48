"""Sampling from a causal language model for many prompts at once.

Beside ``generate`` of transformers it does what makes a batch pay on a CPU: a row whose answer is complete is given the
next prompt, what a prompt has in common with the one before is not computed again, and a step writes its keys and
values beside the earlier ones instead of copying all of them. Measured in ``benchmarks/generation.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import NoRepeatNGramLogitsProcessor

from patentlab.language_models.slots import rows_for

_LEAVES = 1 / 8  # share of rows without a text at which a batch is made smaller, where there are no more prompts
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


@dataclass(frozen=True)
class Prompt:
    """What is to be continued.

    Attributes:
        tokens: Not empty.
        seed: Of the random numbers that its answer is drawn with, whatever its neighbours are.
    """

    tokens: list[int]
    seed: int


@torch.inference_mode()
def decode(
    model: Any,
    prompts: Callable[[], Prompt | None],
    pad: int,
    slots: int,
    sampling: Sampling,
    is_complete: Callable[[list[int]], bool],
    *,
    on_step: Callable[[], None] = lambda: None,
    steer: Callable[[int, list[int]], Sequence[int]] = lambda number, tokens: (),
) -> Iterator[tuple[int, list[int]]]:
    """Continue prompts, each until it is complete.

    An answer hangs on its prompt and seed and, up to rounding, on nothing else: see
    :class:`patentlab.language_models.slots.Slots`. Which are written side by side follows from the prompts, not from
    time. Where a model has layers of other kinds (:func:`patentlab.language_models.slots.rows_for`), all rows wait for
    the longest answer before any is given the next prompt.

    Args:
        model: A causal language model of transformers, on its device.
        prompts: The next one, None where there is none; asked when there is a row for it. Neighbours with a common
            beginning share its cost.
        pad: The token to pad with, which is masked.
        slots: Answers that are written at a time at most.
        sampling: How tokens are drawn.
        is_complete: Whether an answer, of which the tokens are given, ends here.
        on_step: Called before each step.
        steer: A prompt's number and the tokens of its answer, the last of them just drawn → tokens to go on with in
            place of that last one; none where it may stay.

    Yields:
        The number of a prompt, from 0, and its new tokens, the last one included that made it complete; the shorter
        ones before the longer.
    """
    texts: list[_Text | None] = []  # of each row
    rows, source = rows_for(model, slots, pad), _Source(prompts, sampling.max_new_tokens)
    blocked = None if sampling.no_repeat_ngram is None else NoRepeatNGramLogitsProcessor(sampling.no_repeat_ngram)

    def write(places: Sequence[int], logits: torch.Tensor) -> Iterator[tuple[int, list[int]]]:
        """Draw the next token of each of these rows; answers that are complete with it."""
        written = [(place, text) for place in places if (text := texts[place]) is not None]
        if blocked is not None:
            logits = blocked(rows.seen(places), logits)
        chances = torch.tensor([text.chances[len(text.tokens)] for _, text in written], device=logits.device)
        for (place, text), token in zip(written, draw(logits, sampling, chances).tolist(), strict=True):
            if not text.given:
                text.given = list(steer(text.number, [*text.tokens, token]))
            text.tokens.append(text.given.pop(0) if text.given else token)
            if len(text.tokens) == sampling.max_new_tokens or (not text.given and is_complete(text.tokens)):
                texts[place] = None
                rows.release(place)
                yield text.number, text.tokens

    while True:
        while rows.is_open():
            empty = [place for place in range(slots) if place >= len(texts) or texts[place] is None]
            taken = source.take(len(empty))
            if not taken:
                break
            places = empty[: len(taken)]
            texts += [None] * (places[-1] + 1 - len(texts))
            for place, (text, _) in zip(places, taken, strict=True):
                texts[place] = text
            yield from write(places, rows.admit([tokens for _, tokens in taken], places))
        kept = [place for place, text in enumerate(texts) if text is not None]
        if not kept:
            return
        if len(kept) <= len(texts) * (1 - _LEAVES):
            rows.keep(kept)
            texts = [texts[place] for place in kept]
            kept = list(range(len(kept)))
        on_step()
        last = [pad if text is None else text.tokens[-1] for text in texts]
        logits = rows.step(torch.tensor(last, device=model.device))
        yield from write(kept, logits if len(kept) == len(texts) else logits[kept])


@dataclass
class _Text:
    """An answer that is being written."""

    number: int
    chances: list[float]  # uniform random numbers, one a token
    tokens: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)  # what it is steered with


class _Source:
    """Prompts, each taken when there is a row for it."""

    def __init__(self, prompts: Callable[[], Prompt | None], length: int) -> None:
        self._prompts, self._length = prompts, length
        self._number = 0

    def take(self, count: int) -> list[tuple[_Text, list[int]]]:
        """So many at most: their answers, of which nothing is written yet, and their tokens."""
        taken: list[tuple[_Text, list[int]]] = []
        while len(taken) < count and (prompt := self._prompts()) is not None:
            # 24 bits: their product with a sum in fp32 stays below that sum
            chances = np.random.default_rng(prompt.seed).random(self._length, dtype=np.float32).tolist()
            taken.append((_Text(self._number, chances), prompt.tokens))
            self._number += 1
        return taken


def draw(logits: torch.Tensor, sampling: Sampling, chances: torch.Tensor) -> torch.Tensor:
    """One token a row, by inversion of the cumulative distribution.

    Args:
        logits: Shape ``(rows, vocabulary)``.
        sampling: ``temperature`` and ``top_p`` are used.
        chances: Uniform random numbers from [0, 1), shape ``(rows,)``, of at most 24 bits.

    Returns:
        Shape ``(rows,)``.
    """
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    logits = logits.float() / sampling.temperature
    if sampling.top_p == 1:
        return _invert(logits.softmax(dim=-1), chances)
    # sorting a whole vocabulary takes a fifth of a step, and the nucleus is nearly always among the first few
    drawn, lacking = _from_nucleus(logits, sampling.top_p, chances, min(_CANDIDATES, logits.shape[-1]))
    if bool(lacking.any()):  # of the others, equal logits would come in another order
        drawn[lacking] = _from_nucleus(logits[lacking], sampling.top_p, chances[lacking], logits.shape[-1])[0]
    return drawn


def _from_nucleus(
    logits: torch.Tensor, top_p: float, chances: torch.Tensor, candidates: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """A token of each row's nucleus, and the rows whose nucleus has more than the likeliest candidates."""
    likeliest, tokens = logits.topk(candidates, dim=-1)
    probabilities = (likeliest - logits.logsumexp(dim=-1, keepdim=True)).exp()
    before = probabilities.cumsum(dim=-1) - probabilities
    probabilities[before >= top_p] = 0
    drawn = tokens.gather(1, _invert(probabilities, chances)[:, None])[:, 0]
    return drawn, before[:, -1] < top_p


def _invert(weights: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
    """Of each row the first place up to which the weights sum to more than its share of them all."""
    up_to = weights.cumsum(dim=-1)
    places = torch.searchsorted(up_to, chances[:, None] * up_to[:, -1:], right=True)
    return places.clamp(max=weights.shape[-1] - 1)[:, 0]
