"""A run's training set: real documents are chosen, others added, and all put in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from patentlab.config import ExperimentConfig
from patentlab.corpus import REPEAT, Document, LabelSpace, derive_seed, is_real
from patentlab.data.documents import Documents
from patentlab.data.regimes import stratified_order
from patentlab.mixing.plan import Plan, plan_mixture
from patentlab.protocols import Judging, Progress
from patentlab.synthesis.strategies import Added, Agrees, Context, find_strategy


@dataclass(frozen=True)
class TrainingSet:
    """What a run learns from.

    Attributes:
        documents: Real and added ones, in random order.
        plan: The counts that were asked for, those included that strategies without additions leave out.
        addition: The added documents as they were made, and how that went.
    """

    documents: tuple[Document, ...]
    plan: Plan
    addition: Added = field(default_factory=Added)

    @property
    def real(self) -> list[Document]:
        """The documents that count as real, in the order of ``documents``."""
        return [document for document in self.documents if is_real(document)]

    @property
    def added(self) -> list[Document]:
        """The others, in the order of ``documents``."""
        return [document for document in self.documents if not is_real(document)]

    @property
    def achieved_share(self) -> float:
        """The share of real documents."""
        return 1 - len(self.added) / len(self.documents)


def make_training_set(
    config: ExperimentConfig,
    documents: Documents,
    progress: Progress,
    judging: Judging | None = None,
) -> TrainingSet:
    """Mix real documents with those that the configured strategy adds.

    Args:
        config: Composed and checked.
        documents: The real ones.
        progress: Shows what is made.
        judging: Makes a judge of real documents; for ``mix=filtered`` alone.

    Returns:
        The training set.

    Raises:
        RequestError: The mix cannot be had.
    """
    labels = documents.corpus.labels
    plan = plan_mixture(len(documents.real), config.mix)
    chosen, repeated = choose(documents.real, plan, labels, config.seed_of("regime"))
    addition = add(config, documents, chosen, plan.added, progress, judging)
    mixed = in_order([*chosen, *repeated, *addition.documents], config.seed_of("batches"))
    return TrainingSet(mixed, plan, addition)


def choose(
    real: Sequence[Document], plan: Plan, labels: LabelSpace, seed: int
) -> tuple[list[Document], list[Document]]:
    """The real documents of a training set.

    Where a plan takes only some of them, these are stratified, and a smaller number lies inside a larger one: as a
    regime lies in the pool, so that few documents do not come with fewer labels than they must.

    Args:
        real: Real documents of the regime.
        plan: Says how many.
        labels: The label space.
        seed: The draw derives from it.

    Returns:
        The chosen ones, each once; and those that the plan wants beyond all there are, drawn again and marked
        ``repeat``.
    """
    chosen = nested(real, labels, seed)[: plan.real] if plan.real < len(real) else list(real)
    shortage = max(plan.real - len(chosen), 0)
    again = np.random.default_rng(derive_seed(seed, "mixing/repeat")).integers(len(real), size=shortage)
    repeated = [
        replace(real[i], id=f"{real[i].id}#r{number}", origin=REPEAT, source_id=real[i].id)
        for number, i in enumerate(again)
    ]
    return chosen, repeated


def nested(real: Sequence[Document], labels: LabelSpace, seed: int) -> list[Document]:
    """Real documents in the order in which a mix takes them: each larger mix contains a smaller one."""
    order = stratified_order(labels.encode(real), derive_seed(seed, "mixing/real"))
    return [real[position] for position in order]


def shown(
    sources: str | None, real: Sequence[Document], own: Sequence[Document], labels: LabelSpace, seed: int
) -> list[Document]:
    """The real documents that a generator is shown.

    Args:
        sources: As of ``strategy.sources``.
        real: Real documents of the regime.
        own: Those of the training set.
        labels: The label space.
        seed: Of the nested order.

    Returns:
        The run's own, unless others are asked for: then the first of the nested order, or all where there are fewer.
    """
    if sources in (None, "mixture"):
        return list(own)
    count = len(real) if sources == "regime" else int(str(sources))
    return nested(real, labels, seed)[:count]


def add(
    config: ExperimentConfig,
    documents: Documents,
    chosen: Sequence[Document],
    count: int,
    progress: Progress,
    judging: Judging | None = None,
) -> Added:
    """What the configured strategy adds to real documents.

    Args:
        config: Composed and checked.
        documents: The real ones.
        chosen: Those of the training set.
        count: Documents wanted.
        progress: Shows what is made.
        judging: Makes a judge of real documents.

    Returns:
        The documents, with the strategy's name as their origin; nothing where nothing is wanted.

    Raises:
        RequestError: They cannot be had.
        ValueError: The strategy gave a document the id of another.
    """
    name = config.strategy_used
    strategy = find_strategy(name)
    if not (count and strategy.adds):
        return Added()
    labels, real, sources = documents.corpus.labels, documents.real, config.strategy.sources
    own = sorted(chosen or real, key=lambda document: document.id)
    seen = shown(sources, real, own, labels, config.seed_of("regime"))
    agrees: Agrees | None = None
    if config.mix.ordering == "filtered" and not strategy.copies:
        agrees = _agreement(config, seen, labels, judging)
    made = strategy.add(Context(config, real, own, seen, documents.split, labels, progress, agrees), count)
    if sources is not None:
        ids = {document.id for document in chosen}
        beyond = sum(document.id not in ids for document in seen)
        made = replace(made, report={**made.report, "shown": len(seen), "shown_beyond_own": beyond})
    stamped = tuple(d if d.origin == name else replace(d, origin=name) for d in made.documents)
    if len({document.id for document in (*own, *stamped)}) < len(own) + len(stamped):
        raise ValueError(f"strategy={name}: added documents need ids of their own, and two documents have the same")
    return replace(made, documents=stamped)


def in_order(documents: Sequence[Document], seed: int) -> tuple[Document, ...]:
    """Documents in a random order.

    Args:
        documents: Real ones, then added ones.
        seed: The order derives from it.
    """
    shuffled = np.random.default_rng(derive_seed(seed, "mixing/order")).permutation(len(documents))
    return tuple(documents[position] for position in shuffled)


def _agreement(
    config: ExperimentConfig, seen: Sequence[Document], labels: LabelSpace, judging: Judging | None
) -> Agrees:
    """Whether a classifier trained on what a strategy is shown ranks so many of a document's labels first."""
    if judging is None:
        raise TypeError("mix=filtered needs what judges documents")
    judge, least = judging(seen, labels, config.seed_of("generation")), config.mix.agreement or 0.0
    return lambda document: judge.agreement([document])[0] >= least
