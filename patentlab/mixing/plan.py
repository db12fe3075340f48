"""A training set out of real and added documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from patentlab.config import MixConfig, RequestError
from patentlab.corpus import REPEAT, Document, LabelSpace, derive_seed
from patentlab.data.regimes import stratified_order

Add = Callable[[Sequence[Document], int], Sequence[Document]]
"""The real documents of a mix, sorted by id, and a number → so many added documents, or fewer where that is allowed."""


@dataclass(frozen=True)
class Plan:
    """How many documents of each kind a training set gets."""

    real: int
    added: int

    @property
    def share(self) -> float:
        """The share of real documents that these counts achieve."""
        return self.real / (self.real + self.added)


def plan_mixture(available: int, config: MixConfig) -> Plan:
    """Work out the counts of a mix.

    With a budget B and a share q: round(qB) real documents, the rest added. Without a budget: all real documents,
    and as many added ones as make the share q.

    Args:
        available: Real documents of the regime.
        config: The mix group.

    Returns:
        The counts; they exceed ``available`` only where ``on_shortage`` is ``repeat``.

    Raises:
        RequestError: The share cannot be had, or too few real documents are there for the budget.
    """
    share, budget = config.real_share, config.budget
    if budget is None:
        if share == 0:
            raise RequestError("mix.real_share=0: cannot be had beside real documents; give mix.budget=…")
        plan = _keep_share(available, share)
        if plan.added and plan.real + plan.added > config.max_documents:
            raise RequestError(
                f"mix={share:g}: {available} real documents would need {plan.added} added ones, more than "
                f"mix.max_documents={config.max_documents} in all; raise it, or give a mix.budget"
            )
        return plan
    real = round(share * budget)
    if real > available and config.on_shortage == "error":
        raise RequestError(
            f"mix.budget={budget}: a share of {share:g} needs {real} real documents, and the regime has {available}; "
            "lower the budget or the share, or set mix.on_shortage=repeat or shrink"
        )
    if real > available and config.on_shortage == "shrink":
        return _keep_share(available, share)
    return Plan(real, budget - real)


def _keep_share(real: int, share: float) -> Plan:
    return Plan(real, round(real * (1 - share) / share))


def mix(real: Sequence[Document], plan: Plan, add: Add | None, labels: LabelSpace, seed: int) -> tuple[Document, ...]:
    """Make the training set of a plan, in random order.

    Where a plan takes only some of the real documents, these are stratified, and a smaller number lies inside a larger
    one: as a regime lies in the pool, so that few documents do not come with fewer labels than they must.

    Args:
        real: Real documents of the regime.
        plan: The counts.
        add: Makes the added documents; not called where none are added.
        labels: The label space.
        seed: Subset and order derive from it.

    Returns:
        ``plan.real`` real and at most ``plan.added`` added documents. Real documents beyond those available are drawn
        again and marked ``repeat``; they count as real.

    Raises:
        RequestError: Documents are to be added and cannot be made.
        TypeError: Nothing makes them.
    """
    chosen = list(real)
    if plan.real < len(real):
        order = stratified_order(labels.encode(real), derive_seed(seed, "mixing/real"))
        chosen = [real[position] for position in order[: plan.real]]
    shortage = plan.real - len(chosen)
    again = np.random.default_rng(derive_seed(seed, "mixing/repeat")).integers(len(real), size=max(shortage, 0))
    repeated = [
        replace(real[i], id=f"{real[i].id}#r{number}", origin=REPEAT, source_id=real[i].id)
        for number, i in enumerate(again)
    ]
    added: Sequence[Document] = ()
    if plan.added:
        if add is None:
            raise TypeError(f"{plan.added} documents are to be added, and nothing makes them")
        added = add(sorted(chosen or real, key=lambda document: document.id), plan.added)
    documents = [*chosen, *repeated, *added]
    shuffled = np.random.default_rng(derive_seed(seed, "mixing/order")).permutation(len(documents))
    return tuple(documents[position] for position in shuffled)
