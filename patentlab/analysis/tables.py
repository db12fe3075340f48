"""The tables of a report: what a run matrix says, each as a tidy table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from patentlab.analysis.arms import Runs, mean_gains, scores
from patentlab.analysis.fidelity_gain import (
    correlations,
    fitted_lines,
    generator_gains,
    influence,
    kept_part,
    points,
    regime_differences,
)
from patentlab.analysis.optimum import optimum, share_curve
from patentlab.analysis.quantities import Evidence, same_size
from patentlab.analysis.strategies import augmented
from patentlab.statistics.power import LEVEL, POWER, seeds_for_difference, smallest_mean_difference
from patentlab.statistics.undecidable import UndecidableError

METRICS = ("f1_micro", "f1_macro", "map_macro")
"""That every table of scores and gains is made for: of decisions, and of the ranking behind them."""


def problems(matrix: pd.DataFrame) -> pd.DataFrame:
    """Runs that are not analysed, or not wholly.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`, or several, one below the other.

    Returns:
        ``run, problem, detail``: ``failed``, ``unfinished``, ``duplicate`` (the same key and choices again; the first
        counts), ``no number`` (a test metric is missing).
    """
    choices = [str(name) for name in matrix if str(name).startswith("choices.")]
    finished = matrix["status"] == "finished"
    again = finished & matrix[finished].duplicated(["key", *choices]).reindex(matrix.index, fill_value=False)
    metrics = [f"metrics.test.{name}" for name in METRICS if f"metrics.test.{name}" in matrix]
    without = finished & (matrix[metrics].isna().any(axis=1) if metrics else True)
    errors = matrix["error"] if "error" in matrix else pd.Series(None, matrix.index, dtype=object)
    parts = []
    for mask, problem, detail in (
        (matrix["status"] == "failed", "failed", errors.astype(object).where(errors.notna(), "")),
        (~matrix["status"].isin(["finished", "failed"]), "unfinished", matrix["status"].astype(str)),
        (again, "duplicate", matrix["key"].astype(str)),
        (without, "no number", pd.Series("a test metric is missing", matrix.index)),
    ):
        parts.append(pd.DataFrame({"run": matrix.loc[mask, "run"], "problem": problem, "detail": detail[mask]}))
    return pd.concat(parts, ignore_index=True)


def tables(evidence: Evidence, metric: str = "f1_micro", fidelity: str = "mmd2") -> dict[str, pd.DataFrame]:
    """What a matrix says.

    Args:
        evidence: The matrix.
        metric: Of gains against fidelity, shares and all that is drawn.
        fidelity: Measure of it.

    Returns:
        Tables by name; those about what the matrix does not vary are empty.
    """
    runs, pairs = evidence.runs, evidence.pairs
    found = {"problems": problems(evidence.matrix)}
    for name in metrics_of(runs, metric):
        found[f"scores_{name}"] = scores(runs, name)
        found[f"gains_{name}"] = mean_gains(pairs, name)
    found["without_twin"] = pairs.unmatched if pairs.unmatched is not None else pd.DataFrame()
    of_points = points(pairs, fidelity, metric)
    found["fidelity_points"] = of_points
    found["generator_gains"] = generator_gains(of_points, pairs.cell)
    found["fidelity_correlations"] = correlations(of_points, pairs.cell)
    found["regime_differences"] = regime_differences(of_points, pairs.cell)
    found["influence"] = influence(of_points, pairs.cell)
    found["fidelity_lines"] = fitted_lines(of_points, pairs.cell)
    found["shares"], found["best_shares"] = shares(runs, metric)
    found["learning"] = learning(runs, metric)
    found["orderings"] = orderings(runs, metric)
    found["leakage"] = leakage(evidence, metric)
    found["retrieval"] = retrieval(runs)
    found["parameters"] = parameters(runs, metric)
    return found


def metrics_of(runs: Runs, metric: str) -> list[str]:
    """The metric that is asked for, and those of :data:`METRICS` that runs have.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
        metric: The first.
    """
    return [metric, *(name for name in METRICS if name != metric and name in runs.table)]


def shares(runs: Runs, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score against the share of real documents, of runs with added ones and a budget.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
        metric: The score.

    Returns:
        ``share, mean, low, high, n`` by cell without the share, and arm; and the best share of each: ``share, low,
        high, sentence``.
    """
    table = runs.table
    table = table[(augmented(table["strategy"]) | (table["strategy"] == "duplicate")) & table["budget"].notna()]
    curves, best = [], []
    for key, group in _groups(table, [*(name for name in runs.cell if name != "mix"), "arm"]):
        if group["mix"].nunique() < 2:
            continue
        part = group.rename(columns={"mix": "share", metric: "score"})[["share", "score", "seed"]]
        row: dict[str, Any] = {**key, "share": np.nan, "low": np.nan, "high": np.nan}
        try:
            curves.append(share_curve(part).assign(**key))
            same_size(group)
            found = optimum(part)
            row |= {"share": found.share, "low": found.low, "high": found.high, "sentence": found.sentence}
        except UndecidableError as reason:
            row["sentence"] = str(reason)
        best.append(row)
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(), pd.DataFrame(best)


def learning(runs: Runs, metric: str) -> pd.DataFrame:
    """Score of each arm against the number of real training documents, where there are several regimes.

    Returns:
        ``documents, mean, low, high, n`` by cell without the regime, and arm.
    """
    table = scores(runs, metric)
    if table.empty or table["regime"].nunique() < 2:
        return pd.DataFrame()
    keys = [*runs.cell, "arm"]
    documents = runs.table.groupby(keys, dropna=False)["counts.real"].mean().rename("documents").reset_index()
    return table.merge(documents, on=keys).sort_values("documents", kind="stable")


def orderings(runs: Runs, metric: str) -> pd.DataFrame:
    """Score of each ordering of mixed training sets, where there are several."""
    mixed = Runs(runs.table[augmented(runs.table["strategy"])], runs.cell)
    return scores(mixed, metric) if len(mixed.table["ordering"].unique()) > 1 else pd.DataFrame()


def leakage(evidence: Evidence, metric: str) -> pd.DataFrame:
    """Score of each arm under each control for what labels' names give away, where there are several.

    Returns:
        As of :func:`patentlab.analysis.arms.scores`, with ``condition`` in place of the settings that make it up.
    """
    names = {"settings.data.mask_labels": "names masked in texts", "settings.strategy.label_text": "prompts by {}",
             "settings.data.level": "labels at the level of {}"}  # fmt: skip
    runs, matrix = evidence.runs, evidence.matrix
    varied = [name for name in names if name in matrix and len(set(matrix[name].dropna())) > 1]
    if not varied:
        return pd.DataFrame()
    settings = runs.table[["run"]].merge(matrix.drop_duplicates("run")[["run", *varied]], on="run")
    words = [_condition(settings[name], names[name]) for name in varied]
    condition = [", ".join(filter(None, row)) or "as it is" for row in zip(*words, strict=True)]
    short = [name.removeprefix("settings.") for name in varied]
    cell = [name for name in runs.cell if name not in short]
    general = runs.table["arm"].map(lambda arm: arm.without("settings.strategy.label_text"))
    table = runs.table.assign(condition=condition, arm=general)
    return scores(Runs(table, [*cell, "condition"]), metric)


def retrieval(runs: Runs) -> pd.DataFrame:
    """nDCG@10 on the test documents before and after training, where the backbone was trained.

    Returns:
        ``before, after, low, high, n`` by cell and arm; the interval is that of ``after``.
    """
    after, before = "retrieval.ndcg_at_10_after", "retrieval.ndcg_at_10_before"
    if after not in runs.table:
        return pd.DataFrame()
    table = Runs(runs.table[runs.table[after].notna() & (runs.table["adapter"] != "frozen")], runs.cell)
    if table.table.empty:
        return pd.DataFrame()
    keys = [*runs.cell, "arm"]
    first = table.table.groupby(keys, dropna=False)[before].mean().rename("before").reset_index()
    return scores(table, after).rename(columns={"mean": "after"}).merge(first, on=keys)


def parameters(runs: Runs, metric: str) -> pd.DataFrame:
    """Score against trained parameters, where several models, heads or adapters were trained.

    Returns:
        ``trained, mean, low, high, n`` by cell and arm.
    """
    column = "parameters.trained"
    table = runs.table
    if column not in table or table[["model", "head", "adapter"]].drop_duplicates().shape[0] < 2:
        return pd.DataFrame()
    known = Runs(table[table[column].fillna(0) > 0], runs.cell)
    keys = [*runs.cell, "arm"]
    trained = known.table.groupby(keys, dropna=False)[column].mean().rename("trained").reset_index()
    return scores(known, metric).merge(trained, on=keys)


def detectable_gains(evidence: Evidence, level: float = LEVEL, wanted: float = POWER) -> pd.DataFrame:
    """What gains a matrix could have shown, and how many seeds those that it found need.

    Args:
        evidence: The matrix.
        level: Of the paired t test, two-sided.
        wanted: Power.

    Returns:
        ``mean`` gain in micro-F1, its ``sd`` between seeds, ``n`` seeds, ``smallest`` (the gain that so many show),
        ``seeds`` (those that the mean gain needs) by contrast, cell and arm; ``sentence`` where it cannot be told.
    """
    rows = []
    for key, group in _groups(evidence.pairs.table, ["contrast", *evidence.pairs.cell, "arm"]):
        gains = group["gain.f1_micro"].to_numpy(dtype=float)
        row: dict[str, Any] = {**key, "mean": gains.mean(), "n": len(gains), "sd": np.nan, "smallest": np.nan}
        try:
            if len(gains) < 2:
                raise UndecidableError(f"needs at least 2 seeds, has {len(gains)}")
            sd = float(gains.std(ddof=1))
            row |= {"sd": sd, "smallest": smallest_mean_difference(sd, len(gains), level, wanted)}
            row["seeds"] = float(seeds_for_difference(float(gains.mean()), sd, level, wanted))
        except UndecidableError as reason:
            row["sentence"] = str(reason)
        rows.append(row)
    return pd.DataFrame(rows)


def by_regime(regimes: pd.Series) -> list[str]:
    """Regimes, the scarcest first."""
    return sorted(map(str, regimes.dropna().unique()), key=kept_part, reverse=True)


def _groups(table: pd.DataFrame, keys: list[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    for key, group in table.groupby(keys, dropna=False, sort=False):
        yield dict(zip(keys, key, strict=True)), group


def _condition(values: pd.Series, words: str) -> list[str]:
    if "{}" in words:
        return ["" if pd.isna(value) or value == "title" else words.format(value) for value in values]
    return [words if str(value).lower() == "true" else "" for value in values]
