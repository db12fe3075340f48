"""Strategies that draw real documents again: the controls for volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from patentlab.config import RequestError
from patentlab.config.registry import STRATEGIES
from patentlab.corpus import Document
from patentlab.synthesis.strategies import Added, Context, Strategy


@STRATEGIES.add("duplicate")
class Duplicate(Strategy):
    """Real training documents drawn again, with replacement."""

    copies = True

    def add(self, context: Context, count: int) -> Added:
        """So many copies of the training set's real documents."""
        return Added(duplicate(context.chosen, count, context.seed))


@STRATEGIES.add("oversample")
class Oversample(Strategy):
    """Real training documents drawn again, every label with the same chance."""

    copies = True

    def add(self, context: Context, count: int) -> Added:
        """So many copies of the training set's real documents."""
        return Added(oversample(context.chosen, count, context.seed))


@STRATEGIES.add("reveal")
class Reveal(Strategy):
    """Real documents that a generator with the same sources is shown beyond the run's own, word for word.

    What generation adds to having seen them is the contrast with it.
    """

    copies = True
    uses_sources = True
    draws = False

    def add(self, context: Context, count: int) -> Added:
        """The first so many of the nested order, each before any a second time."""
        own = {document.id for document in context.chosen}
        others = [document for document in context.sources if document.id not in own]
        if not others:
            raise RequestError(
                f"strategy=reveal: strategy.sources={context.config.strategy.sources} shows a generator nothing beyond "
                f"the run's own {len(own)} documents; set a mix.budget that leaves some of the regime out, and regime "
                "or a larger number as strategy.sources"
            )
        return Added(tuple(_copy(others[number % len(others)], number, "reveal") for number in range(count)))


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
    return tuple(_copy(real[i], number, "duplicate") for number, i in enumerate(drawn))


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
        for label in document.labels or ("",):  # documents of tagged words may have none, and are like one label more
            holders.setdefault(label, []).append(document)
    labels = sorted(holders)
    generator = np.random.default_rng(seed)
    added = []
    for number in range(count):
        documents = holders[labels[generator.integers(len(labels))]]
        added.append(_copy(documents[generator.integers(len(documents))], number, "oversample"))
    return tuple(added)


def _copy(document: Document, number: int, strategy: str) -> Document:
    return replace(document, id=f"{document.id}#{number}", origin=strategy, source_id=document.id)
