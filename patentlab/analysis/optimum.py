"""Which share of real documents is best when the number of documents is fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.polynomial import polynomial
from numpy.typing import NDArray

from patentlab.statistics import best
from patentlab.statistics.aggregation import t_interval
from patentlab.statistics.power import LEVEL
from patentlab.statistics.undecidable import UndecidableError

Floats = NDArray[np.float64]
Verdict = Literal["supported", "refuted", "undecided"]
_FEWEST_SHARES = 3
_FITTED_SHARES = 4  # of which a parabola leaves one to tell a misfit by


@dataclass(frozen=True)
class Optimum:
    """Which share is best.

    Attributes:
        share: The best of those that were tried, from 0 to 1.
        low: The true optimum lies above.
        high: The true optimum lies below.
        candidates: Shares that are not told apart from the best one, which is among them.
        tried: All shares.
        varies: p of the F test that all shares score the same.
        fits: p of the F test that a parabola goes through the mean scores.
        fitted: That parabola; ``fitted(share)`` is a score. None where it does not fit.
        vertex: Where it is highest, within what was tried.
        bootstrap: How often each share is the best one of resampled seeds.
        sentence: All of this in words.
    """

    share: float
    low: float
    high: float
    candidates: tuple[float, ...]
    tried: tuple[float, ...]
    varies: float
    fits: float
    fitted: np.polynomial.Polynomial | None
    vertex: float | None
    bootstrap: Mapping[float, float]
    sentence: str

    @property
    def at_edge(self) -> bool:
        """Whether the smallest or the largest share may be the best one: the optimum may then lie beyond."""
        return bool({self.tried[0], self.tried[-1]} & set(self.candidates))


def share_curve(table: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Mean score of each share, with Student's t interval over seeds.

    Args:
        table: A row per run: ``share`` of real documents, ``score``, ``seed``.
        confidence: Of the intervals.

    Returns:
        A row per share, ascending: ``share``, ``mean``, ``low``, ``high``, ``n``. The ends are NaN of a single seed and
        of seeds that do not vary.

    Raises:
        ValueError: Columns are missing, or shares are not between 0 and 1.
        UndecidableError: There are no rows, or values are missing.
    """
    rows = []
    for share, scores in _checked(table).groupby("share")["score"]:
        try:
            interval = t_interval(scores.to_numpy(), confidence)
            low, high = interval.low, interval.high
        except UndecidableError:
            low, high = np.nan, np.nan
        rows.append({"share": share, "mean": scores.mean(), "low": low, "high": high, "n": len(scores)})
    return pd.DataFrame(rows)


def optimum(
    table: pd.DataFrame, confidence: float = 0.95, level: float = LEVEL, resamples: int = 2_000, seed: int = 0
) -> Optimum:
    """The share of real documents whose score is best.

    Three questions in turn. Is there one at all: do scores differ between shares (an F test at ``level``)? Which of the
    shares tried may it be: those that are not worse than the best, by
    :func:`patentlab.statistics.best.not_worse_than_best`. And where between them: if scores rise to one optimum and
    fall from there, the optimum lies between the neighbours of these shares, whatever the curve. A parabola is fitted
    beside where it fits: through a curve that rises steeply and levels off it puts the optimum too far from the steep
    end, and is sure of it.

    Where each seed has each share once, what its scores share is taken out.

    Args:
        table: A row per run: ``share`` of real documents, ``score``, ``seed``.
        confidence: That the interval, and the set of candidates, holds the best.
        level: Of both F tests.
        resamples: Of the bootstrap.
        seed: Of the resamples.

    Raises:
        ValueError: Columns are missing, or shares are not between 0 and 1.
        UndecidableError: Fewer than three different shares, a share with a single seed, missing values, scores that do
            not vary over seeds, or no share that is better than another.
    """
    runs = _checked(table).sort_values(["share", "seed"], kind="stable")
    groups = {float(str(share)): group for share, group in runs.groupby("share")}
    tried = tuple(groups)
    _check_shares(runs)
    paired = (
        len({tuple(group["seed"]) for group in groups.values()}) == 1 and not runs.duplicated(["share", "seed"]).any()
    )
    scores = [group["score"].to_numpy(np.float64) for group in groups.values()]
    found = best.levels(scores, paired)
    varies = best.difference_p(found)
    if varies >= level:
        raise UndecidableError(f"no share is better than another (F test, p = {varies:.2g})")
    kept = np.flatnonzero(best.not_worse_than_best(found, confidence))
    bounds = (0.0, *tried, 1.0)
    low, high = bounds[kept[0]], bounds[kept[-1] + 2]
    top = float(tried[int(found.means.argmax())])
    fits, fitted, vertex = _parabola(tried, found, level)
    often = _bootstrap(scores, paired, tried, resamples, seed)
    candidates = tuple(tried[place] for place in kept)
    sentence = _sentence(top, candidates, (low, high), confidence, often, fits, vertex)
    return Optimum(top, low, high, candidates, tried, varies, fits, fitted, vertex, often, sentence)


def contains(optimum: Optimum, low: float, high: float) -> Verdict:
    """Whether the optimum lies within given bounds.

    Args:
        optimum: As of :func:`optimum`.
        low: Lower bound, a share.
        high: Upper bound.

    Returns:
        ``supported`` where the whole interval lies within the bounds, ``refuted`` where no part of it does, otherwise
        ``undecided``.

    Raises:
        ValueError: The bounds are in the wrong order.
    """
    if not low <= high:
        raise ValueError(f"bounds from {low} to {high}")
    above = low > optimum.high or (low == optimum.high < 1)  # an end is no part of it, but for 0 and 1
    below = high < optimum.low or (high == optimum.low > 0)
    if above or below:
        return "refuted"
    return "supported" if low <= optimum.low and optimum.high <= high else "undecided"


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in ("share", "score", "seed") if name not in table]
    if missing:
        raise ValueError(f"the table has no column {', '.join(missing)}")
    runs = table[["share", "score", "seed"]]
    if runs.empty:
        raise UndecidableError("there are no runs")
    for name in runs:
        empty = int(runs[name].isna().sum())
        if empty:
            raise UndecidableError(f"{name} is missing in {empty} of {len(runs)} runs")
    if not runs["share"].between(0, 1).all():
        raise ValueError("shares are between 0 and 1")
    return runs


def _check_shares(runs: pd.DataFrame) -> None:
    sizes = runs.groupby("share")["score"].agg(["size", np.ptp])
    if len(sizes) < _FEWEST_SHARES:
        raise UndecidableError(f"needs at least {_FEWEST_SHARES} different shares, has {len(sizes)}")
    if (sizes["size"] < 2).any():
        raise UndecidableError(f"needs at least 2 seeds of each share, has 1 of {sizes.index[sizes['size'] < 2][0]:g}")
    if not sizes["ptp"].any():
        raise UndecidableError("the scores do not vary over seeds")


def _parabola(
    tried: tuple[float, ...], found: best.Levels, level: float
) -> tuple[float, np.polynomial.Polynomial | None, float | None]:
    """How well it fits (p); and where it does, itself and where it is highest."""
    if len(tried) < _FITTED_SHARES:
        return np.nan, None, None
    fits = best.lack_of_fit_p(tried, found, 2)
    if fits < level:
        return fits, None, None
    fitted = np.polynomial.Polynomial(polynomial.polyfit(tried, found.means, 2, w=np.sqrt(found.sizes)))
    turns = [root for root in map(float, np.real(fitted.deriv().roots())) if tried[0] < root < tried[-1]]
    return fits, fitted, max((tried[0], tried[-1], *turns), key=fitted)


def _bootstrap(
    scores: list[Floats], paired: bool, tried: tuple[float, ...], resamples: int, seed: int
) -> dict[float, float]:
    """How often each share has the highest mean of resampled seeds: whole ones, where each has every share."""
    generator = np.random.default_rng(seed)
    sizes = [len(of) for of in scores[:1] if paired] or [len(of) for of in scores]
    drawn = [generator.integers(size, size=(resamples, size)) for size in sizes]
    rows = drawn * len(scores) if paired else drawn
    means = np.stack([of[chosen].mean(axis=1) for of, chosen in zip(scores, rows, strict=True)])
    first = np.bincount(means.argmax(axis=0), minlength=len(tried)) / resamples
    return {share: float(often) for share, often in zip(tried, first, strict=True) if often}


def _sentence(
    top: float, candidates: tuple[float, ...], interval: tuple[float, float], confidence: float,
    often: Mapping[float, float], fits: float, vertex: float | None,
) -> str:  # fmt: skip
    said = f"Of the real shares tried, {top:g} scores best ({often.get(top, 0.0):.0%} of resampled seeds)"
    if others := [f"{share:g}" for share in candidates if share != top]:
        said += f", not told apart from {', '.join(others)}"
    said += f"; the optimum lies between {interval[0]:g} and {interval[1]:g} ({100 * confidence:.3g}% confidence)."
    if vertex is not None:
        return f"{said} A parabola fits (p = {fits:.2g}) and is highest at {vertex:.2f}."
    return said if np.isnan(fits) else f"{said} A parabola does not fit (p = {fits:.2g})."
