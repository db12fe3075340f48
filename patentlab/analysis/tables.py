"""The tables of a report: what a run matrix says, each as a tidy table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from patentlab.analysis.arms import Runs, mean_gains, overlap_of, scores
from patentlab.analysis.contrasts import told_by
from patentlab.analysis.fidelity_gain import (
    correlations,
    fitted_lines,
    generator_gains,
    influence,
    kept_part,
    points,
    regime_differences,
    reliabilities,
)
from patentlab.analysis.new_generator import new_generator
from patentlab.analysis.optimum import optimum, share_curve
from patentlab.analysis.quantities import Evidence, same_size
from patentlab.analysis.replicates import set_apart
from patentlab.analysis.robustness import tampered
from patentlab.analysis.strategies import augmented
from patentlab.analysis.variance import spread
from patentlab.evaluation import lower_is_better
from patentlab.statistics.power import (
    LEVEL,
    POWER,
    pooled_sd,
    sd_interval,
    seeds_for_difference,
    smallest_mean_differences,
)
from patentlab.statistics.undecidable import UndecidableError

METRICS = ("f1_micro", "f1_macro", "map_macro")
"""That every table of scores and gains is made for: of decisions, and of the ranking behind them."""


def problems(matrix: pd.DataFrame) -> pd.DataFrame:
    """Runs that are not analysed, or not wholly.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`, or several, one below the other.

    Returns:
        ``run, problem, detail``: ``failed``, ``unfinished``, ``duplicate`` (the same key and choices again; the first
        counts), ``no number`` (a test metric is missing), ``one threshold`` (macro-F1 is at that of micro-F1, as
        earlier records have it, and predictions to measure it anew are not at hand).
    """
    finished = matrix["status"] == "finished"
    again = finished & matrix[finished].duplicated(told_by(matrix)).reindex(matrix.index, fill_value=False)
    metrics = [f"metrics.test.{name}" for name in METRICS if f"metrics.test.{name}" in matrix]
    without = finished & (matrix[metrics].isna().any(axis=1) if metrics else True)
    errors = matrix["error"] if "error" in matrix else pd.Series(None, matrix.index, dtype=object)
    threshold, own = (
        matrix.get(name, pd.Series(np.nan, matrix.index)) for name in ("threshold", "thresholds.f1_macro")
    )
    parts = []
    for mask, problem, detail in (
        (matrix["status"] == "failed", "failed", errors.astype(object).where(errors.notna(), "")),
        (~matrix["status"].isin(["finished", "failed"]), "unfinished", matrix["status"].astype(str)),
        (again, "duplicate", matrix["key"].astype(str)),
        (without, "no number", pd.Series("a test metric is missing", matrix.index)),
        (
            finished & threshold.notna() & own.isna(),
            "one threshold",
            "macro-F1 at the threshold of "
            + matrix.get("settings.trainer.monitor", pd.Series("f1_micro", matrix.index)).astype(str),
        ),
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
    of_cells, reliable = correlations(of_points, pairs.cell), reliabilities(pairs, fidelity, metric)
    found["fidelity_correlations"] = (
        of_cells.merge(reliable, on=["contrast", *pairs.cell]) if len(of_cells) else of_cells
    )
    found["regime_differences"] = regime_differences(of_points, pairs.cell)
    found["influence"] = influence(of_points, pairs.cell)
    found["fidelity_lines"] = fitted_lines(of_points, pairs.cell)
    found["new_generator"] = new_generator(pairs, fidelity, metric)
    found["shares"], found["best_shares"] = shares(runs, metric)
    found["learning"] = learning(runs, metric)
    found["orderings"] = orderings(runs, metric)
    found["leakage"] = leakage(evidence, metric)
    found["retrieval"] = retrieval(runs)
    found["parameters"] = parameters(runs, metric)
    found["tampered"] = tampered(runs)
    found["variance_components"] = spread(runs, metric)
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
        ``share, mean, low, high, n`` by cell without the share, and arm; and the best share of each: ``share``, of
        those tried; ``low, high``, between which the optimum lies; ``candidates`` for the best; ``vertex`` of a
        parabola, where one fits; ``bootstrap``, how often each is best of resampled seeds; ``sentence``.
    """
    table = runs.table
    table = table[(augmented(table["strategy"]) | (table["strategy"] == "duplicate")) & table["budget"].notna()]
    curves, best = [], []
    for key, group in _groups(table, [*(name for name in runs.cell if name != "mix"), "arm"]):
        if group["mix"].nunique() < 2:
            continue
        part = group.rename(columns={"mix": "share", metric: "score"})[["share", "score", "seed"]]
        row: dict[str, Any] = {**key, "share": np.nan, "low": np.nan, "high": np.nan, "vertex": None, "bootstrap": ""}
        try:
            curves.append(share_curve(part).assign(**key))
            same_size(group)
            found = optimum(part.assign(score=-part["score"]) if lower_is_better(metric) else part)
            row |= {"share": found.share, "low": found.low, "high": found.high, "sentence": found.sentence}
            row |= {"candidates": ", ".join(f"{share:g}" for share in found.candidates), "vertex": found.vertex}
            row["bootstrap"] = ", ".join(f"{share:g}: {often:.0%}" for share, often in found.bootstrap.items())
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

    The standard deviation between seeds is pooled over the arms of a contrast in a regime, and estimated all the same:
    what follows from it is told as an interval.

    Args:
        evidence: The matrix.
        level: Of the paired t test, two-sided.
        wanted: Power.

    Returns:
        ``mean`` gain in micro-F1 and ``n`` seeds by contrast, cell and arm; ``sd`` between seeds, pooled, with its
        interval ``sd_low, sd_high``; ``smallest_low, smallest_high`` (between which lies the gain that so many show),
        ``seeds_low, seeds_high`` (those that the mean gain needs); ``sentence`` where it cannot be told.
    """
    rows: list[dict[str, Any]] = []
    keys = ["contrast", *evidence.pairs.cell, "arm"]
    for _, regime in evidence.pairs.table.groupby(["contrast", "regime"], dropna=False, sort=False):
        try:
            if set_apart(regime).any():
                raise UndecidableError("seeds were drawn apart: how many of which is another question")
            pooled = pooled_sd(_by_seed(regime, keys))
            told: str | None = None
        except UndecidableError as reason:
            pooled, told = (np.nan, np.nan), str(reason)
        for key, group in _groups(regime, keys):
            gains = group["gain.f1_micro"].to_numpy(dtype=float)
            row: dict[str, Any] = {
                **key,
                "mean": gains.mean(),
                "n": len(gains),
                "sd": pooled[0],
                "sentence": told or "",
            }
            try:
                if told is None:
                    row |= _detectable(float(gains.mean()), len(gains), *pooled, overlap_of(group), level, wanted)
            except UndecidableError as reason:
                row["sentence"] = str(reason)
            rows.append(row)
    return pd.DataFrame(rows)


def _by_seed(table: pd.DataFrame, keys: list[str]) -> NDArray[np.float64]:
    """Gains by seed and arm, of the seeds that all arms have."""
    arm = table.groupby(keys, dropna=False, sort=False).ngroup().rename("number")
    by_seed = table.assign(number=arm).pivot_table("gain.f1_micro", "seed", "number")
    return by_seed.dropna().to_numpy(dtype=np.float64)


def _detectable(
    mean: float, n: int, sd: float, freedom: float, overlap: float, level: float, wanted: float
) -> dict[str, float]:
    sd_low, sd_high = sd_interval(sd, freedom)
    smallest = smallest_mean_differences(sd, freedom, n, level, wanted, overlap)
    row = {"sd_low": sd_low, "sd_high": sd_high, "smallest_low": smallest[0], "smallest_high": smallest[1]}
    seeds = [float(seeds_for_difference(mean, one, level, wanted)) for one in (sd_low, sd_high)]
    return row | {"seeds_low": seeds[0], "seeds_high": seeds[1]}


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
