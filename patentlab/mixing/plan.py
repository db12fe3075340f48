"""How many real and added documents make up a training set."""

from __future__ import annotations

from dataclasses import dataclass

from patentlab.config import MixConfig, RequestError


@dataclass(frozen=True)
class Plan:
    """How many documents of each kind a training set gets."""

    real: int
    added: int

    @property
    def total(self) -> int:
        """Real and added ones."""
        return self.real + self.added

    @property
    def share(self) -> float:
        """The share of real documents that these counts achieve."""
        return self.real / self.total


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
        if plan.added and plan.total > config.max_documents:
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
