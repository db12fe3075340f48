"""Which of several conditions is best, when each seed has all of them or each condition its own seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from patentlab.statistics.arrays import Floats
from patentlab.statistics.undecidable import UndecidableError


@dataclass(frozen=True)
class Levels:
    """Scores under several conditions, with what they vary by besides.

    Attributes:
        means: Shape ``(conditions,)``.
        sizes: Scores of each.
        variance: Of a score, with what seeds share removed where each has every condition.
        freedom: Its degrees of freedom.
    """

    means: Floats
    sizes: NDArray[np.int64]
    variance: float
    freedom: int


def levels(scores: Sequence[ArrayLike], paired: bool) -> Levels:
    """Means and residual variance of scores under several conditions.

    Args:
        scores: Of each condition, one or more.
        paired: Whether the first scores of all conditions share a seed, the second ones another, and so on.

    Raises:
        ValueError: Paired conditions differ in their number of scores.
        UndecidableError: Fewer than two conditions, missing scores, or nothing left to tell noise by.
    """
    values = [np.asarray(of, dtype=np.float64) for of in scores]
    if len(values) < 2:
        raise UndecidableError(f"needs at least 2 conditions, has {len(values)}")
    if not all(np.isfinite(of).all() and len(of) for of in values):
        raise UndecidableError("some values are missing")
    means, sizes = np.array([of.mean() for of in values]), np.array([len(of) for of in values])
    if paired:
        table = np.stack(values, axis=1)  # seeds × conditions
        rest = table - table.mean(axis=1, keepdims=True) - means + means.mean()
        freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    else:
        rest = np.concatenate([of - mean for of, mean in zip(values, means, strict=True)])
        freedom = int((sizes - 1).sum())
    if freedom < 1:
        raise UndecidableError("needs at least 2 seeds, has 1")
    return Levels(means, sizes, float((rest**2).sum() / freedom), freedom)


def difference_p(found: Levels) -> float:
    """The F test that all conditions have one mean: of a two-way layout where seeds have every condition.

    Args:
        found: As of :func:`levels`.

    Returns:
        Its p.
    """
    n = found.sizes.sum()
    between = found.sizes @ (found.means - found.sizes @ found.means / n) ** 2 / (len(found.means) - 1)
    if found.variance <= _rounding(found):
        return 1.0 if between <= _rounding(found) else 0.0
    return float(stats.f.sf(between / found.variance, len(found.means) - 1, found.freedom))


def lack_of_fit_p(x: ArrayLike, found: Levels, degree: int) -> float:
    """The F test that a polynomial of a degree in x goes through the means (Draper and Smith 1998, section 2.1).

    Args:
        x: Of each condition, shape ``(conditions,)``.
        found: As of :func:`levels`.
        degree: Below the number of conditions less one.

    Returns:
        Its p; 1 where the polynomial goes through all means.
    """
    places = np.asarray(x, dtype=np.float64)
    curve = polynomial.polyfit(places, found.means, degree, w=np.sqrt(found.sizes))
    squares = float(found.sizes @ (found.means - polynomial.polyval(places, curve)) ** 2)
    freedom = len(places) - degree - 1
    if squares <= _rounding(found) * len(places):
        return 1.0
    return float(stats.f.sf(squares / freedom / found.variance, freedom, found.freedom)) if found.variance else 0.0


def not_worse_than_best(found: Levels, confidence: float = 0.95) -> NDArray[np.bool_]:
    """Conditions that may be the best one: multiple comparisons with the best (Hsu 1981, Annals of Statistics 9).

    The set holds the condition with the highest true mean at least this often. Bonferroni's bound takes the place of
    Dunnett's quantile, so that numbers of scores may differ.

    Args:
        found: As of :func:`levels`.
        confidence: Of the set.

    Returns:
        Shape ``(conditions,)``; that with the highest mean is always in it.
    """
    quantile = stats.t.ppf(1 - (1 - confidence) / (len(found.means) - 1), found.freedom)
    error = np.sqrt(found.variance * (1 / found.sizes[:, None] + 1 / found.sizes[None, :]))
    behind = found.means[None, :] - found.means[:, None]  # of the row, behind the column
    slack = np.sqrt(_rounding(found))
    return np.asarray((behind <= quantile * error + slack).all(axis=1))


def _rounding(found: Levels) -> float:
    return float((1e-12 * np.abs(found.means).max(initial=0)) ** 2)
