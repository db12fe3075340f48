"""Which share of real documents is best when the number of documents is fixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.polynomial import polynomial
from numpy.typing import NDArray
from scipy import stats

from patentlab.statistics.aggregation import t_interval
from patentlab.statistics.arrays import FEWEST
from patentlab.statistics.undecidable import UndecidableError

Floats = NDArray[np.float64]
Verdict = Literal["supported", "refuted", "undecided"]


@dataclass(frozen=True)
class Optimum:
    """Where a fitted curve of scores is highest.

    Attributes:
        share: Of real documents, from 0 to 1.
        low: Lower end of its interval.
        high: Upper end.
        fitted: The curve; ``fitted(share)`` is a score.
        at_edge: Whether the highest point is the smallest or largest share that was tried; the optimum then lies at or
            beyond it.
        tried: The smallest and the largest share.
        dropped: Resamples whose curve is flat, which the interval is without.
        sentence: All of this in words.
    """

    share: float
    low: float
    high: float
    fitted: np.polynomial.Polynomial
    at_edge: bool
    tried: tuple[float, float]
    dropped: int
    sentence: str


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
    table: pd.DataFrame, resamples: int = 2_000, confidence: float = 0.95, seed: int = 0, degree: int = 2
) -> Optimum:
    """The share of real documents whose score is best, within the range that was tried.

    A polynomial in the share is fitted by least squares, of degree 2 unless told otherwise: the simplest curve that has
    an optimum, and with five or six shares about the last one whose fit can be told from noise. Where scores rise
    steeply at one end and level off, it puts the optimum too far from that end; look at :func:`share_curve` beside it.
    A convex curve is highest at an edge.

    The interval is a percentile bootstrap of the location. Where each of four or more seeds has each share once, whole
    seeds are resampled, as a seed's scores share its documents; otherwise seeds are resampled within each share.
    With few seeds a percentile interval is too narrow. Deviations from the means of shares are therefore stretched by
    √(n / (n − 1)), of the n seeds that they are drawn from, and by the quantile of Student's t over that of the normal
    distribution: the expanded percentile interval of Hesterberg (2015, The American Statistician 69, 371 to 386), by
    way of the scores. With three to five seeds of six shares 93 % of the 95 % intervals hold the vertex of a parabola.

    Args:
        table: A row per run: ``share`` of real documents, ``score``, ``seed``.
        resamples: Of the bootstrap.
        confidence: Of the interval.
        seed: Of the resamples.
        degree: Of the polynomial, two or more.

    Raises:
        ValueError: Columns are missing, shares are not between 0 and 1, or the degree is below two.
        UndecidableError: Fewer than ``degree + 2`` different shares, a share with a single seed, missing values, or
            scores that do not vary, be it over shares or over seeds.
    """
    if degree < 2:
        raise ValueError(f"a curve with an optimum has degree 2 or more, not {degree}")
    runs = _checked(table).sort_values(["share", "seed"], kind="stable")
    shares, scores = runs["share"].to_numpy(np.float64), runs["score"].to_numpy(np.float64)
    tried = float(shares[0]), float(shares[-1])
    _check_shares(runs, degree)
    coefficients = polynomial.polyfit(shares, scores, degree)
    if _flat(coefficients[:, None])[0]:
        raise UndecidableError("the fitted scores do not vary over shares")
    best = float(_argmax(coefficients[:, None], *tried)[0])
    curves = polynomial.polyfit(shares, _resample(runs, resamples, confidence, seed).T, degree)
    curves = curves[:, ~_flat(curves)]
    dropped = resamples - curves.shape[1]
    if 2 * dropped > resamples:
        raise UndecidableError(f"{dropped} of {resamples} resamples give a flat curve")
    low, high = np.quantile(_argmax(curves, *tried), [(1 - confidence) / 2, (1 + confidence) / 2])
    at_edge = best in tried
    sentence = f"The fitted score is highest at a real share of {best:.2f} ({100 * confidence:g}% interval "
    sentence += f"{low:.2f} to {high:.2f})"
    sentence += ", the edge of what was tried: the optimum lies at or beyond it." if at_edge else "."
    fitted = np.polynomial.Polynomial(coefficients)
    return Optimum(best, float(low), float(high), fitted, at_edge, tried, dropped, sentence)


def contains(optimum: Optimum, low: float, high: float) -> Verdict:
    """Whether the optimum lies within given bounds.

    An interval that ends at the smallest or largest share tried is taken on to 0 or 1, as the optimum may lie beyond.

    Args:
        optimum: As of :func:`optimum`.
        low: Lower bound, a share.
        high: Upper bound.

    Returns:
        ``supported`` where the whole interval lies within the bounds, ``refuted`` where no part of it does, otherwise
        ``undecided``; and this too of an optimum at an edge that lies within the bounds.

    Raises:
        ValueError: The bounds are in the wrong order.
    """
    if not low <= high:
        raise ValueError(f"bounds from {low} to {high}")
    smallest, largest = optimum.tried
    lowest = 0.0 if optimum.low <= smallest else optimum.low
    highest = 1.0 if optimum.high >= largest else optimum.high
    if highest < low or lowest > high:
        return "refuted"
    if optimum.at_edge and low <= optimum.share <= high:
        return "undecided"
    return "supported" if low <= lowest and highest <= high else "undecided"


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


def _check_shares(runs: pd.DataFrame, degree: int) -> None:
    sizes = runs.groupby("share")["score"].agg(["size", np.ptp])
    if len(sizes) < degree + 2:
        raise UndecidableError(f"needs at least {degree + 2} different shares, has {len(sizes)}")
    if (sizes["size"] < 2).any():
        raise UndecidableError(f"needs at least 2 seeds of each share, has 1 of {sizes.index[sizes['size'] < 2][0]:g}")
    if not sizes["ptp"].any():
        raise UndecidableError("the scores do not vary over seeds")


def _resample(runs: pd.DataFrame, resamples: int, confidence: float, seed: int) -> Floats:
    """Scores of resampled seeds, shape ``(resamples, runs)``; runs are sorted by share and seed."""
    generator = np.random.default_rng(seed)
    scores, means = runs["score"].to_numpy(np.float64), runs.groupby("share")["score"].transform("mean").to_numpy()
    sizes = runs.groupby("share").size().to_numpy()
    seeds = runs["seed"].nunique()
    once = len(runs) == seeds * len(sizes) and not runs.duplicated(["share", "seed"]).any()
    if once and seeds >= FEWEST:
        drawn = np.tile(generator.integers(seeds, size=(resamples, seeds)), len(sizes))
        freedom = seeds - 1
    else:
        drawn = np.hstack([generator.integers(size, size=(resamples, size)) for size in sizes])
        freedom = len(runs) - len(sizes)
    rows = drawn + np.repeat(np.cumsum(sizes) - sizes, sizes)
    level = (1 + confidence) / 2
    stretch = np.sqrt(sizes / (sizes - 1)) * stats.t.ppf(level, freedom) / stats.norm.ppf(level)
    return np.asarray(means + stretch.repeat(sizes) * (scores - means)[rows])


def _flat(coefficients: Floats) -> NDArray[np.bool_]:
    """Which polynomials are constants; ``(degree + 1, curves)`` to ``(curves,)``."""
    # least squares of equal scores leaves slopes of the size of rounding
    return np.asarray(np.abs(coefficients[1:]).max(axis=0) <= 1e-10 * np.abs(coefficients[0]))


def _argmax(coefficients: Floats, low: float, high: float) -> Floats:
    """Where polynomials are highest between two points; ``(degree + 1, curves)`` to ``(curves,)``."""
    slopes = polynomial.polyder(coefficients)
    lead = np.where(slopes[-1] == 0, np.finfo(np.float64).tiny, slopes[-1])
    order = len(slopes) - 1
    companion = np.zeros((coefficients.shape[1], order, order))
    companion[:, np.arange(1, order), np.arange(order - 1)] = 1
    with np.errstate(over="ignore"):
        companion[:, :, -1] = np.clip(-slopes[:-1] / lead, -1e100, 1e100).T
    # the real part of a complex root is a point like any other, and never higher than the highest
    turns = np.clip(np.linalg.eigvals(companion).real.T, low, high)
    points = np.vstack([turns, np.full((1, turns.shape[1]), low), np.full((1, turns.shape[1]), high)])
    heights = np.stack([polynomial.polyval(row, coefficients, tensor=False) for row in points])
    return np.asarray(np.take_along_axis(points, heights.argmax(axis=0)[None], axis=0)[0])
