"""Strategies: where the added documents of a training set come from.

Some draw real documents again; the others ask a generator, and here is what they ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from patentlab.config import RequestError, StrategyConfig
from patentlab.corpus import Document, LabelSpace, derive_seed
from patentlab.synthesis.prompts import Request, rewrite, write

Resampling = Callable[[Sequence[Document], int, int], tuple[Document, ...]]
"""Real training documents, a number, a seed → so many added documents, the same for the same seed, and the first
ones the same for any larger number."""

Asking = Callable[[int], Request]
"""The number of an attempt → what is asked; the same number, the same request."""

_BLOCK = 4  # attempts that share their examples, so that a generator reads them once


def duplicate(real: Sequence[Document], count: int, seed: int) -> tuple[Document, ...]:
    """The control for volume: real training documents drawn with replacement.

    Args:
        real: The real documents of the training set.
        count: How many to draw.
        seed: The same seed yields the same draw.

    Returns:
        Copies with an id of their own, ``source_id`` naming the original.

    Raises:
        RequestError: There is nothing to draw from.
    """
    if count and not real:
        raise RequestError("strategy=duplicate: there are no real documents to draw from; raise mix.real_share")
    drawn = np.random.default_rng(seed).integers(len(real), size=count) if count else ()
    return tuple(
        replace(real[i], id=f"{real[i].id}#{number}", origin="duplicate", source_id=real[i].id)
        for number, i in enumerate(drawn)
    )


def oversample(real: Sequence[Document], count: int, seed: int) -> tuple[Document, ...]:
    """Random oversampling: real training documents drawn with replacement, every label with the same chance.

    First a label is drawn, then one of its documents (class-aware sampling, Shen et al. 2016, section 3.1), so that
    documents of rare labels come more often. With one label a document, all classes are expected equally often.

    Args:
        real: The real documents of the training set.
        count: How many to draw.
        seed: The same seed yields the same draw.

    Returns:
        Copies with an id of their own, ``source_id`` naming the original.

    Raises:
        RequestError: There is nothing to draw from.
    """
    if count and not real:
        raise RequestError("strategy=oversample: there are no real documents to draw from; raise mix.real_share")
    holders: dict[str, list[Document]] = {}
    for document in real:
        for label in document.labels:
            holders.setdefault(label, []).append(document)
    labels = sorted(holders)
    generator = np.random.default_rng(seed)
    added = []
    for number in range(count):
        documents = holders[labels[generator.integers(len(labels))]]
        source = documents[generator.integers(len(documents))]
        added.append(replace(source, id=f"{source.id}#{number}", origin="oversample", source_id=source.id))
    return tuple(added)


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


def paraphrase(sources: Sequence[Document], labels: LabelSpace, config: StrategyConfig, seed: int) -> Asking:
    """Ask for real documents in other words, each before any a second time.

    Args:
        sources: Real training documents.
        labels: Not used: a paraphrase keeps the labels of its source.
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


RESAMPLING: dict[str, Resampling] = {"duplicate": duplicate, "oversample": oversample}
ASKING = {"label_conditioned": label_conditioned, "paraphrase": paraphrase}


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
