"""Batches that hold documents of several data sets, in proportion to these or each as often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


def epoch_length(parts: NDArray[np.int64], *, even: bool) -> int:
    """Documents that pass through in an epoch.

    Args:
        parts: Of each document, shape ``(documents,)``.
        even: Whether each part is drawn as often: so often as the largest has documents.

    Returns:
        Their number, or that of the largest part times the number of parts.
    """
    counts = np.unique(parts, return_counts=True)[1]
    return int(counts.max() * len(counts)) if even else len(parts)


class PartsMixed(Sampler[int]):
    """An order of documents in which every batch holds parts as an epoch does, to within a document a part.

    Within a part documents of like length follow one another, as of :class:`LengthGroupedSampler`. An epoch has every
    document once; where parts are drawn evenly those of smaller ones again, none more than once oftener than another of
    its part, and which ones is drawn anew each epoch.

    Args:
        parts: Of each document, shape ``(documents,)``.
        lengths: Of the documents.
        batch_size: Documents of a step.
        generator: Of what is drawn.
        even: Whether each part is drawn as often.
    """

    def __init__(
        self,
        parts: NDArray[np.int64],
        lengths: Sequence[int],
        batch_size: int,
        generator: torch.Generator,
        *,
        even: bool = False,
    ) -> None:
        self.lengths, self.batch_size, self.generator = np.asarray(lengths), batch_size, generator
        self.positions = [np.flatnonzero(parts == part) for part in np.unique(parts)]
        self.length = epoch_length(parts, even=even)
        largest = max(map(len, self.positions))
        self.sizes = [largest if even else len(own) for own in self.positions]

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        orders = [self._order(own, size) for own, size in zip(self.positions, self.sizes, strict=True)]
        # the n-th of a part's documents stands at the share (n + 1/2) / size of the epoch: evenly spread
        places = np.concatenate([(np.arange(size) + 0.5) / size for size in self.sizes])
        return iter(np.concatenate(orders)[np.argsort(places, kind="stable")].tolist())

    def _order(self, own: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """So many documents of a part, of like length one after the other."""
        whole, rest = divmod(size, len(own))
        again = torch.randperm(len(own), generator=self.generator)[:rest].numpy()
        drawn = np.concatenate([*[own] * whole, own[again]])
        of_batch = max(round(self.batch_size * size / self.length), 1)
        lengths: Any = self.lengths[drawn].tolist()
        order = get_length_grouped_indices(lengths, of_batch, generator=self.generator)  # type: ignore[no-untyped-call]
        found: NDArray[np.int64] = drawn[order]
        return found
