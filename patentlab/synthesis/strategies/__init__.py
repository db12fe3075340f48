"""Strategies: where the added documents of a training set come from. A file a strategy or a family of them.

Each says of itself what it is (:class:`Strategy`), and registers when its module is imported. This package is imported
with the first look-up of a strategy, by the configuration too: what is heavy is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from patentlab.config import ExperimentConfig, StrategyConfig
from patentlab.config.registry import STRATEGIES
from patentlab.corpus import Document, LabelSpace, derive_seed
from patentlab.protocols import Progress

if TYPE_CHECKING:
    from patentlab.data.splits import Split

Agrees = Callable[[Document], bool]
"""Whether a classifier trained on real documents agrees with a document's labels."""


@dataclass(frozen=True)
class Context:
    """What a strategy may draw on.

    Attributes:
        config: Composed and checked.
        real: The real documents of the regime.
        chosen: Those of them that the training set has, sorted by id; all of the regime where it has none.
        sources: Those that a generator is shown, and adapted on, as ``strategy.sources`` says.
        split: Validation and test documents, which nothing added may copy.
        labels: The label space.
        progress: Shows what takes long.
        agrees: For ``mix=filtered``: documents that a classifier disagrees with are left out. Copies of real documents
            need not ask.
    """

    config: ExperimentConfig
    real: Sequence[Document]
    chosen: Sequence[Document]
    sources: Sequence[Document]
    split: Split
    labels: LabelSpace
    progress: Progress
    agrees: Agrees | None = None

    @property
    def seed(self) -> int:
        """Of all that a strategy draws."""
        return derive_seed(self.config.seed_of("generation"), "synthesis")


@dataclass(frozen=True)
class Added:
    """Added documents, and how they came about.

    Attributes:
        documents: In the order in which they were made; ids are unique among all documents of the training set. Their
            origin is the strategy's name, and is set for those that do not say so.
        report: What the record says of them: ``requested``, ``accepted``, ``attempts``, ``rejected`` by reason, …;
            empty where there is nothing to say.
        rows: What is known of each, for ``synthetic.parquet``; None where they are copies, and nothing is.
    """

    documents: tuple[Document, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] | None = None


class Strategy:
    """Where added documents come from. What follows from it is asked of its properties, never of its name.

    Attributes:
        adds: Whether it adds anything.
        generates: Whether it asks a generator, whose settings then count.
        uses_sources: Whether what it adds hangs on ``strategy.sources``.
        copies: Whether what it adds are real documents, word for word: no text of its own, whose closeness to real
            text could be tested.
        draws: Whether what it adds hangs on a seed of its own.
    """

    adds: ClassVar[bool] = True
    generates: ClassVar[bool] = False
    copies: ClassVar[bool] = False
    uses_sources: ClassVar[bool] = False
    draws: ClassVar[bool] = True

    def add(self, context: Context, count: int) -> Added:
        """Make added documents.

        Args:
            context: What they may be made of.
            count: Documents wanted.

        Returns:
            So many; fewer only where the strategy's settings allow it. The same context gives the same documents, and a
            larger count begins with the smaller one.

        Raises:
            RequestError: They cannot be had.
        """
        raise NotImplementedError

    def inputs(self, config: StrategyConfig) -> dict[str, str]:
        """Fingerprints of the files that it reads, by name; none by default.

        Args:
            config: The strategy's settings.

        Raises:
            RequestError: A file is not there.
        """
        return {}

    def training(self, config: ExperimentConfig, documents: int, steps: Callable[[int], int]) -> ExperimentConfig:
        """The settings that a run is trained with; by default its own.

        Args:
            config: Of the run.
            documents: Real and added ones of the plan, whether or not they are added.
            steps: Documents → optimiser steps.
        """
        return config


def find_strategy(name: str) -> Strategy:
    """The strategy of a name.

    Args:
        name: As users write it.

    Raises:
        RequestError: There is none.
    """
    found = STRATEGIES.get(name)()
    if not isinstance(found, Strategy):
        raise TypeError(f"strategy={name}: registered as {type(found).__name__}, which is no Strategy")
    return found
