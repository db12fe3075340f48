"""Where the spread over seeds comes from: variance components of each arm in each cell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from patentlab.analysis.arms import Runs
from patentlab.analysis.replicates import COLUMNS, Levels, levels_by_documents, speaks_of
from patentlab.statistics.undecidable import UndecidableError
from patentlab.statistics.variance import RESIDUAL, Component, variance_components

_SHOWN = {"f1_micro": "micro-F1", "f1_macro": "macro-F1"}
Design = tuple[dict[str, Levels], dict[str, str]]
TOTAL = "total"
_TOGETHER = "drawn together; seeds.split and its likes draw them apart"


def spread(runs: Runs, metric: str = "f1_micro") -> pd.DataFrame:
    """How much of the variance of a score between runs is due to each source of randomness.

    In the order in which a run draws: what the split decides, the regime within it, added documents within both,
    weights and batches on these documents; and, where both vary, what hangs on how they come together. Sources that the
    runs do not vary independently of each other are one row.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
        metric: The score.

    Returns:
        Rows of each cell and arm with several runs: ``source, levels, runs, sd`` with its interval ``low, high``,
        ``share`` of the variance with ``share_low, share_high``; of several sources last ``total``, whose ``sentence``
        sums up. Other sentences: why it cannot be told, that an estimate was below zero, or what was not drawn apart.
    """
    rows: list[dict[str, Any]] = []
    keys = [*runs.cell, "arm"]
    designs: dict[bytes, Design] = {}  # most arms of a sweep have one
    for key, group in runs.table.groupby(keys, dropna=False, sort=False):
        if len(group) < 2:
            continue
        named = dict(zip(keys, key, strict=True)) | {"runs": len(group)}
        try:
            found = _components(group, metric, designs)
        except UndecidableError as reason:
            rows.append(named | {"source": TOTAL, "sentence": str(reason)})
            continue
        for one in found:
            sentence = "the estimate was below 0, and counts as 0" if one.negative else ""
            sentence = sentence if len(found) > 1 else speaks_of(group) or _TOGETHER
            rows.append(named | {"source": one.name, "levels": one.levels, "sd": float(np.sqrt(one.variance)),
                                 "low": one.low, "high": one.high, "share": one.share, "share_low": one.share_low,
                                 "share_high": one.share_high, "sentence": sentence})  # fmt: skip
        if len(found) > 1:
            sd = float(np.sqrt(sum(one.variance for one in found)))
            sentence = _sentence(found, sd, _SHOWN.get(metric, metric))
            if (rest := speaks_of(group)) or np.isnan(found[0].low):
                unequal = "no intervals: the design is not balanced" if np.isnan(found[0].low) else ""
                sentence = "; ".join(filter(None, [sentence, rest, unequal]))
            rows.append(named | {"source": TOTAL, "sd": sd, "share": 1.0, "sentence": sentence})
    columns = ["source", "levels", "runs", "sd", "low", "high", "share", "share_low", "share_high", "sentence"]
    return pd.DataFrame(rows, columns=[*keys, *columns])


def summed_up(table: pd.DataFrame) -> list[str]:
    """What :func:`spread` says of each arm and cell whose seeds were drawn apart.

    Args:
        table: Of that function.
    """
    told = table[table["share"].notna() & (table["sentence"] != _TOGETHER)]
    told = told[(told["source"] == TOTAL) | told["sentence"].str.startswith("all runs")]
    return [f"{row.arm}: {row.sentence}" for row in told.itertuples()]


def _components(group: pd.DataFrame, metric: str, designs: dict[bytes, Design]) -> list[Component]:
    if group["seed"].duplicated().any():
        raise UndecidableError("a seed is there twice")
    seeds = group[COLUMNS].to_numpy(dtype=float).tobytes()
    if seeds not in designs:
        designs[seeds] = levels_by_documents(group)
    levels, parts = designs[seeds][0], dict(designs[seeds][1])
    own = [name for name, codes in levels.items() if len(set(codes)) == len(group)]
    # what differs from run to run is the residual
    parts[RESIDUAL] = own[0] if own else "weights × batches"
    shared = {name: codes for name, codes in levels.items() if name not in own}
    found = variance_components(group[metric].to_numpy(dtype=float), shared, parts)
    return [replace(one, levels=len(group)) if one.name in own else one for one in found]


def _sentence(found: list[Component], sd: float, metric: str) -> str:
    first, *others = sorted(found, key=lambda one: -one.share)
    more = ", ".join(f"{one.share:.0%} {one.name}" for one in others)
    return f"of the spread of {metric} (sd {sd:.3f}), {first.share:.0%} is {first.name}, {more}"
