"""Each arm of a classifier and regime over data sets as one number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from patentlab.analysis.arms import REAL_ONLY, Arm, Runs
from patentlab.statistics.aggregation import (
    Interval,
    bootstrap_probability_of_improvement,
    interquartile_mean,
    probability_of_improvement,
    stratified_bootstrap,
)
from patentlab.statistics.undecidable import UndecidableError

_NAMED = 5  # cells left out are named up to here
_NAMED_ALWAYS = ("model", "head", "adapter", "regime")
_COLUMNS = ["cells", "seeds", "iqm", "low", "high", "improvement", "improvement_low", "improvement_high"]


def seed_aggregates(
    runs: Runs, metric: str = "f1_micro", baseline: Arm = REAL_ONLY, resamples: int = 2_000, seed: int = 0
) -> pd.DataFrame:
    """Each arm of a classifier and regime as one number over data sets (Agarwal et al. 2021, NeurIPS).

    What is pooled are runs of one classifier in one regime, with the share, budget, ordering and settings of each other
    equal, that differ in nothing but their seed, which is their split, and their data set: data sets are the tasks, and
    seeds the runs of a task. Cells that differ in anything else ask for something else, and are rows of their own. Of
    the data sets in which every arm has as many runs as every other, the ones with the commonest number of runs count;
    ``sentence`` names the rest. Intervals speak of other seeds on these data sets, and take these for independent:
    where two of them hold the same documents under two names, they are too narrow.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
        metric: Its column.
        baseline: The arm that improvements are over.
        resamples: Of the bootstraps.
        seed: Of the resamples.

    Returns:
        A row per classifier, regime, whatever else varies but the data set, and arm: ``cells`` (data sets), ``seeds``
        (runs of an arm on each), ``iqm`` (interquartile mean) with its stratified bootstrap interval ``low, high``;
        ``improvement``, the mean probability that a run of it scores above one of the baseline, with
        ``improvement_low, improvement_high``; ``sentence``: data sets left out, and what could not be told.
    """
    tasks = [name for name in runs.cell if name == "data" or name.startswith(("data.", "fingerprints.data"))]
    alike = [name for name in runs.cell if name not in tasks]
    told = [name for name in alike if name in _NAMED_ALWAYS or len(runs.table[name].map(str).unique()) > 1]
    rows: list[dict[str, Any]] = []
    for key, group in runs.table.groupby(alike, dropna=False, sort=False):
        named = {name: value for name, value in zip(alike, key, strict=True) if name in told}
        rows += [named | row for row in _aggregates(Runs(group, tasks), metric, baseline, resamples, seed)]
    return pd.DataFrame(rows, columns=[*told, "arm", *_COLUMNS, "sentence"])


def _aggregates(runs: Runs, metric: str, baseline: Arm, resamples: int, seed: int) -> list[dict[str, Any]]:
    """A row per arm of runs that are alike."""
    samples, seeds, left_out = _samples(runs, metric)
    rows = []
    for arm, scores in samples.items():
        row: dict[str, Any] = {"arm": arm} | dict.fromkeys(_COLUMNS, np.nan)
        row |= {"cells": scores.shape[1], "seeds": seeds}
        sentences = [left_out] if left_out else []
        if scores.size:
            try:
                found = stratified_bootstrap(scores, interquartile_mean, resamples, seed=seed)
                row |= {"iqm": found.estimate, "low": found.low, "high": found.high}
            except UndecidableError as reason:
                sentences.append(f"interquartile mean: {reason}")
        if scores.size and arm != baseline:
            try:
                found = _improvement(scores, samples.get(baseline), baseline, resamples, seed)
                row |= {"improvement": found.estimate, "improvement_low": found.low, "improvement_high": found.high}
            except UndecidableError as reason:
                sentences.append(f"improvement: {reason}")
        rows.append(row | {"sentence": "; ".join(sentences)})
    return rows


def _samples(runs: Runs, metric: str) -> tuple[dict[Arm, NDArray[np.float64]], int, str]:
    """Scores of each arm, ``(runs, cells)``; how many runs an arm has in a cell; which cells were left out."""
    table = runs.table
    cells = table.groupby(runs.cell, dropna=False, sort=False).ngroup() if runs.cell else pd.Series(0, table.index)
    counts = pd.crosstab(cells, table["arm"])
    fewest, most = counts.min(axis=1), counts.max(axis=1)
    even = fewest.eq(most)
    commonest = int(most[even].mode().max()) if even.any() else 0
    kept = even & most.eq(commonest)
    samples: dict[Any, NDArray[np.float64]] = {
        arm: np.array([own.loc[cells == number, metric] for number in counts.index[kept]], dtype=float)
        .reshape(int(kept.sum()), commonest)
        .T
        for arm, own in table.groupby("arm", sort=False)
    }
    named = [
        f"{_cell(table[cells == number].iloc[0], table, runs.cell)} ({_span(fewest[number], most[number])} runs an arm)"
        for number in counts.index[~kept]
    ]
    return samples, commonest, _enumerated(named, len(counts)) if named else ""


def _improvement(
    scores: NDArray[np.float64], baseline: NDArray[np.float64] | None, name: Arm, resamples: int, seed: int
) -> Interval:
    if baseline is None:
        raise UndecidableError(f"no runs with {name}")
    # resamples do not change it, and have no interval
    if (side := probability_of_improvement(scores, baseline)) in (0.0, 1.0):
        raise UndecidableError(f"every run scores {'above' if side else 'below'} all those with {name} in its cell")
    return bootstrap_probability_of_improvement(scores, baseline, resamples, seed=seed)


def _cell(row: pd.Series, table: pd.DataFrame, columns: list[str]) -> str:
    """A cell by what tells it from others."""
    varying = [name for name in columns if len(table[name].unique()) > 1]
    return ", ".join(f"{name} {row[name]}" for name in varying) or "the only one"


def _span(fewest: int, most: int) -> str:
    return f"{fewest}" if fewest == most else f"{fewest} to {most}"


def _enumerated(cells: list[str], n: int) -> str:
    more = f", and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
    return f"{len(cells)} of {n} cells left out: {', '.join(cells[:_NAMED])}{more}"
