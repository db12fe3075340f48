"""What a generator that nobody tried yet would bring: gain on fidelity, with effects of generators, arms and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from patentlab.analysis.arms import Runs
from patentlab.analysis.fidelity_gain import comparable, points
from patentlab.statistics.mixed_model import RESIDUAL, fit_mixed_model
from patentlab.statistics.undecidable import UndecidableError

_AT = {"lowest": 0.0, "median": 0.5, "highest": 1.0}
_FACTORS = ("generator", "arm", "seed")
_NUMBERS = ("slope", "slope_low", "slope_high", "p", *(f"sd_{name}" for name in (*_FACTORS, RESIDUAL)))


def new_generator(pairs: Runs, fidelity: str = "mmd2", metric: str = "f1_micro") -> pd.DataFrame:
    """Predicted gain of a new generator, by its fidelity, within each cell.

    The model is over runs: ``gain = intercept + slope * fidelity``, with random effects of the generator (adapted ones
    apart, rules by their names), of the arm within generator and strategy, and, crossing both, of the seed. Arms and
    seeds are those of :func:`patentlab.analysis.fidelity_gain.comparable`.

    Args:
        pairs: As of :func:`patentlab.analysis.arms.gains`.
        fidelity: Which measure.
        metric: The gain in which.

    Returns:
        Three rows per contrast and cell, at the lowest, median and highest fidelity of arms (``at``, ``x``):
        ``predicted, predicted_low, predicted_high``, the gain of one arm of a new generator over many seeds, with its
        95% prediction interval; ``generators, arms, runs``; ``slope`` (of a unit of fidelity) with its interval and
        ``p``; standard deviations of the effects, ``sd_generator, sd_arm, sd_seed, sd_residual``; ``sentence``: why
        there is no such model.
    """
    of_points = points(pairs, fidelity, metric)
    keys = ["contrast", *pairs.cell]
    if of_points.empty:
        return pd.DataFrame()
    kept = comparable(of_points, pairs.cell).index  # points stand in the order of their groups
    runs = pairs.table[pairs.table.groupby([*keys, "arm", "cluster"], dropna=False, sort=False).ngroup().isin(kept)]
    rows: list[dict[str, Any]] = []
    for key, group in runs.groupby(keys, dropna=False, sort=False):
        conditions = dict(zip(keys, key, strict=True))
        counted = {"generators": group["cluster"].nunique(), "arms": group["arm"].nunique(), "runs": len(group)}
        rows += [conditions | counted | row for row in _predicted(group, f"fidelity.{fidelity}", f"gain.{metric}")]
    return pd.DataFrame(rows)


def _predicted(group: pd.DataFrame, x: str, y: str) -> list[dict[str, Any]]:
    nothing = dict.fromkeys(("x", "predicted", "predicted_low", "predicted_high", *_NUMBERS), np.nan)
    factors = {
        "generator": group["cluster"].astype(str),
        "arm": group["cluster"].astype(str) + "\n" + group["arm"].map(str),
        "seed": group["seed"].astype(str),
    }
    try:
        model = fit_mixed_model(group[x], group[y], factors, new=("generator", "arm"))
    except UndecidableError as reason:
        return [{"at": "", **nothing, "sentence": str(reason)}]
    low, high = model.slope_interval()
    told: dict[str, Any] = {"slope": model.slope, "slope_low": low, "slope_high": high, "p": model.slope_p()}
    told |= {f"sd_{name}": value for name, value in model.deviations.items()}
    of_arms = group.groupby("arm")[x].mean()
    rows = []
    for at, quantile in _AT.items():
        place = float(of_arms.quantile(quantile))
        value, start, end = model.predicted(place)
        rows.append({"at": at, "x": place, "predicted": value, "predicted_low": start, "predicted_high": end,
                     **told, "sentence": ""})  # fmt: skip
    return rows
