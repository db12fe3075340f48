"""``model.merge``: finished runs whose changes of one base are combined."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from patentlab.config.bounds import bounded, out_of_bounds

APART = "apart"
OF_ADAPTERS = ("cat", "ties_svd", "dare_ties_svd", APART)  # methods for low-rank updates alone
METHODS = (*OF_ADAPTERS, "linear", "ties")
PRUNING = ("ties", "ties_svd", "dare_ties_svd")  # methods that drop part of each change


@dataclass
class MergeConfig:
    """Which runs, and how what they changed becomes one change.

    Attributes:
        runs: Folders of finished runs with saved models.
        method: ``cat`` and ``linear`` are the weighted sum of changes, of adapters and of any weights; ``ties`` (Yadav
            et al. 2023) drops the smallest values of each, and averages those that agree in sign; ``ties_svd`` and
            ``dare_ties_svd`` (values dropped at random, the others scaled up, Yu et al. 2024) give it the rank of an
            adapter again. With ``apart`` nothing is merged: adapters stand side by side.
        weights: Of the runs; None: the same for all, with a sum of 1.
        density: The share of values that pruning methods keep.
    """

    runs: list[str] | None = None
    method: str | None = bounded(None, words=METHODS)
    weights: list[float] | None = None
    density: float | None = bounded(None, above=0, most=1)

    @property
    def folds(self) -> bool:
        """Whether what runs changed becomes part of the backbone's weights."""
        return bool(self.runs) and self.method != APART

    @property
    def shares(self) -> list[float]:
        """The weight of each run."""
        runs = self.runs or []
        return list(self.weights) if self.weights is not None else [1 / len(runs)] * len(runs)

    @property
    def idle(self) -> dict[str, str]:
        """Settings that were given and change nothing beside the others, and why."""
        idle = {}
        if not self.runs:
            idle = dict.fromkeys(("method", "weights", "density"), "model.merge.runs names no runs to merge")
        elif self.method is not None and self.method not in PRUNING:
            idle = {"density": f"model.merge.method={self.method} keeps every value"}
        return {name: why for name, why in idle.items() if getattr(self, name) is not None}

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "model.merge.")
        if not self.runs:
            return
        if self.method is None:
            yield f"model.merge.method=null: must be given with model.merge.runs; allowed are {', '.join(METHODS)}"
        for weight in self.weights or ():
            if not (math.isfinite(weight) and weight > 0):
                yield f"model.merge.weights={weight:g}: must be above 0"
        if self.weights is not None and self.method == APART:
            yield "model.merge.weights: adapters that stand apart are not weighted; set it to null"
        elif self.weights is not None and len(self.weights) != len(self.runs):
            yield (
                f"model.merge.weights: {len(self.weights)} of them and {len(self.runs)} runs; give one a run, or null "
                "for equal ones"
            )
        if self.density is None and self.method in PRUNING:
            yield f"model.merge.density=null: must be given for model.merge.method={self.method}, above 0 and at most 1"
