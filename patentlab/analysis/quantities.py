"""Numbers that claims and comparisons speak of, each estimated from a run matrix with an interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from patentlab.analysis.arms import Runs, arms, gains, overlap_of
from patentlab.analysis.contrasts import CONTRASTS
from patentlab.analysis.differences import paired
from patentlab.analysis.fidelity_gain import comparable, kept_part, points
from patentlab.analysis.optimum import Optimum, optimum
from patentlab.analysis.replicates import COLUMNS, independent_levels, set_apart, speaks_of
from patentlab.analysis.strategies import augmented
from patentlab.config import RequestError, closest
from patentlab.statistics import power
from patentlab.statistics.aggregation import t_interval, t_test_p
from patentlab.statistics.correlation import FEWEST_CLUSTERS, between_clusters, pearson
from patentlab.statistics.correlation_difference import CorrelationDifference, compare_independent, compare_paired
from patentlab.statistics.undecidable import UndecidableError
from patentlab.statistics.variance import shared_mean

KINDS = ("score", "gain", "difference", "correlation", "correlation_difference", "optimum")
_EXTREMES = {"scarcest": max, "largest": min}  # of N in 1:N


@dataclass(frozen=True)
class Quantity:
    """What is asked of a run matrix.

    Attributes:
        kind: ``score`` (mean of a metric over seeds), ``gain`` (mean difference to a twin over seeds), ``difference``
            (mean over seeds, between two values of a choice with all else equal that can be), ``correlation`` (of
            fidelity and gain over synthetic corpora), ``correlation_difference`` (between two regimes), ``optimum``
            (the share of real documents with the best score).
        metric: The score, or the gain or difference in which.
        contrast: Of gains: ``gain, controlled_gain, step_matched_gain, gain_over_reweighting``.
        fidelity: Of correlations.
        where: Which runs: a value or a list of values by column (``regime, mix, model, adapter, head, strategy, loss,
            generator, cluster, arm, budget, …``). A regime can be ``scarcest`` or ``largest``: of those in the matrix.
        regimes: Of ``correlation_difference``: first and second.
        between: Of ``difference``: the choice, as of :func:`patentlab.analysis.classifiers.pairs_between`.
        sides: Of ``difference``: two values of it; the second is subtracted from the first.
    """

    kind: str
    metric: str = "f1_micro"
    contrast: str = "gain"
    fidelity: str = "mmd2"
    where: dict[str, Any] = field(default_factory=dict)
    regimes: tuple[str, str] = ("scarcest", "largest")
    between: str = ""
    sides: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RequestError(f"kind={closest(self.kind, KINDS)}: allowed are {', '.join(KINDS)}")
        names = [one.name for one in CONTRASTS]
        if self.contrast not in names:
            raise RequestError(f"contrast={closest(self.contrast, names)}: allowed are {', '.join(names)}")
        if self.kind == "difference" and not (self.between and len(set(self.sides)) == 2 and all(self.sides)):
            raise RequestError("kind=difference: needs between, a choice, and sides, two values of it")


@dataclass(frozen=True)
class Estimate:
    """A quantity as a matrix gives it.

    Attributes:
        value: NaN where it cannot be told.
        low: Lower end of the interval; NaN where there are too few seeds or generators for one that covers.
        high: Upper end.
        n: Seeds, or independent generators (of the regime that has fewer).
        p: Two-sided, of the hypothesis that the quantity is the margin that was asked about; NaN where there is no
            interval, and of an optimum.
        smallest: Between which two numbers the smallest distance from the margin lies that so many seeds or generators
            show with power 0.8: a standard deviation is only known from the seeds themselves. Of correlations around
            zero, where it is largest.
        sentence: Why it cannot be told, or what the interval rests on.
        takes: What it would take to decide where that is undecided; nothing where it cannot be said.
        optimum: Of that kind.
    """

    value: float
    low: float
    high: float
    n: int
    p: float
    smallest: tuple[float, float]
    sentence: str
    takes: str = ""
    optimum: Optimum | None = None

    @property
    def decides(self) -> bool:
        """Whether there is an interval that a verdict can rest on."""
        return bool(np.isfinite([self.low, self.high]).all())


_UNKNOWN = (np.nan, np.nan)


class Evidence:
    """A run matrix, and what is derived from it once.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`.
    """

    def __init__(self, matrix: pd.DataFrame) -> None:
        self.matrix = matrix

    @cached_property
    def runs(self) -> Runs:
        """The finished runs."""
        return arms(self.matrix)

    @cached_property
    def pairs(self) -> Runs:
        """Augmented runs with their twins, of all contrasts."""
        return gains(self.matrix, self.runs)

    def estimate(self, quantity: Quantity, margin: float = 0.0, confidence: float = 0.95) -> Estimate:
        """Estimate a quantity.

        Args:
            quantity: What is asked.
            margin: What it is tested against; of a difference of correlations only zero can be.
            confidence: Of the interval.

        Returns:
            NaN and a sentence where the matrix cannot tell.

        Raises:
            RequestError: ``where`` names a column that runs do not have.
        """
        try:
            match quantity.kind:
                case "score":
                    chosen = self._select(self.runs.table, quantity)
                    return _mean(chosen, self.runs.cell, quantity.metric, margin, confidence)
                case "gain":
                    chosen = self._select(self._contrast(quantity), quantity)
                    return _mean(chosen, self.runs.cell, f"gain.{quantity.metric}", margin, confidence)
                case "difference":
                    return self._difference(quantity, margin, confidence)
                case "correlation":
                    return self._correlation(quantity, margin, confidence)
                case "correlation_difference":
                    return self._correlation_difference(quantity, confidence)
                case _:
                    return self._optimum(quantity, confidence)
        except UndecidableError as reason:
            return Estimate(np.nan, np.nan, np.nan, 0, np.nan, _UNKNOWN, str(reason))

    def _difference(self, quantity: Quantity, margin: float, confidence: float) -> Estimate:
        self._check_setting(quantity.between)
        chosen = Runs(self._select(self.runs.table, quantity), self.runs.cell, self.runs.unmatched)
        found = paired(chosen, quantity.between, quantity.sides, quantity.metric)
        if found.empty:
            raise UndecidableError(f"no runs differ in {quantity.between} alone: {' and '.join(quantity.sides)}")
        return _mean(found, self.runs.cell, f"difference.{quantity.metric}", margin, confidence)

    def _contrast(self, quantity: Quantity) -> pd.DataFrame:
        return self.pairs.table[self.pairs.table["contrast"] == quantity.contrast]

    def _select(self, table: pd.DataFrame, quantity: Quantity, **more: Any) -> pd.DataFrame:
        for column, value in {**quantity.where, **more}.items():
            self._check_setting(column)
            if column not in table:
                raise RequestError(f"where.{closest(column, map(str, table))}: runs have no such column")
            values = [self._regime(one) if column == "regime" else one
                      for one in (value if isinstance(value, list | tuple) else [value])]  # fmt: skip
            own = table[column].astype(str) if column == "arm" else table[column]  # arms by their captions
            table = table[own.isin(values)]
        if table.empty:
            raise UndecidableError("no such runs")
        return table

    def _check_setting(self, name: str) -> None:
        if "." not in name or name in self.runs.table:
            return
        known = [str(one).removeprefix("settings.") for one in self.matrix]
        if name not in known and get_close_matches(name, known, cutoff=0.85):  # an option that nothing took is no typo
            raise RequestError(f"{closest(name, known)}: runs have no such setting")
        raise UndecidableError(f"runs do not differ in {name}")

    def _regime(self, name: str) -> str:
        if name not in _EXTREMES:
            return name
        regimes = self.runs.table["regime"].dropna().unique()
        if len(regimes) < 2:
            raise UndecidableError(f"needs at least 2 regimes, has {len(regimes)}")
        return str(_EXTREMES[name](regimes, key=lambda regime: kept_part(str(regime))))

    def _points(self, quantity: Quantity, **more: Any) -> pd.DataFrame:
        chosen = self._select(self._contrast(quantity), quantity, **more)
        if len(chosen["budget"].unique()) > 1:
            raise UndecidableError("points of different budgets are not pooled")
        cell = self.pairs.cell
        found = comparable(points(Runs(chosen, cell), quantity.fidelity, quantity.metric), cell)
        if len(found["regime"].unique()) > 1:
            raise UndecidableError("points of different regimes are not pooled")
        cells = found.groupby("arm").size()
        # an arm that some cells lack would be a mean over other conditions than the rest
        found = found[found["arm"].isin(cells[cells == cells.max()].index)]
        if bool(found[["x", "y"]].isna().to_numpy().any()):
            raise UndecidableError("some values are no numbers")
        by_arm = found.groupby("arm")
        return by_arm[["x", "y"]].mean().assign(cluster=by_arm["cluster"].first())

    def _correlation(self, quantity: Quantity, margin: float, confidence: float) -> Estimate:
        table = self._points(quantity)
        found = pearson(table["x"], table["y"], confidence)
        generators = int(table["cluster"].nunique())
        said = f"{found.n} corpora of {generators} independent generators: r = {found.r:+.2f}, Fisher's interval "
        said += f"[{found.low:+.2f}, {found.high:+.2f}]"
        if generators < FEWEST_CLUSTERS:
            return _undecided(found.r, generators, f"{said} takes the corpora for independent")
        between = between_clusters(table["x"], table["y"], table["cluster"], confidence)
        error = 1 / np.sqrt(generators - 3)
        p = float(2 * stats.norm.sf(abs(np.arctanh(between.r) - np.arctanh(margin)) / error))
        smallest = float(np.tanh((stats.norm.isf(power.LEVEL / 2) + stats.norm.ppf(power.POWER)) * error))
        needed = power.points_for_correlation(between.r) if margin == 0 else 0
        return Estimate(
            between.r, between.low, between.high, generators, max(p, between.p) if margin == 0 else p,
            (smallest, smallest), f"means of generators; {said}", f"{needed} generators" if needed > generators else "",
        )  # fmt: skip

    def _correlation_difference(self, quantity: Quantity, confidence: float) -> Estimate:
        parts = [self._points(quantity, regime=regime) for regime in quantity.regimes]
        of_points = _difference(parts[0], parts[1], confidence)
        generators = min(int(part["cluster"].nunique()) for part in parts)
        said = f"{' and '.join(str(len(part)) for part in parts)} corpora of {generators} independent generators: "
        said += f"Δr = {of_points.difference:+.2f}, {of_points.test}'s z = {of_points.z:.2f} (p = {of_points.p:.2g}), "
        said += f"Zou's interval [{of_points.low:+.2f}, {of_points.high:+.2f}]"
        if generators < FEWEST_CLUSTERS:
            return _undecided(of_points.difference, generators, f"{said} takes the corpora for independent")
        means = [part.groupby("cluster")[["x", "y"]].mean() for part in parts]
        found = _difference(means[0], means[1], confidence)
        smallest = power.smallest_correlation_difference(*(len(part) for part in means))
        return Estimate(
            found.difference, found.low, found.high, generators, found.p_interval, (smallest, smallest),
            f"means of generators; {said}",
        )  # fmt: skip

    def _optimum(self, quantity: Quantity, confidence: float) -> Estimate:
        chosen = self._select(self.runs.table, quantity)
        chosen = _same_arms(chosen, [name for name in self.runs.cell if name != "mix"])
        same_size(chosen)
        if chosen[quantity.metric].isna().any():
            raise UndecidableError("some values are missing")
        table = chosen.rename(columns={"mix": "share", quantity.metric: "score"})
        table = table.groupby(["share", "seed"])["score"].mean().reset_index()
        found = optimum(table, confidence, 1 - confidence)
        n = int(table["seed"].nunique())
        takes = f"more shares and seeds between {found.low:g} and {found.high:g}"
        return Estimate(found.share, found.low, found.high, n, np.nan, _UNKNOWN, found.sentence, takes, found)


def _mean(table: pd.DataFrame, cell: list[str], column: str, margin: float, confidence: float) -> Estimate:
    if column not in table:
        raise RequestError(f"metric={column.rpartition('.')[2]}: runs have no such metric")
    if len(table["budget"].unique()) > 1:
        raise UndecidableError("runs of different budgets are not pooled")
    if missing := int((~np.isfinite(table[column].astype(float))).sum()):
        raise UndecidableError(f"{missing} of {len(table)} values are missing")
    if table.duplicated([*cell, "arm", "seed"]).any():
        raise UndecidableError("a seed is there twice")
    seeds_of = table.groupby([*cell, "arm"], dropna=False)["seed"].agg(frozenset)
    if len(set(seeds_of)) > 1:
        raise UndecidableError("some of the arms lack seeds that others have")
    # the seeds are what is independent: arms and cells of one seed share its documents
    seeds = table.groupby("seed")[column].mean().to_numpy(dtype=float)
    if set_apart(table).any():
        drawn = table.groupby("seed")[COLUMNS].first()
        over = shared_mean(seeds, list(independent_levels(drawn).values()))
        units = max(int(over.freedom) + 1, 2)
        smallest = power.smallest_mean_differences(over.error * units**0.5, over.freedom, units)
        sentence = "; ".join(filter(None, [f"{len(seeds)} seeds", speaks_of(drawn)]))
        return Estimate(over.mean, *over.interval(confidence), len(seeds), over.p(margin), smallest, sentence)
    overlap = overlap_of(table)
    interval = t_interval(seeds, confidence, overlap)
    n, sd = len(seeds), float(seeds.std(ddof=1))
    smallest = power.smallest_mean_differences(sd, n - 1, n, overlap=overlap)
    return Estimate(
        interval.estimate, interval.low, interval.high, n, t_test_p(seeds, margin, overlap), smallest, f"{n} seeds",
        _seeds_needed(interval.estimate - margin, sd, n),
    )  # fmt: skip


def _seeds_needed(difference: float, sd: float, n: int) -> str:
    """How many seeds would show a difference like the one seen: between two numbers, as the sd is estimated."""
    try:
        low, high = (power.seeds_for_difference(difference, one) for one in power.sd_interval(sd, n - 1))
    except UndecidableError:
        return ""
    return f"{low:,} to {high:,} seeds for a difference of {abs(difference):.3f}" if high > n else ""


def _undecided(value: float, generators: int, sentence: str) -> Estimate:
    """A correlation that is told, and decides nothing."""
    takes = f"{FEWEST_CLUSTERS - generators} more independent generators"
    return Estimate(value, np.nan, np.nan, generators, np.nan, _UNKNOWN, sentence, takes)


def _difference(first: pd.DataFrame, second: pd.DataFrame, confidence: float) -> CorrelationDifference:
    if set(first.index) == set(second.index):
        second = second.loc[first.index]
        return compare_paired(first["x"], first["y"], second["x"], second["y"], confidence)
    one, two = (pearson(part["x"], part["y"], confidence) for part in (first, second))
    return compare_independent(one.r, one.n, two.r, two.n, confidence)


def _same_arms(runs: pd.DataFrame, conditions: list[str]) -> pd.DataFrame:
    """Arms with added documents that have every share and seed, and real documents alone beside them.

    A mean over arms at one share and over others at the next would differ by more than the share.
    """
    mixed = runs[augmented(runs["strategy"]) & (runs["mix"] < 1)]
    if mixed.empty:
        raise UndecidableError("no such runs")
    keys = mixed.groupby([*conditions, "arm"], dropna=False)
    there = list(zip(mixed["mix"], mixed["seed"], strict=True))
    held = pd.Series(there, mixed.index).groupby(keys.ngroup()).transform("nunique")
    mixed = mixed[held == len(set(there))]
    if mixed.empty:
        raise UndecidableError("no arm has all shares and seeds")
    alone = runs[(runs["mix"] == 1) & (runs["strategy"] == "none") & runs["loss"].isin(mixed["loss"])]
    return pd.concat([mixed, alone])


def same_size(runs: pd.DataFrame) -> None:
    """Check that runs under one budget have as many documents in all; a budget that shrank has fewer.

    Args:
        runs: Rows of :attr:`patentlab.analysis.arms.Runs.table`.

    Raises:
        UndecidableError: They have not.
    """
    sizes = sorted((runs["counts.real"] + runs["counts.synthetic"]).unique())
    if len(sizes) > 1:
        raise UndecidableError(f"the budget was not met by all: they have {sizes[0]:.0f} to {sizes[-1]:.0f} documents")
