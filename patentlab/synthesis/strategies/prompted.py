"""Strategies that ask a generator, and what they ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from patentlab.config import RequestError, StrategyConfig
from patentlab.config.registry import STRATEGIES
from patentlab.corpus import Document, LabelSpace, derive_seed
from patentlab.synthesis.prompts import Request, rewrite, write
from patentlab.synthesis.strategies import Added, Context, Strategy

Asking = Callable[[int], Request]
"""The number of an attempt → what is asked; the same number, the same request."""

_BLOCK = 4  # attempts that share their examples, so that a generator reads them once


class Prompted(Strategy):
    """A strategy that asks a generator; a new one says what is asked."""

    generates = True
    uses_sources = True

    def ask(self, sources: Sequence[Document], labels: LabelSpace, config: StrategyConfig, seed: int) -> Asking:
        """What is asked.

        Args:
            sources: Real documents that it may be made of, sorted by id.
            labels: Their label space.
            config: The strategy's settings.
            seed: Of all that is drawn.

        Returns:
            Attempt → request.

        Raises:
            RequestError: There are no sources.
        """
        raise NotImplementedError

    def add(self, context: Context, count: int) -> Added:
        """So many answers that pass the screening; those that any run asked for before come from the cache."""
        from patentlab.synthesis.production import synthesise  # slow to import

        return synthesise(context, self.ask, count)


@STRATEGIES.add("label_conditioned")
class LabelConditioned(Prompted):
    """Full synthesis: a document for a label set of the real ones."""

    def ask(self, sources: Sequence[Document], labels: LabelSpace, config: StrategyConfig, seed: int) -> Asking:
        """As :func:`label_conditioned`."""
        return label_conditioned(sources, labels, config, seed)


@STRATEGIES.add("paraphrase")
class Paraphrase(Prompted):
    """Real training documents in other words."""

    def ask(self, sources: Sequence[Document], labels: LabelSpace, config: StrategyConfig, seed: int) -> Asking:
        """As :func:`paraphrase`."""
        return paraphrase(sources, config, seed)


def label_conditioned(sources: Sequence[Document], labels: LabelSpace, config: StrategyConfig, seed: int) -> Asking:
    """Ask for documents with the label sets of real ones, co-occurrences and all.

    Attempts go through the sources in cycles, so that every label set comes up as often as it does among them. Within
    a cycle they come in blocks of sources with like labels; the examples of a block are members of it.

    Args:
        sources: Real documents that label sets and examples come from.
        labels: Titles for the prompt.
        config: ``prompts``, ``label_text`` and ``examples`` are used.
        seed: Of order, examples and families.

    Returns:
        What is asked at each attempt.

    Raises:
        RequestError: There are no sources.
    """
    _check(sources, "label_conditioned")
    titled = any(source.title is not None for source in sources)

    @lru_cache(maxsize=4)
    def cycle(number: int) -> list[list[int]]:
        return _blocks(sources, labels, derive_seed(seed, f"cycle {number}"))

    def ask(number: int) -> Request:
        turn, position = divmod(number, len(sources))
        block = next(b for b in _with_start(cycle(turn)) if b[0] <= position < b[0] + len(b[1]))
        start, members = block
        source = sources[members[position - start]]
        shown = _examples(members, len(sources), config.examples or 0, derive_seed(seed, f"examples {turn} {start}"))
        family = _family(config, seed, number)
        examples = [sources[i] for i in shown]
        named = config.label_text or "title"
        return write(number, source.labels, family, examples, labels, named, titled=titled)

    return ask


def paraphrase(sources: Sequence[Document], config: StrategyConfig, seed: int) -> Asking:
    """Ask for real documents in other words, each before any a second time.

    Args:
        sources: Real training documents.
        config: ``prompts`` is used.
        seed: Of order and families.

    Returns:
        What is asked at each attempt.

    Raises:
        RequestError: There are no sources.
    """
    _check(sources, "paraphrase")

    def ask(number: int) -> Request:
        turn, position = divmod(number, len(sources))
        order = np.random.default_rng(derive_seed(seed, f"cycle {turn}")).permutation(len(sources))
        return rewrite(number, sources[order[position]], _family(config, seed, number))

    return ask


def _check(sources: Sequence[Document], name: str) -> None:
    if not sources:
        raise RequestError(f"strategy={name}: there are no real documents to start from; raise mix.real_share")


def _family(config: StrategyConfig, seed: int, number: int) -> str:
    families = config.prompts or []
    return families[int(np.random.default_rng(derive_seed(seed, f"family {number}")).integers(len(families)))]


def _blocks(sources: Sequence[Document], labels: LabelSpace, seed: int) -> list[list[int]]:
    """All positions of sources, in blocks of those that are alike in their labels."""
    generator = np.random.default_rng(seed)
    rank = dict(zip(labels.names, generator.permutation(len(labels)), strict=True))
    chance = generator.random(len(sources))
    order = sorted(
        range(len(sources)), key=lambda i: (tuple(int(rank[label]) for label in sources[i].labels), chance[i])
    )
    blocks = [order[first : first + _BLOCK] for first in range(0, len(order), _BLOCK)]
    return [blocks[position] for position in generator.permutation(len(blocks))]


def _with_start(blocks: list[list[int]]) -> list[tuple[int, list[int]]]:
    starts = np.cumsum([0, *map(len, blocks)])
    return [(int(start), block) for start, block in zip(starts, blocks, strict=False)]


def _examples(members: list[int], sources: int, count: int, seed: int) -> list[int]:
    """Positions of examples: members of a block, and where it has too few, any others."""
    generator = np.random.default_rng(seed)
    others = [position for position in range(sources) if position not in members]
    chosen = [*generator.permutation(members)[:count], *generator.permutation(others)[: max(count - len(members), 0)]]
    return [int(position) for position in chosen]
