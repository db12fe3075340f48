"""A learning curve through scores of real documents, and how many of them another score is worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from patentlab.statistics.arrays import Floats
from patentlab.statistics.undecidable import UndecidableError

FEWEST_SIZES = 4  # one more than a power law has parameters
_GRID = 2_000  # points that a size is looked for among, evenly spaced in its logarithm
_STEEPEST = 3.0  # exponent of a power law
_LEVEL = 0.05

Shape = Literal["power law", "monotone"]


@dataclass(frozen=True)
class LearningCurve:
    """Mean score against the number of real documents, within the sizes that were tried.

    Attributes:
        sizes: Documents, ascending, shape ``(sizes,)``.
        scores: Shape ``(seeds, sizes)``.
        overlap: Correlation of seeds that an interval allows for, as
            :func:`patentlab.statistics.aggregation.t_interval` has it.
        shape: ``power law``, or ``monotone``: straight in the logarithm between means that rise.
        misfit: The p-value of the power law's lack of fit.
        grid: Sizes at which the curve is told, ascending.
        heights: Of the curve, on the grid.
        weights: What each size's mean moves them by, shape ``(grid, sizes)``.
    """

    sizes: Floats
    scores: Floats
    overlap: float
    shape: Shape
    misfit: float
    grid: Floats = field(repr=False)
    heights: Floats = field(repr=False)
    weights: Floats = field(repr=False)

    @property
    def seeds(self) -> int:
        """How many."""
        return len(self.scores)

    def band(self, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """The interval of the curve at each point of the grid."""
        _, margin = self._against(np.zeros(self.seeds), confidence)
        return self.heights - margin, self.heights + margin

    def rise(self, start: float, more: float, confidence: float = 0.95) -> tuple[float, float, float]:
        """What further documents bring.

        Args:
            start: Documents that there are.
            more: Documents that come.
            confidence: Of the interval.

        Returns:
            The difference in score, and its interval.

        Raises:
            UndecidableError: The curve does not reach so far.
        """
        if not self.sizes[0] <= start <= start + more <= self.sizes[-1]:
            raise UndecidableError(f"the curve goes from {self.sizes[0]:g} to {self.sizes[-1]:g} documents")
        at = np.log([start, start + more])
        (first, last) = np.interp(at, np.log(self.grid), self.heights)
        weights = [float(np.diff(np.interp(at, np.log(self.grid), column))[0]) for column in self.weights.T]
        margin = float(self._margin(self.scores @ np.array(weights), confidence))
        value = float(last - first)
        return value, value - margin, value + margin

    def _against(self, scores: Floats, confidence: float) -> tuple[Floats, Floats]:
        """The curve less other scores of the same seeds, and half the width of the interval, on the grid."""
        apart = self.scores @ self.weights.T - scores[:, None]
        return self.heights - scores.mean(), self._margin(apart, confidence)

    def _margin(self, of_seeds: Floats, confidence: float) -> Floats:
        """Half the width of Student's interval of means over seeds, which are the first axis."""
        n = len(of_seeds)
        if n < 2:
            return np.full(of_seeds.shape[1:], np.nan)
        error = of_seeds.std(axis=0, ddof=1) * np.sqrt(1 / n + self.overlap / (1 - self.overlap))
        margin: Floats = stats.t.ppf((1 + confidence) / 2, n - 1) * error
        return margin


@dataclass(frozen=True)
class Equivalent:
    """As many real documents as would have brought a score.

    Attributes:
        size: Infinite where the score is beyond the curve, 0 where it is below.
        low: Lower end of the interval; 0 where the curve does not reach so low.
        high: Upper end; infinite where the curve does not reach so high.
    """

    size: float
    low: float
    high: float


def fit_curve(sizes: ArrayLike, scores: ArrayLike, overlap: float = 0.0, shape: Shape | None = None) -> LearningCurve:
    """Fit a curve through the means over seeds.

    The power law is ``a - b / size ** c`` with ``b`` and ``c`` not below 0, by least squares. Where it does not fit
    (an F test of its lack of fit), the curve is the means themselves, made monotone (pooled where they fall) and joined
    by straight lines in the logarithm.

    Args:
        sizes: Numbers of real documents, shape ``(sizes,)``.
        scores: Of each seed (rows) at each size: the seeds are the same at all sizes.
        overlap: Correlation of seeds that intervals allow for.
        shape: Of the curve; None chooses.

    Raises:
        UndecidableError: Too few sizes, or missing scores.
    """
    order = np.argsort(np.asarray(sizes, dtype=np.float64), kind="stable")
    n, y = np.asarray(sizes, dtype=np.float64)[order], np.asarray(scores, dtype=np.float64)[:, order]
    if len(n) < FEWEST_SIZES:
        raise UndecidableError(f"needs at least {FEWEST_SIZES} regimes of real documents for a curve, has {len(n)}")
    if not np.isfinite(y).all() or not len(y):
        raise UndecidableError("some scores of the curve are missing")
    grid = np.geomspace(n[0], n[-1], _GRID)
    values, weights, fitted = _power_law(n, y.mean(axis=0), grid)
    misfit = _lack_of_fit(y, fitted)
    if shape == "monotone" or (shape is None and misfit < _LEVEL):
        values, weights = _monotone(n, y.mean(axis=0), grid)
        return LearningCurve(n, y, overlap, "monotone", misfit, grid, values, weights)
    return LearningCurve(n, y, overlap, "power law", misfit, grid, values, weights)


def equivalent(curve: LearningCurve, scores: ArrayLike, confidence: float = 0.95) -> Equivalent:
    """The size at which the curve has the mean of other scores.

    The interval holds all sizes at which the curve and the scores do not differ (Student's t over the differences of
    the same seeds, as Fieller's theorem has it for a straight line), so it is wide where the curve is flat, and open
    where the curve ends before they differ.

    Args:
        curve: Through scores of real documents.
        scores: Of the same seeds, in the same order, on the same test documents.
        confidence: Of the interval.
    """
    z = np.asarray(scores, dtype=np.float64)
    if z.shape != (curve.seeds,):
        raise ValueError(f"{len(z)} scores for {curve.seeds} seeds")
    difference, margin = curve._against(z, confidence)
    size = _crossing(curve.grid, difference)
    if np.isnan(margin).all():
        return Equivalent(size, np.nan, np.nan)
    inside = np.flatnonzero(np.abs(difference) <= margin)
    if not len(inside):  # between two points of the grid, or nowhere on the curve
        place = int(np.searchsorted(curve.grid, size))
        ends = 0.0, *curve.grid, np.inf
        return Equivalent(size, float(ends[place]), float(ends[place + 1]))
    low = 0.0 if inside[0] == 0 else float(curve.grid[inside[0] - 1])
    high = np.inf if inside[-1] == _GRID - 1 else float(curve.grid[inside[-1] + 1])
    return Equivalent(size, low, high)


def _crossing(grid: Floats, difference: Floats) -> float:
    """Where a curve that rises first reaches zero; 0 where it is above from the start, infinite where it never does."""
    place = int(np.searchsorted(np.maximum.accumulate(difference), 0.0))
    if place == len(grid):
        return float(np.inf)
    if place == 0:
        return float(grid[0]) if difference[0] <= 0 else 0.0
    low, high = difference[place - 1], difference[place]
    return float(grid[place - 1] * (grid[place] / grid[place - 1]) ** (-low / (high - low)))


def _power_law(n: Floats, means: Floats, grid: Floats) -> tuple[Floats, Floats, Floats]:
    """Values and weights on the grid, and values at the sizes.

    For an exponent the best ``a`` and ``b`` are those of a straight line in ``size ** -c``; the exponent is looked for
    alone. Weights follow from the derivatives at the fit.
    """
    middle = np.exp(np.log(n).mean())

    def line(c: float) -> tuple[float, float]:
        x = (n / middle) ** -c
        slope = max(float(-np.cov(x, means, ddof=0)[0, 1] / x.var()), 0.0)
        return float(means.mean() + slope * x.mean()), slope

    def error(c: float) -> float:
        a, b = line(c)
        return float(((a - b * (n / middle) ** -c - means) ** 2).sum())

    tried = np.geomspace(0.02, _STEEPEST, 30)
    start = int(np.argmin([error(c) for c in tried]))
    bounds = tried[max(start - 1, 0)], tried[min(start + 1, len(tried) - 1)]
    c = float(optimize.minimize_scalar(error, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)
    a, b = line(c)

    def jacobian(sizes: Floats) -> Floats:
        power = (sizes / middle) ** -c
        columns = [np.ones_like(sizes), -power]
        if b > 0 and tried[0] * 1.01 < c < _STEEPEST / 1.01:  # at an end the exponent is given, and not estimated
            columns.append(b * power * np.log(sizes / middle))
        return np.stack(columns if b > 0 else columns[:1], axis=1)

    weights = jacobian(grid) @ np.linalg.pinv(jacobian(n))
    return a - b * (grid / middle) ** -c, weights, a - b * (n / middle) ** -c


def _monotone(n: Floats, means: Floats, grid: Floats) -> tuple[Floats, Floats]:
    """Values and weights on the grid of means that are pooled where they fall."""
    rising = optimize.isotonic_regression(means)
    pooled = np.zeros((len(n), len(n)))
    for first, last in zip(rising.blocks[:-1], rising.blocks[1:], strict=True):
        pooled[first:last, first:last] = 1 / (last - first)
    between = np.stack([np.interp(np.log(grid), np.log(n), one) for one in np.eye(len(n))], axis=1)
    weights = between @ pooled
    return between @ rising.x, weights


def _lack_of_fit(scores: Floats, fitted: Floats) -> float:
    """The p-value of the F test; NaN where nothing tells noise from misfit."""
    seeds, sizes = scores.shape
    freedom = sizes - (FEWEST_SIZES - 1), (seeds - 1) * (sizes - 1)
    if min(freedom) < 1:
        return np.nan
    means = scores.mean(axis=0)
    rest = scores - scores.mean(axis=1, keepdims=True) - means + means.mean()
    noise = (rest**2).sum() / freedom[1]
    if noise <= 0:
        return np.nan
    return float(stats.f.sf(seeds * ((means - fitted) ** 2).sum() / freedom[0] / noise, *freedom))
