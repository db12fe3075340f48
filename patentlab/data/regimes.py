"""Regimes 1:N: the N-th part of the real training pool, stratified and nested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from patentlab.config import RequestError
from patentlab.corpus import Document, LabelSpace, derive_seed
from patentlab.data.splits import stratify


def keep_part(pool: Sequence[Document], labels: LabelSpace, divisor: int, seed: int) -> tuple[Document, ...]:
    """Cut the training pool to its N-th part.

    The pool is put in an order of which every prefix is stratified, and the regime is a prefix: so for one seed the
    1:100 set lies inside the 1:10 set.

    Args:
        pool: The real training pool.
        labels: Its label space.
        divisor: N of the regime 1:N.
        seed: The same seed yields the same, nested sets.

    Returns:
        ``len(pool) / N`` documents, rounded, in the pool's order.

    Raises:
        RequestError: N is larger than the pool.
    """
    size = part_size(len(pool), divisor)
    if divisor == 1:
        return tuple(pool)
    order = stratified_order(labels.encode(pool), seed)
    return tuple(pool[position] for position in sorted(order[:size]))


def part_size(pool: int, divisor: int) -> int:
    """How many documents the regime 1:N keeps.

    Args:
        pool: Documents in the pool.
        divisor: N.

    Returns:
        Their N-th part, rounded.

    Raises:
        RequestError: N is larger than the pool.
    """
    if divisor > pool:
        raise RequestError(f"regime=1:{divisor}: the pool has {pool} documents; the largest is 1:{pool}")
    return round(pool / divisor)


def stratified_order(targets: NDArray[np.int8], seed: int) -> list[int]:
    """An order of documents in which every prefix resembles the whole in its labels.

    The set is halved by iterative stratification, and each half in turn, down to pairs.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        seed: For ties.

    Returns:
        Every position once.
    """

    def halve(positions: NDArray[np.int64], depth: int) -> list[int]:
        if len(positions) > 2:
            fold = stratify(targets[positions], (0.5, 0.5), derive_seed(seed, f"depth {depth} first {positions[0]}"))
            halves = positions[fold == 0], positions[fold == 1]
            if all(len(half) for half in halves):
                return halve(halves[0], depth + 1) + halve(halves[1], depth + 1)
        generator = np.random.default_rng(derive_seed(seed, f"leaf {positions[0]}"))
        return [int(position) for position in generator.permutation(positions)]

    return halve(np.arange(len(targets)), 0)
