"""Does fidelity tell which synthetic documents help? Correlations over synthetic corpora, and between regimes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from patentlab.analysis.arms import Runs
from patentlab.statistics.aggregation import cluster_means, t_interval, t_test_p
from patentlab.statistics.correlation import (
    FEWEST_CLUSTERS,
    between_clusters,
    coefficient,
    pearson,
    permutation_p,
    reliability,
    spearman,
    within_groups,
)
from patentlab.statistics.correlation_difference import compare_independent, compare_paired
from patentlab.statistics.multiple_testing import benjamini_hochberg, holm
from patentlab.statistics.power import smallest_correlation_difference
from patentlab.statistics.undecidable import UndecidableError


def points(pairs: Runs, fidelity: str = "mmd2", metric: str = "f1_micro") -> pd.DataFrame:
    """A point per synthetic corpus and cell: its fidelity, and what it gained, as means over seeds.

    Points of different cells, and so of different budgets, are never pooled.

    Args:
        pairs: As of :func:`patentlab.analysis.arms.gains`.
        fidelity: Which measure.
        metric: The gain in which.

    Returns:
        ``contrast``, the columns of the cell, ``arm``, ``cluster`` (the generator), ``x`` (fidelity), ``y`` (gain),
        ``seeds`` (how many), ``of_seeds`` (which), ``strategy, loss``. NaN where a value is missing.
    """
    keys = ["contrast", *pairs.cell, "arm", "cluster"]
    if f"fidelity.{fidelity}" not in pairs.table:
        return pd.DataFrame(columns=[*keys, "x", "y", "seeds"])
    grouped = pairs.table.groupby(keys, dropna=False, sort=False)
    columns = {"x": f"fidelity.{fidelity}", "y": f"gain.{metric}"}
    table = grouped.agg(**{name: (column, "mean") for name, column in columns.items()}, seeds=("seed", "nunique"))
    for name, column in columns.items():  # a mean over some of the seeds is none over all
        table[name] = table[name].where(grouped[column].count() == grouped.size())
    table["of_seeds"] = grouped["seed"].agg(lambda seeds: ", ".join(map(str, sorted(set(seeds)))))
    table[["strategy", "loss"]] = grouped[["strategy", "loss"]].first()  # an arm has one of each
    return table.reset_index()


def comparable(table: pd.DataFrame, cell: list[str]) -> pd.DataFrame:
    """The points of each cell under one loss and over the same seeds: those that most of its points have.

    Seeds differ in their real documents, so points over different seeds differ by more than their corpora; and a corpus
    that was learnt from under two losses is one corpus.

    Args:
        table: As of :func:`points`; without ``of_seeds`` or ``loss``, that is taken to be the same for all.
        cell: The columns of a cell.

    Returns:
        Its rows, with ``left_out``: how many of the cell were left out.
    """
    keys = ["contrast", *cell]
    size = table.groupby(keys, dropna=False)["x"].transform("size")
    for name, commonest in (("loss", 0), ("of_seeds", -1)):  # of losses as common, the first by name
        if name in table and len(table):
            groups = table.groupby(keys, dropna=False, sort=False)[name]
            most = groups.transform(lambda values, place=commonest: values.mode().iloc[place])
            table = table[table[name] == most]
    kept = table.groupby(keys, dropna=False)["x"].transform("size")
    return table.assign(left_out=size.loc[table.index] - kept)


def correlations(table: pd.DataFrame, cell: list[str], seed: int = 0) -> pd.DataFrame:
    """Fidelity against gain within each cell.

    Args:
        table: As of :func:`points`.
        cell: The columns of a cell.
        seed: Of the resamples.

    Returns:
        A row per contrast and cell: ``n`` points of ``clusters`` generators; ``r, r_low, r_high`` (Pearson, Fisher's
        interval), ``p, p_permutation``, and ``spearman, spearman_p``, all of which take points for independent;
        ``r_generators, generators_low, generators_high, p_generators``, over the means of at least six generators, on
        which verdicts rest (:func:`patentlab.statistics.correlation.between_clusters`); ``r_within_generators,
        r_within_strategies``, with the means of each taken out; ``smallest_difference`` (Δr that Fisher's test between
        this and another cell of as many generators finds with power 0.8); ``p_generators`` adjusted over the cells of
        a contrast (``p_holm, p_bh``); ``sentence``: what could not be told, and why.
    """
    rows = []
    for key, group in comparable(table, cell).groupby(["contrast", *cell], dropna=False, sort=False):
        row: dict[str, Any] = dict(zip(["contrast", *cell], key, strict=True))
        row |= {"n": len(group), "clusters": group["cluster"].nunique()}
        row |= _correlation(group, seed)
        if left_out := int(group["left_out"].iloc[0]):
            row["sentence"] = "; ".join(
                filter(None, [f"{left_out} points of other seeds or losses left out", row["sentence"]])
            )
        rows.append(row)
    return _adjusted(rows, _FAMILY, "p_generators")


def regime_differences(table: pd.DataFrame, cell: list[str]) -> pd.DataFrame:
    """Whether fidelity and gain correlate differently in two regimes, all else of the cell being equal.

    Args:
        table: As of :func:`points`.
        cell: The columns of a cell.

    Returns:
        A row per contrast, cell and pair of regimes: ``regime_1, regime_2, n_1, n_2, r_1, r_2, difference``; Fisher's
        test for separate samples with Zou's interval (``z, p, low, high``); for the generators that both regimes have,
        as dependent samples (``paired_n, paired_test, paired_z, paired_p, paired_low, paired_high``); ``clusters``
        (independent generators, of the regime that has fewer); adjusted p-values of Fisher's test over the rows of a
        contrast, where there are six generators or more (``p_holm, p_bh``); ``sentence, paired_sentence``.
    """
    others = [name for name in cell if name != "regime"]
    rows = []
    for key, group in comparable(table, cell).groupby(["contrast", *others], dropna=False, sort=False):
        parts = {str(regime): part.set_index("arm") for regime, part in group.groupby("regime", sort=False)}
        ordered = sorted(parts, key=kept_part, reverse=True)
        for first, second in combinations(ordered, 2):
            row: dict[str, Any] = dict(zip(["contrast", *others], key, strict=True))
            row |= {"regime_1": first, "regime_2": second}
            row |= {"clusters": min(parts[one]["cluster"].nunique() for one in (first, second))}
            row |= _difference(parts[first], parts[second])
            rows.append(row | {"told": row["p"] if row["clusters"] >= FEWEST_CLUSTERS else np.nan})
    return _adjusted(rows, _FAMILY, "told").drop(columns="told", errors="ignore")


def generator_gains(table: pd.DataFrame, cell: list[str]) -> pd.DataFrame:
    """What synthetic documents gain over all generators of a cell, each of which counts once.

    Args:
        table: As of :func:`points`.
        cell: The columns of a cell.

    Returns:
        A row per contrast and cell: ``mean`` gain of its generators, ``low, high, p`` of Student's t over them, ``n``
        corpora, ``clusters`` (generators), ``p_holm, p_bh``, ``sentence``.
    """
    rows = []
    for key, group in comparable(table, cell).groupby(["contrast", *cell], dropna=False, sort=False):
        row: dict[str, Any] = dict(zip(["contrast", *cell], key, strict=True))
        row |= {"mean": group.groupby("cluster")["y"].mean().mean(), "low": np.nan, "high": np.nan, "p": np.nan}
        row |= {"n": len(group), "clusters": group["cluster"].nunique(), "sentence": ""}
        try:
            means = cluster_means(group["y"], group["cluster"])
            interval = t_interval(means)
            row |= {"low": interval.low, "high": interval.high, "p": t_test_p(means)}
        except UndecidableError as reason:
            row["sentence"] = str(reason)
        rows.append(row)
    return _adjusted(rows)


def reliabilities(pairs: Runs, fidelity: str = "mmd2", metric: str = "f1_micro") -> pd.DataFrame:
    """How reliable fidelity and gains of a cell's corpora are, and which correlation that allows at most.

    Args:
        pairs: As of :func:`patentlab.analysis.arms.gains`.
        fidelity: Which measure.
        metric: The gain in which.

    Returns:
        A row per contrast and cell: ``reliability_fidelity, reliability_gain`` (ICC(C, k) of means over the seeds that
        all its corpora have), ``ceiling`` (√ of their product: no |r| above it can be expected, be the true one 1).
    """
    keys = ["contrast", *pairs.cell]
    rows = []
    if f"fidelity.{fidelity}" not in pairs.table:
        return pd.DataFrame(columns=[*keys, "reliability_fidelity", "reliability_gain", "ceiling"])
    table = pairs.table.assign(arm=pd.factorize(pairs.table["arm"])[0], seed=pd.factorize(pairs.table["seed"])[0])
    for key, group in table.groupby(keys, dropna=False, sort=False):
        row: dict[str, Any] = dict(zip(keys, key, strict=True))
        for name, column in (("fidelity", f"fidelity.{fidelity}"), ("gain", f"gain.{metric}")):
            values = np.full((group["arm"].max() + 1, group["seed"].max() + 1), np.nan)
            values[group["arm"], group["seed"]] = group[column]
            values = values[np.isfinite(values).any(axis=1)]
            try:
                row[f"reliability_{name}"] = reliability(values[:, np.isfinite(values).all(axis=0)])
            except UndecidableError:
                row[f"reliability_{name}"] = np.nan
        rows.append(row | {"ceiling": float(np.sqrt(row["reliability_fidelity"] * row["reliability_gain"]))})
    return pd.DataFrame(rows)


def influence(table: pd.DataFrame, cell: list[str]) -> pd.DataFrame:
    """Pearson's r of each cell without one of its generators, for each.

    Args:
        table: As of :func:`points`.
        cell: The columns of a cell.

    Returns:
        A row per contrast, cell and generator: ``without, n, r, change, sentence``.
    """
    rows = []
    for key, group in comparable(table, cell).groupby(["contrast", *cell], dropna=False, sort=False):
        clusters = group["cluster"].to_numpy()
        x, y = group["x"].to_numpy(dtype=float), group["y"].to_numpy(dtype=float)
        names = pd.unique(clusters)
        for cluster in names if len(names) > 1 else ():
            rest = clusters != cluster
            row: dict[str, Any] = dict(zip(["contrast", *cell], key, strict=True))
            row |= {"without": cluster, "n": int(rest.sum()), "r": np.nan, "change": np.nan, "sentence": ""}
            try:
                row["r"] = coefficient(x[rest], y[rest])
                row["change"] = row["r"] - coefficient(x, y)
            except UndecidableError as reason:
                row["sentence"] = str(reason)
            rows.append(row)
    return pd.DataFrame(rows)


def fitted_lines(table: pd.DataFrame, cell: list[str], confidence: float = 0.95, steps: int = 40) -> pd.DataFrame:
    """Least-squares lines of gain on fidelity, with pointwise intervals of the mean.

    Args:
        table: As of :func:`points`.
        cell: The columns of a cell.
        confidence: Of the intervals.
        steps: Points on a line.

    Returns:
        ``contrast``, the columns of the cell, ``x, fitted, low, high``; nothing for cells without a correlation.
    """
    lines = []
    for key, group in comparable(table, cell).groupby(["contrast", *cell], dropna=False, sort=False):
        try:
            pearson(group["x"], group["y"])
        except UndecidableError:
            continue
        x, y = group["x"].to_numpy(), group["y"].to_numpy()
        line = stats.linregress(x, y)
        grid = np.linspace(x.min(), x.max(), steps)
        fitted = line.intercept + line.slope * grid
        n, spread = len(x), ((x - x.mean()) ** 2).sum()
        noise = np.sqrt(((y - line.intercept - line.slope * x) ** 2).sum() / (n - 2))
        half = stats.t.ppf((1 + confidence) / 2, n - 2) * noise * np.sqrt(1 / n + (grid - x.mean()) ** 2 / spread)
        part = pd.DataFrame({"x": grid, "fitted": fitted, "low": fitted - half, "high": fitted + half})
        named = pd.DataFrame([key] * steps, columns=["contrast", *cell])
        lines.append(pd.concat([named, part], axis=1))
    return pd.concat(lines, ignore_index=True) if lines else pd.DataFrame(columns=["x", "fitted", "low", "high"])


def kept_part(regime: str) -> float:
    """N of a regime ``1:N``: how many times smaller it is than the whole pool.

    Raises:
        ValueError: It is written otherwise.
    """
    return float(regime.partition(":")[2])


def _adjusted(rows: list[dict[str, Any]], within: str | None = None, column: str = "p") -> pd.DataFrame:
    """A table with its p-values adjusted: over the table, or within the groups of a column."""
    table = pd.DataFrame(rows)
    if len(table):
        families = (table.groupby(within, sort=False) if within else table.assign(family=0).groupby("family"))[column]
        for name, adjust in (("p_holm", holm), ("p_bh", benjamini_hochberg)):
            table[name] = families.transform(lambda p, adjust=adjust: adjust(p.to_numpy(dtype=float)))
    return table


# Gains over different controls differ by one number within a cell, so their correlations with fidelity are the same
# test again, and count once.
_FAMILY = "contrast"


def _correlation(group: pd.DataFrame, seed: int) -> dict[str, Any]:
    names = ["r", "r_low", "r_high", "p", "p_permutation", "spearman", "spearman_p", "r_generators", "generators_low"]
    names += ["generators_high", "p_generators", "r_within_generators", "r_within_strategies", "smallest_difference"]
    row: dict[str, Any] = dict.fromkeys(names, np.nan) | {"sentence": ""}
    x, y = group["x"].to_numpy(dtype=float), group["y"].to_numpy(dtype=float)
    try:
        found = pearson(x, y)
    except UndecidableError as reason:
        return row | {"sentence": str(reason)}
    ranks = spearman(x, y)
    row |= {"r": found.r, "r_low": found.low, "r_high": found.high, "p": found.p}
    row |= {"p_permutation": permutation_p(x, y, seed=seed), "spearman": ranks.r, "spearman_p": ranks.p}
    for name, column in (("generators", "cluster"), ("strategies", "strategy")):
        with suppress(UndecidableError, KeyError):
            row[f"r_within_{name}"] = within_groups(x, y, group[column])
    try:
        between = between_clusters(x, y, group["cluster"], seed=seed)
    except UndecidableError as reason:
        return row | {"sentence": f"a verdict {reason}" if "generators" in str(reason) else str(reason)}
    row["smallest_difference"] = smallest_correlation_difference(between.n, between.n)
    return row | {
        "r_generators": between.r, "generators_low": between.low, "generators_high": between.high,
        "p_generators": between.p,
    }  # fmt: skip


def _difference(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {"n_1": len(first), "n_2": len(second)}
    row |= dict.fromkeys(["r_1", "r_2", "difference", "z", "p", "low", "high"], np.nan) | {"sentence": ""}
    try:
        one, two = pearson(first["x"], first["y"]), pearson(second["x"], second["y"])
        row |= {"r_1": one.r, "r_2": two.r}
        row |= asdict(compare_independent(one.r, one.n, two.r, two.n))
        del row["test"], row["p_interval"]
    except UndecidableError as reason:
        row["sentence"] = str(reason)
    shared = first.join(second.add_suffix("_2"), how="inner")
    row |= {"paired_n": len(shared), "paired_test": None, "paired_sentence": ""}
    row |= {f"paired_{name}": np.nan for name in ("z", "p", "low", "high")}
    try:
        paired = compare_paired(shared["x"], shared["y"], shared["x_2"], shared["y_2"])
        row |= {f"paired_{name}": value for name, value in asdict(paired).items()
                if name not in ("difference", "p_interval")}  # fmt: skip
    except UndecidableError as reason:
        row["paired_sentence"] = str(reason)
    return row
