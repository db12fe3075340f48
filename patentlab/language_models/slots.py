"""What a batch of a causal language model has computed so far: a row a text, and rows that change hands.

Continuous batching (Yu et al. 2022, Orca) on keys and values that lie side by side. That of transformers
(``generate_batch``) bans no repeated n-grams, and has one state of random numbers for all requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer

_ALIGNED = 16  # columns: a sum over them has the same order however many are masked at its end
_ROOM = 64  # columns that buffers have beyond what is needed now
_LEAST = 4  # rows and tokens: MKL sums the products of fewer rows in another order
_SHARED = 16  # tokens from which on a common beginning is worth copying
_NOTHING = -1  # stands for no token


class Rows(Protocol):
    """Texts that grow by a token a step."""

    def is_open(self) -> bool:
        """Whether prompts can be taken in now."""

    def admit(self, prompts: Sequence[list[int]], places: Sequence[int]) -> torch.Tensor:
        """Take in prompts.

        Args:
            prompts: Tokens of each, not empty.
            places: Their rows: released ones, or new ones behind the last.

        Returns:
            Logits after each, shape ``(prompts, vocabulary)``.
        """

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append a token to each row, shape ``(rows,)``; logits after it, shape ``(rows, vocabulary)``.

        Behind the last row that holds a text there may be more or fewer tokens than rows.
        """

    def release(self, row: int) -> None:
        """What a row holds is not needed any more."""

    def keep(self, rows: Sequence[int]) -> None:
        """Only keep these rows, in this order."""

    def seen(self, rows: Sequence[int]) -> torch.Tensor:
        """Tokens of rows, shape ``(rows, longest)``, after padding with -1 on the left."""


def rows_for(model: Any, slots: int, pad: int) -> Rows:
    """Rows that suit the layers of a model.

    Args:
        model: A causal language model of transformers, on its device.
        slots: Texts at a time.
        pad: The token to pad with, which is masked.

    Returns:
        :class:`Slots` where each layer attends to all earlier tokens or, by ``sdpa`` or ``eager``, to a window of them;
        else :class:`Batch`.
    """
    config = model.config.get_text_config(decoder=True)
    kinds = [type(layer) for layer in DynamicCache(config=model.config).layers]
    masked: set[type] = {DynamicLayer}
    if config._attn_implementation in ("sdpa", "eager") and getattr(config, "attention_chunk_size", None) is None:
        masked.add(DynamicSlidingWindowLayer)
    return Slots(model, slots, kinds) if kinds and masked.issuperset(kinds) else Batch(model, pad)


class Slots:
    """Rows of which each is given another prompt when its text is complete.

    Keys and values of a row begin in the first column of its buffers. A prompt is computed by itself, without padding,
    but for what it has in common with the one before; then its keys and values are copied into its row. Columns behind
    a row's text are masked. So a row's numbers do not hang on its neighbours, as far as a matrix product of a row does
    not hang on their number: on x86 CPUs it does not, in fp32 (MKL) from four rows on, and in bf16 (oneDNN).

    Windows that slide keep all columns, and are a matter of the mask.

    Args:
        model: A causal language model of transformers, on its device.
        slots: Texts at a time.
        kinds: Of the model's layers in its own cache.
    """

    def __init__(self, model: Any, slots: int, kinds: Sequence[type]) -> None:
        self.lengths: list[int] = []  # tokens of each row; 0 where it is released
        self._model, self._device, self._slots = model, model.device, slots
        self._layers = [_SlotLayer(self) for _ in kinds]
        self._cache = Cache(layers=list(self._layers))
        self._tokens = torch.zeros(0, 0, dtype=torch.long)
        self._last: tuple[list[int], Any] | None = None  # the prompt that came last
        self._admitted = 0
        self.places = (torch.zeros(0, dtype=torch.long),) * 2  # rows and columns that a step writes
        self._slides, self._mixed = DynamicSlidingWindowLayer in kinds, len(set(kinds)) > 1

    @property
    def width(self) -> int:
        """Columns that are attended to, the next token's included.

        At least one is masked in all rows: else transformers would leave grouped queries without a mask to torch, which
        takes 3 times as long over a single query in bf16 on a CPU, and adds up in another order.
        """
        return _ALIGNED * -(-(max(self.lengths) + 2) // _ALIGNED)

    def is_open(self) -> bool:
        """At any time."""
        return True

    def admit(self, prompts: Sequence[list[int]], places: Sequence[int]) -> torch.Tensor:
        """As of :class:`Rows`; each prompt is computed by itself."""
        missing = max(_LEAST, 1 + max(places)) - len(self.lengths)
        longest = max(map(len, prompts))
        if missing > 0 or longest > self._tokens.shape[1]:
            self._arrange([*range(len(self.lengths)), *[None] * missing], longest)
        logits = []
        for tokens, row in zip(prompts, places, strict=True):
            cache, found = self._prefill(tokens)
            self.lengths[row] = len(tokens)
            self._tokens[row, : len(tokens)] = torch.tensor(tokens, device=self._device)
            for layer, own in zip(self._layers, cache.layers, strict=True):
                layer.write(row, own, self._tokens.shape)
            logits.append(found)
        return torch.cat(logits)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """As of :class:`Rows`."""
        padded = torch.zeros(len(self.lengths), dtype=torch.long, device=self._device)
        padded[: len(tokens)] = tokens
        if self.width > self._tokens.shape[1]:
            self._arrange(range(len(self.lengths)), self.width)
        self.places = (
            torch.arange(len(self.lengths), device=self._device),
            torch.tensor(self.lengths, device=self._device),
        )
        self._tokens[self.places] = padded
        logits = _forward(self._model, padded[:, None], self._mask(), self.places[1][:, None], self._cache)
        self.lengths = [length and length + 1 for length in self.lengths]
        return logits[: len(tokens)]

    def release(self, row: int) -> None:
        """As of :class:`Rows`."""
        self.lengths[row] = 0

    def keep(self, rows: Sequence[int]) -> None:
        """As of :class:`Rows`; some stay as they are where few are left."""
        self._arrange([*rows, *[None] * (_LEAST - len(rows))], 0)

    def seen(self, rows: Sequence[int]) -> torch.Tensor:
        """As of :class:`Rows`."""
        lengths = torch.tensor([self.lengths[row] for row in rows], device=self._device)[:, None]
        longest = int(lengths.max())
        columns = torch.arange(longest, device=self._device) + lengths - longest
        found = self._tokens[torch.tensor(rows, device=self._device)[:, None], columns.clamp(min=0)]
        return found.masked_fill(columns < 0, _NOTHING)

    def _mask(self) -> Any:
        """What a step attends to, in the form that the model takes."""
        columns = torch.arange(self.width, device=self._device)
        lengths = self.places[1][:, None]
        earlier = columns <= lengths
        if not self._slides:
            return earlier.long()
        window = self._model.config.get_text_config(decoder=True).sliding_window
        near = earlier & (columns > lengths - window)
        full, sliding = (
            torch.zeros_like(one, dtype=self._model.dtype).masked_fill(~one, torch.finfo(self._model.dtype).min)
            for one in (earlier[:, None, None], near[:, None, None])
        )
        return {"full_attention": full, "sliding_attention": sliding} if self._mixed else sliding

    def _prefill(self, tokens: list[int]) -> tuple[Cache, torch.Tensor]:
        """Keys and values of a prompt, and the logits after it."""
        layers: list[Any] = [DynamicLayer() for _ in self._layers]  # type: ignore[no-untyped-call]
        shared = 0
        # a run that goes on where another stopped begins there, and knows no prompt before
        if self._last is not None and self._admitted % self._slots:
            shared = _common(self._last[0], tokens[:-_LEAST])
        if shared >= _SHARED and self._last is not None:
            for layer, last in zip(layers, self._last[1].layers, strict=True):
                layer.update(last.keys[..., :shared, :], last.values[..., :shared, :])
        else:
            shared = 0
        cache = Cache(layers=layers)
        rest = torch.tensor([tokens[shared:]], device=self._device)
        mask = torch.ones(1, len(tokens), dtype=torch.long, device=self._device)
        positions = torch.arange(shared, len(tokens), device=self._device)[None]
        logits = _forward(self._model, rest, mask, positions, cache)
        self._last, self._admitted = (tokens, cache), self._admitted + 1
        return cache, logits

    def _arrange(self, rows: Sequence[int | None], width: int) -> None:
        """Copy rows into new buffers.

        Args:
            rows: Those to be kept, in their new order; None for one that is empty.
            width: Columns that there must be at least.
        """
        lengths = [0 if row is None else self.lengths[row] for row in rows]
        capacity = _ALIGNED * -(-(max(width, max(lengths)) + _ROOM) // _ALIGNED)
        for layer in self._layers:
            layer.arrange(rows, lengths, capacity)
        self._tokens = _moved(self._tokens.to(self._device), rows, lengths, capacity)
        self.lengths = lengths


class _SlotLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of all rows of :class:`Slots`, of shape ``(rows, columns, heads, width)``."""

    def __init__(self, slots: Slots) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._slots = slots
        self._buffers: list[torch.Tensor] = []

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write those of one more token a row, and return all that any row attends to."""
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[self._slots.places] = states[:, :, 0]
        keys, values = (buffer[:, : self._slots.width].transpose(1, 2) for buffer in self._buffers)
        return keys, values

    def get_seq_length(self) -> int:
        """Columns before the one that transformers takes for the next token's: all others."""
        return self._slots.width - 1

    def write(self, row: int, prompt: Any, shape: Sequence[int]) -> None:
        """Put keys and values of a prompt, of shape ``(1, heads, tokens, width)``, into a row."""
        found = (prompt.keys, prompt.values)
        if not self._buffers:
            self._buffers = [states.new_zeros(*shape, states.shape[1], states.shape[3]) for states in found]
        for buffer, states in zip(self._buffers, found, strict=True):
            buffer[row, : states.shape[2]] = states[0].transpose(0, 1)

    def arrange(self, rows: Sequence[int | None], lengths: Sequence[int], capacity: int) -> None:
        """As of :class:`Slots`."""
        for place, buffer in enumerate(self._buffers):
            self._buffers[place] = _moved(buffer, rows, lengths, capacity)


class Batch:
    """Rows that are all given their prompts at once, padded on the left, and all end before any is given another.

    For layers of kinds that only the model's own cache knows.

    Args:
        model: A causal language model of transformers, on its device.
        pad: The token to pad with, which is masked.
    """

    def __init__(self, model: Any, pad: int) -> None:
        self._model, self._pad = model, pad
        self._tokens = torch.zeros(0, 0, dtype=torch.long)
        self._released: set[int] = set()

    def is_open(self) -> bool:
        """When all rows are released."""
        return len(self._released) == len(self._tokens)

    def admit(self, prompts: Sequence[list[int]], places: Sequence[int]) -> torch.Tensor:
        """As of :class:`Rows`; what was there before is gone."""
        width = max(map(len, prompts))
        rows = [[_NOTHING] * (width - len(prompt)) + prompt for prompt in prompts]
        self._tokens = torch.tensor(rows, device=self._model.device)
        self._cache = DynamicCache(config=self._model.config)
        self._released = set()
        return self._forward(width)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """As of :class:`Rows`."""
        self._tokens = torch.cat([self._tokens, tokens[: len(self._tokens), None]], dim=1)
        return self._forward(1)

    def release(self, row: int) -> None:
        """As of :class:`Rows`."""
        self._released.add(row)

    def keep(self, rows: Sequence[int]) -> None:
        """As of :class:`Rows`."""
        chosen = torch.tensor(list(rows), dtype=torch.long, device=self._model.device)
        self._tokens = self._tokens[chosen]
        self._released = {place for place, row in enumerate(rows) if row in self._released}
        if rows:
            # linear attention has no batch_select_indices
            self._cache.reorder_cache(chosen)  # type: ignore[arg-type]

    def seen(self, rows: Sequence[int]) -> torch.Tensor:
        """As of :class:`Rows`."""
        return self._tokens[list(rows)]

    def _forward(self, new: int) -> torch.Tensor:
        mask = (self._tokens != _NOTHING).long()
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -new:]
        tokens = self._tokens[:, -new:].clone()
        tokens[tokens == _NOTHING] = self._pad
        return _forward(self._model, tokens, mask, positions, self._cache)


def _forward(
    model: Any, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Cache
) -> torch.Tensor:
    """Logits in fp32 after the last of the given tokens, shape ``(rows, vocabulary)``."""
    output = model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: torch.Tensor = output.logits[:, -1].float()
    return logits


def _moved(buffer: torch.Tensor, rows: Sequence[int | None], lengths: Sequence[int], capacity: int) -> torch.Tensor:
    """Rows of a buffer in another one; what is masked there must be numbers too, so that it is zeros."""
    moved = buffer.new_zeros(len(rows), capacity, *buffer.shape[2:])
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        if row is not None:
            moved[place, :length] = buffer[row, :length]
    return moved


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two texts begin with alike."""
    length = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        length += 1
    return length
