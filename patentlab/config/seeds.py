"""Seeds by source: what of a run's randomness is drawn anew, and what is held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from patentlab.config.bounds import bounded, out_of_bounds


@dataclass
class SeedsConfig:
    """Where a run's randomness comes from; a source that is None follows ``seed``.

    Attributes:
        split: Training pool, validation and test set; the sample of the pool that fidelity is measured on.
        regime: The real documents that regime and budget take, those drawn again for a shortage, and the order in which
            a generator is shown them.
        generation: All that is drawn for added documents: requests, sampling, a generator's adaptation, rules, copies.
        weights: Initial weights of head and adapter, and dropout.
        batches: The order of training documents.
    """

    split: int | None = bounded(None, least=0)
    regime: int | None = bounded(None, least=0)
    generation: int | None = bounded(None, least=0)
    weights: int | None = bounded(None, least=0)
    batches: int | None = bounded(None, least=0)

    def __str__(self) -> str:
        """Those that are set apart: ``split=1 weights=0``."""
        given = {name: getattr(self, name) for name in SEED_SOURCES}
        return " ".join(f"{name}={seed}" for name, seed in given.items() if seed is not None)

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "seeds.")


SEED_SOURCES = tuple(one.name for one in fields(SeedsConfig))


def seeds_of(settings: Mapping[str, Any]) -> dict[str, int]:
    """The seed of each source.

    Args:
        settings: Of a run, nested; those of earlier records have one ``seed`` alone.
    """
    own = settings.get("seeds") or {}
    return {name: settings["seed"] if own.get(name) is None else own[name] for name in SEED_SOURCES}
