"""What the strategies that a run matrix names do: asked by their properties, never by a list of names."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from patentlab.config.registry import STRATEGIES


@dataclass(frozen=True)
class Properties:
    """Of a strategy.

    Attributes:
        adds: Documents to the real ones.
        generates: They are a generator's.
        copies: They are real ones again, word for word.
        uses_sources: They hang on ``strategy.sources``.
        draws: They hang on a seed of their own.
    """

    adds: bool
    generates: bool
    copies: bool
    uses_sources: bool = False
    draws: bool = True

    @property
    def augments(self) -> bool:
        """Whether it adds documents that are not there yet: what is held against controls."""
        return self.adds and not self.copies


_UNKNOWN = Properties(adds=True, generates=False, copies=False)


def properties(name: str) -> Properties:
    """What a strategy does; one that is known no more counts as one that adds, and neither generates nor copies.

    Args:
        name: As the record has it.
    """
    if name not in STRATEGIES:
        return _UNKNOWN
    known = STRATEGIES.get(name)
    return Properties(known.adds, known.generates, known.copies, known.uses_sources, known.draws)


def augmented(names: pd.Series) -> pd.Series[bool]:
    """Which runs have documents added that are no copies.

    Args:
        names: Of their strategies; missing ones add nothing.
    """
    known = {name: properties(str(name)).augments for name in names.dropna().unique()}
    return names.map(known).fillna(False).astype(bool)
