"""Added documents first and real ones last."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


def curriculum_order(added: NDArray[np.bool_], total: int, seed: int) -> NDArray[np.int64]:
    """Added documents first and real ones last, each for their share of the training.

    Args:
        added: Which documents are added ones, some and not all; shape ``(documents,)``.
        total: Documents that pass through in all.
        seed: Of the order within each pass.

    Returns:
        Positions of documents, shape ``(total,)``: passes over the added ones, then passes over the real ones.
    """
    generator = np.random.default_rng(seed)
    first = before_real(added, total)
    order = []
    for positions, length in ((np.flatnonzero(added), first), (np.flatnonzero(~added), total - first)):
        passes = [generator.permutation(positions) for _ in range(-(-length // len(positions)))]
        order.append(np.concatenate([*passes, positions[:0]])[:length])
    return np.concatenate(order)


def before_real(added: NDArray[np.bool_], total: int) -> int:
    """Documents of the added kind that pass through before the first real one, of a total."""
    # counts, not their mean: 28 * (29 / 56) is above 14.5, and would round up where 28 * 29 / 56 rounds down
    return round(total * int(added.sum()) / len(added))


class InStages(Sampler[int]):
    """An order over all epochs, dealt out epoch by epoch."""

    def __init__(self, order: NDArray[np.int64], per_epoch: int) -> None:
        self.order, self.per_epoch = order, per_epoch
        self._epoch = 0

    def __len__(self) -> int:
        return self.per_epoch

    def __iter__(self) -> Iterator[int]:
        start = self._epoch * self.per_epoch
        self._epoch += 1
        return iter(np.take(self.order, range(start, start + self.per_epoch), mode="wrap").tolist())
