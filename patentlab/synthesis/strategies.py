"""Strategies: where the added documents of a training set come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from patentlab.config import RequestError, StrategyConfig
from patentlab.corpus import Document

Strategy = Callable[[Sequence[Document], int, int], tuple[Document, ...]]
"""Real training documents, a number, a seed → so many added documents, the same for the same seed, and the first
ones the same for any larger number."""


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


def get_strategy(config: StrategyConfig) -> Strategy:
    """The strategy that a configuration names.

    Args:
        config: The strategy group.

    Returns:
        The function that makes the documents.

    Raises:
        RequestError: There is no such strategy.
    """
    strategies: dict[str, Strategy] = {"duplicate": duplicate, "oversample": oversample}
    if config.name not in strategies:
        raise RequestError(f"strategy.name={config.name}: no such strategy; allowed are none, {', '.join(strategies)}")
    return strategies[config.name]
