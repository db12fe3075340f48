"""Which classifier is best under which conditions, and which others may be as good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from patentlab.analysis.arms import REAL_ONLY, Runs, scores
from patentlab.analysis.classifiers import classified
from patentlab.analysis.differences import compare
from patentlab.analysis.fidelity_gain import kept_part
from patentlab.analysis.scored import ScoredRuns
from patentlab.evaluation import lower_is_better
from patentlab.statistics.multiple_testing import holm

BEST, AS_GOOD, WORSE, UNKNOWN, ALONE = "best", "not distinguishable", "worse", "cannot be told", "alone"
AHEAD = "ahead, over fewer seeds"
LEVEL = 0.05
_COSTS = {  # with their digits
    "trained": ("parameters.trained", None),
    "seconds": ("timing.total", 1),
    "ms_per_document": ("latency.ms_per_document.batch_32", 1),
}


def leaderboard(runs: Runs, scored: ScoredRuns, metrics: Sequence[str], level: float = LEVEL) -> pd.DataFrame:
    """Classifiers under each regime, the best first.

    A classifier is model, head, adapter, loss and whatever else of its settings varies
    (:func:`patentlab.analysis.classifiers.classified`). They are ranked where all else is equal: regime and whatever
    other conditions vary, and what was added to the real documents; runs of real documents alone come first. The best
    has the highest mean of those with the most seeds (the lowest of a metric that
    :func:`~patentlab.evaluation.lower_is_better`). Each other is held against it by
    :func:`patentlab.analysis.differences.compare`, p-values adjusted over those of the ranking (Holm). The best was
    chosen by the same scores, so its lead looks a little larger than it is; with as many classifiers as seeds, ask
    ``differences``, which is adjusted over all pairs.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
        scored: Test scores of the runs.
        metrics: Their columns; the first is ranked by.
        level: Of the adjusted p-values.

    Returns:
        A row per classifier, conditions and arm (a column where there are several): ``rank, classifier``; ``standing``:
        ``best``, ``not distinguishable`` from it, ``worse``, ``ahead, over fewer seeds`` (of those in common, surely),
        ``cannot be told``, or ``alone``; of each metric the mean
        over seeds and Student's t interval (``_low, _high``); ``seeds``; mean ``trained`` parameters, ``seconds`` of a
        run and ``ms_per_document`` of an answer (in batches of 32), where records have them; ``behind``, the paired
        mean difference of the best and this in the first metric over seeds in common, with ``behind_low, behind_high,
        behind_p_holm`` and what these are ``over``; ``sentence``.
    """
    found = classified(runs)
    table = found.table
    keys = [*found.conditions, "arm"]
    shown = [*found.shown, *(["arm"] if len(table["arm"].unique()) > 1 else [])]
    sign = -1 if lower_is_better(metrics[0]) else 1
    means = _means(table, [*found.conditions, "classifier"], metrics)
    values = [str(n) for n in means if n not in (*keys, "classifier")]
    rows: list[dict[str, Any]] = []
    for key, group in table.groupby(keys, dropna=False, sort=False):
        conditions = dict(zip(keys, key, strict=True))
        sides = {str(name): part for name, part in group.groupby("classifier", sort=False)}
        own = _same(means, conditions).set_index("classifier")
        most = max(len(set(part["seed"])) for part in sides.values())
        value = sign * own[metrics[0]].reindex(list(sides))
        whole = value[[len(set(part["seed"])) == most for part in sides.values()]]
        best = str(whole.idxmax()) if whole.notna().any() else None
        against = [_against(name, part, best, sides, metrics[0], scored) for name, part in sides.items()]
        p = holm([one.pop("p") for one in against])
        ranks = value.rank(ascending=False, method="min")
        place = {"_added": conditions["arm"] != REAL_ONLY, "_kept": -kept_part(str(conditions["regime"]))}
        for (name, part), one, adjusted in zip(sides.items(), against, p, strict=True):
            row = {"rank": ranks[name], **{n: conditions[n] for n in shown}, "classifier": name}
            row |= {column: own.loc[name, column] for column in values}
            costs = {n: (part[column].mean(), digits) for n, (column, digits) in _COSTS.items() if column in part}
            row |= {n: value if pd.isna(value) else round(float(value), digits) for n, (value, digits) in costs.items()}
            row |= one | {"behind_p_holm": adjusted} | place
            row["standing"] = _standing(name, best, len(sides), sign * float(one["behind"]), float(adjusted), level)
            rows.append(row)
    ranked = pd.DataFrame(rows)
    if ranked.empty:
        return ranked
    blocks = ranked[shown].map(str).agg("\n".join, axis=1)
    ranked["_block"] = blocks.map({name: number for number, name in enumerate(dict.fromkeys(blocks))})
    ranked = ranked.sort_values(["_added", "_kept", "_block", "rank"], kind="stable", ignore_index=True)
    ranked.insert(list(ranked).index("classifier") + 1, "standing", ranked.pop("standing"))
    ends = ["behind", "behind_low", "behind_high", "behind_p_holm", "over", "sentence"]
    return ranked[[name for name in ranked if name not in ends and not str(name).startswith("_")] + ends]


def _means(table: pd.DataFrame, cell: list[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Of all metrics beside each other, by cell and arm, with seeds."""
    found = pd.DataFrame()
    for metric in metrics:
        one = scores(Runs(table, cell), metric)
        if found.empty:
            found = one[[*cell, "arm", "n"]].rename(columns={"n": "seeds"})
        found[metric], found[f"{metric}_low"], found[f"{metric}_high"] = one["mean"], one["low"], one["high"]
    return found[[*cell, "arm", *(name for name in found if name not in (*cell, "arm", "seeds")), "seeds"]]


def _against(
    name: str, part: pd.DataFrame, best: str | None, sides: dict[str, pd.DataFrame], metric: str, scored: ScoredRuns
) -> dict[str, Any]:
    """The best and one classifier."""
    row: dict[str, Any] = {"behind": np.nan, "behind_low": np.nan, "behind_high": np.nan, "p": np.nan}
    if best is None or name == best:
        return row | {"over": "", "sentence": "" if best else "no mean of any classifier"}
    found = compare(sides[best], part, [metric], scored)
    row = {"behind": found[metric], **{f"behind_{end}": found[f"{metric}_{end}"] for end in ("low", "high")}}
    return row | {"p": found[f"{metric}_p"], "over": found["over"], "sentence": found["sentence"]}


def _standing(name: str, best: str | None, sides: int, behind: float, p: float, level: float) -> str:
    if best is None:
        return UNKNOWN
    if name == best:
        return BEST if sides > 1 else ALONE
    if np.isnan(p):
        return UNKNOWN
    return AS_GOOD if p >= level else WORSE if behind > 0 else AHEAD


def _same(table: pd.DataFrame, conditions: dict[str, Any]) -> pd.DataFrame:
    for name, value in conditions.items():
        table = table[table[name].isna() if _missing(value) else table[name] == value]
    return table


def _missing(value: Any) -> bool:
    return value is None or value != value
