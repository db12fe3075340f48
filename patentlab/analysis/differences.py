"""Classifiers and arms against each other: paired differences over seeds and documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from patentlab.analysis.arms import REAL_ONLY, TAMPERED, Runs, overlap_of
from patentlab.analysis.classifiers import ADDED, Classified, check_between, classified, pairs_between, short
from patentlab.analysis.comparisons import documents_right
from patentlab.analysis.fidelity_gain import kept_part
from patentlab.analysis.predictions import left_out
from patentlab.analysis.scored import RESAMPLED, Scored, ScoredRuns, check_same_documents
from patentlab.config import RequestError
from patentlab.statistics.aggregation import t_interval, t_test_p
from patentlab.statistics.bootstrap import seeds_and_documents
from patentlab.statistics.multiple_testing import holm
from patentlab.statistics.undecidable import UndecidableError

BOTH, SEEDS = "seeds and documents", "seeds"
_ENDS = ("", "_low", "_high", "_p", "_t_low", "_t_high", "_t_p")
_RIGHT = ("accuracy", "only_first", "only_second", "p_exact", "p_mid")


def differences(runs: Runs, scored: ScoredRuns, metrics: Sequence[str], between: str = "model") -> pd.DataFrame:
    """What changes with one choice: pairs of its values with all else equal that can be, seed by seed.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
        scored: Test scores of the runs.
        metrics: Their columns; the first decides which of a pair comes first, the better one.
        between: As of :func:`patentlab.analysis.classifiers.pairs_between`; ``model`` compares whole classifiers.

    Returns:
        A row per pair and conditions, those of real documents alone first: the conditions that are equal (data, regime,
        and what else varies), ``first, second``, and :func:`compare` of them, with p adjusted over the table (Holm;
        ``…_p_holm``) of each metric on its own, and of McNemar's exact test.

    Raises:
        RequestError: There is no such choice.
    """
    check_between(runs, between)
    found = classified(runs)
    rows = []
    pairs = pairs_between(found, between)
    for conditions, one, other in sorted(pairs, key=lambda pair: _place(pair[0])):
        first, second = (one, other) if not other[metrics[0]].mean() > one[metrics[0]].mean() else (other, one)
        names = _names(first, second, between)
        rows.append({**conditions, "first": names[0], "second": names[1], **compare(first, second, metrics, scored)})
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    # a classifier that both have is told by its name
    parts = [] if between == "model" or "classifier" in table else [n for n in found.held if n not in found.conditions]
    shown = [*found.shown, *(name for name in parts if name not in ADDED), "classifier", "arm"]
    kept = [name for name in shown if _varied(name, found, table)]
    told = [name for name in table if name in _columns(metrics)]
    table = table[[*kept, "first", "second", *told]]
    for name in [f"{metric}_p" for metric in metrics] + ["p_exact"]:
        table[f"{name}_holm"] = holm(table[name].to_numpy(dtype=float))
    return table


def paired(runs: Runs, between: str, sides: tuple[str, str], metric: str) -> pd.DataFrame:
    """Runs of one value of a choice with how far they are ahead of those of another, seed by seed.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
        between: The choice; all else is equal that can be, as of :func:`patentlab.analysis.classifiers.pairs_between`.
        sides: Two of its values.
        metric: A column.

    Returns:
        Rows of the first side with ``difference.METRIC``, each run once for every one that it is held against.

    Raises:
        RequestError: There is no such choice or metric.
        UndecidableError: A seed is there twice.
    """
    check_between(runs, between)
    if metric not in runs.table:
        if metric.startswith(TAMPERED):  # what an evaluation that some runs were not asked for would have
            raise UndecidableError(f"runs have no {metric}")
        raise RequestError(f"metric={metric}: runs have no such metric")
    parts = [runs.table.head(0)]
    for _, one, other in pairs_between(classified(runs), between):
        named = {short(side[between].iloc[0]): side for side in (one, other)}
        if set(named) != set(sides):
            continue
        first, second = (named[side] for side in sides)
        if second["seed"].duplicated().any():
            raise UndecidableError("a seed is there twice")
        both = first[first["seed"].isin(second["seed"])]
        ahead = both[metric] - both["seed"].map(second.set_index("seed")[metric])
        parts.append(both.assign(**{f"difference.{metric}": ahead}))
    return pd.concat(parts)


def compare(first: pd.DataFrame, second: pd.DataFrame, metrics: Sequence[str], scored: ScoredRuns) -> dict[str, Any]:
    """Two sets of runs, seed by seed.

    Args:
        first: A row per seed, of :attr:`patentlab.analysis.arms.Runs.table`.
        second: Likewise.
        metrics: Their columns.
        scored: Test scores of the runs.

    Returns:
        ``seeds`` in common and distinct test ``documents``; of each metric the mean difference, the interval ``_low,
        _high`` and ``_p`` of :func:`patentlab.statistics.bootstrap.seeds_and_documents`, and beside it Student's t over
        seeds (``_t_low, _t_high, _t_p``); ``accuracy``, the difference of wholly right documents, how many documents
        speak for either (``only_first, only_second``), and McNemar's ``p_exact, p_mid``; ``over``: what interval and p
        speak of, ``seeds and documents``, or ``seeds`` where predictions are missing, test documents differ, or a
        metric is not resampled (then they are those of t); ``sentence``: why, and what else cannot be told.
    """
    row: dict[str, Any] = {f"{metric}{end}": np.nan for metric in metrics for end in _ENDS}
    row |= {"seeds": 0, "documents": 0, **dict.fromkeys(_RIGHT, np.nan), "over": "", "sentence": ""}
    if first["seed"].duplicated().any() or second["seed"].duplicated().any():
        return row | {"sentence": "a seed is there twice"}
    both = first[["seed", "run", *metrics]].merge(second[["seed", "run", *metrics]], on="seed").sort_values("seed")
    row["seeds"] = len(both)
    sentences = []
    if alone := sorted(set(first["seed"]) ^ set(second["seed"])):
        sentences.append(f"seed{'s' if len(alone) > 1 else ''} {', '.join(map(str, alone))} of one side alone")
    if both.empty:
        return row | {"sentence": "no seed in common"}
    read, reasons = _read(both, scored)
    if reasons:
        sentences.append(f"over seeds alone: {left_out(reasons, len(both), 'pairs')}")
    if read:
        right = documents_right([(one.ids, one.right, other.right) for one, other in read])
        row |= dict(zip(_RIGHT, right, strict=True))
        row["documents"] = len({name for one, _ in read for name in one.ids})
    overlap = overlap_of(first[first["seed"].isin(both["seed"])])
    row["over"] = "" if len(both) < 2 else SEEDS if reasons else BOTH
    for metric in metrics:
        values = both[f"{metric}_x"].to_numpy(dtype=float) - both[f"{metric}_y"].to_numpy(dtype=float)
        row[metric] = float(values.mean())
        try:
            over_seeds = t_interval(values, overlap=overlap)
            ends = (over_seeds.low, over_seeds.high, t_test_p(values, overlap=overlap))
            row |= dict(zip((f"{metric}_t_low", f"{metric}_t_high", f"{metric}_t_p"), ends, strict=True))
            if metric in RESAMPLED and not reasons:
                drawn = np.stack([one.resampled[metric] - other.resampled[metric] for one, other in read], axis=1)
                told = seeds_and_documents(values, drawn, overlap=overlap)
                ends = (told.low, told.high, told.p)
            row |= dict(zip((f"{metric}_low", f"{metric}_high", f"{metric}_p"), ends, strict=True))
        except UndecidableError as reason:
            sentences.append(f"{metric}: {reason}" if len(both) > 1 else _ONE)
    return row | {"sentence": "; ".join(dict.fromkeys(sentences))}


_ONE = "one seed says nothing of others: no interval"


def _read(both: pd.DataFrame, scored: ScoredRuns) -> tuple[list[tuple[Scored, Scored]], list[tuple[object, str]]]:
    """The pairs that have predictions of the same documents, and why others have not."""
    read: list[tuple[Scored, Scored]] = []
    reasons: list[tuple[object, str]] = []
    for seed, one, other in zip(both["seed"], both["run_x"], both["run_y"], strict=True):
        try:
            pair = scored(one), scored(other)
            check_same_documents(*pair)
            read.append(pair)
        except UndecidableError as reason:
            reasons.append((seed, str(reason)))
    return read, reasons


def _names(first: pd.DataFrame, second: pd.DataFrame, between: str) -> tuple[str, str]:
    """By the value of the choice; of models by the classifier, of what is added by the arm.

    Of heads, and with each the settings that its classifiers differ in: they follow from the head.
    """
    column = {"model": "classifier", "strategy": "arm", "generator": "arm"}.get(between, between)
    names = [str(side[column].iloc[0]) for side in (first, second)]
    if between == "head":
        settings = [str(side["classifier"].iloc[0]).partition(", ") for side in (first, second)]
        names = [name + comma + words for name, (_, comma, words) in zip(names, settings, strict=True)]
    if names[0] == names[1]:  # arms of one caption
        names = [
            f"{name}, {between} {side[between].iloc[0]}" for name, side in zip(names, (first, second), strict=True)
        ]
    if between == "strategy" and first["mix"].iloc[0] != second["mix"].iloc[0]:
        names = [f"{name}, mix {side['mix'].iloc[0]:g}" for name, side in zip(names, (first, second), strict=True)]
    return names[0], names[1]


def _place(conditions: dict[str, Any]) -> tuple[bool, float]:
    """Real documents alone come first, and regimes from the scarcest on."""
    regime = conditions.get("regime")
    return conditions.get("arm", REAL_ONLY) != REAL_ONLY, 0.0 if regime is None else -kept_part(str(regime))


def _varied(name: str, found: Classified, table: pd.DataFrame) -> bool:
    """Whether a column of conditions is told: it is equal in some pair, and varies in the runs."""
    return name in table and (name in ("data", "regime") or len(found.table[name].map(str).unique()) > 1)


def _columns(metrics: Sequence[str]) -> list[str]:
    return [
        *(f"{metric}{end}" for metric in metrics for end in _ENDS),
        *_RIGHT,
        "seeds",
        "documents",
        "over",
        "sentence",
    ]
