"""Correlations of pairs, with their intervals and tests."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from patentlab.statistics.arrays import Floats
from patentlab.statistics.undecidable import UndecidableError

FEWEST_CLUSTERS = 6  # that a verdict rests on: six have 720 orders
FEWEST = 4  # Fisher's z has variance 1 / (n − 3)


@dataclass(frozen=True)
class Correlation:
    """A correlation of n pairs.

    Attributes:
        r: Coefficient.
        low: Lower end of its interval.
        high: Upper end.
        p: Two-sided, of the hypothesis that there is none.
        n: Pairs.
    """

    r: float
    low: float
    high: float
    p: float
    n: int


def coefficient(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's r alone.

    Raises:
        UndecidableError: As for :func:`pearson`, but for an r of −1 or 1.
    """
    first, second = checked_pairs(x, y)
    return float(_r(first, second))


def pearson(x: ArrayLike, y: ArrayLike, confidence: float = 0.95) -> Correlation:
    """Pearson's r with Fisher's interval and the p-value of its t test.

    Args:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.
        confidence: Of the interval.

    Raises:
        UndecidableError: Fewer than four pairs, values that do not vary, or that are no numbers.
    """
    first, second = checked_pairs(x, y)
    found = stats.pearsonr(first, second)
    r = float(found.statistic)
    return Correlation(r, *fisher_interval(r, len(first), confidence), float(found.pvalue), len(first))


def spearman(x: ArrayLike, y: ArrayLike, confidence: float = 0.95) -> Correlation:
    """Spearman's ρ with Bonett and Wright's interval, and its p-value.

    The standard error of Fisher's z is √((1 + ρ²/2) / (n − 3)) (Bonett and Wright 2000, Psychometrika 65, 23 to 28).
    Of up to seven pairs p is exact, over all orders; of more it is that of the t approximation.

    Args:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.
        confidence: Of the interval.

    Raises:
        UndecidableError: As for :func:`pearson`.
    """
    first, second = checked_pairs(x, y)
    n = len(first)
    found = stats.spearmanr(first, second)
    r = float(found.statistic)
    p = float(found.pvalue)
    if n <= 7:
        ranks, others = stats.rankdata(first), stats.rankdata(second)
        every = _r(np.array(list(permutations(ranks))), np.broadcast_to(others, (math.factorial(n), n)))
        p = float(np.mean(np.abs(every) >= abs(r) - 1e-12))
    if abs(r) == 1:
        return Correlation(r, np.nan, np.nan, p, n)
    half = stats.norm.ppf((1 + confidence) / 2) * np.sqrt((1 + r**2 / 2) / (n - 3))
    return Correlation(r, float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half)), p, n)


def permutation_p(x: ArrayLike, y: ArrayLike, resamples: int = 9_999, seed: int = 0) -> float:
    """Two-sided p of Pearson's r over permutations of the pairing: over all of them where they are few.

    Of drawn ones the pairing itself counts as one (Phipson and Smyth 2010), so that p is never zero.

    Args:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.
        resamples: At most.
        seed: Of the permutations.

    Raises:
        UndecidableError: As for :func:`pearson`.
    """
    first, second = checked_pairs(x, y)
    over_x, over_y = first - first.mean(), second - second.mean()
    if math.factorial(len(first)) <= resamples:
        orders = np.array(list(permutations(range(len(first)))))
    else:
        orders = np.random.default_rng(seed).permuted(np.tile(np.arange(len(first)), (resamples, 1)), axis=1)
    # the sums of squares are the same in all orders
    products, own = np.abs(over_y[orders] @ over_x), abs(float(over_y @ over_x))
    as_large = int((products >= own * (1 - 1e-12)).sum())
    exact = math.factorial(len(first)) <= resamples
    return as_large / len(orders) if exact else (as_large + 1) / (len(orders) + 1)


def between_clusters(
    x: ArrayLike, y: ArrayLike, clusters: ArrayLike, confidence: float = 0.95, seed: int = 0
) -> Correlation:
    """Pearson's r of the means of clusters, where pairs of a cluster are not independent of each other.

    Its interval is Fisher's, with clusters for pairs; p is that of :func:`permutation_p` over whole clusters. A test
    that takes ten corpora of two generators for independent finds a correlation in 44% of cases where there is none.

    Args:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.
        clusters: Shape ``(n,)``: as of the generator that a pair comes from.
        confidence: Of the interval.
        seed: Of the permutations.

    Returns:
        ``n`` are clusters.

    Raises:
        UndecidableError: As for :func:`pearson`, or fewer than six clusters.
    """
    first, second = checked_pairs(x, y)
    names, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < FEWEST_CLUSTERS:
        raise UndecidableError(f"needs at least {FEWEST_CLUSTERS} generators, has {len(names)}")
    of_x, of_y = (np.bincount(numbers, values) / np.bincount(numbers) for values in (first, second))
    found = pearson(of_x, of_y, confidence)
    return replace(found, p=permutation_p(of_x, of_y, seed=seed))


def within_groups(x: ArrayLike, y: ArrayLike, groups: ArrayLike) -> float:
    """Pearson's r of what is left when groups differ: each group's means taken out (partial correlation on groups).

    Args:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.
        groups: Shape ``(n,)``.

    Raises:
        UndecidableError: As for :func:`pearson` of what is left, or fewer than four degrees of freedom.
    """
    first, second = checked_pairs(x, y)
    names, numbers = np.unique(np.asarray(groups), return_inverse=True)
    if len(first) - len(names) + 1 < FEWEST:
        raise UndecidableError(f"needs at least {FEWEST + len(names) - 1} pairs in {len(names)} groups")
    left = [v - (np.bincount(numbers, v) / np.bincount(numbers))[numbers] for v in (first, second)]
    for part, whole in zip(left, (first, second), strict=True):
        if np.ptp(part) <= 1e-12 * np.ptp(whole):
            raise UndecidableError("the values do not vary within groups")
    return coefficient(*left)


def reliability(values: ArrayLike) -> float:
    """How far means over seeds would come out the same with other seeds: the intraclass correlation ICC(C, k).

    1 − MS(rest) / MS(arms) of the two-way layout (McGraw and Wong 1996, Psychological Methods 1, case 3); what seeds
    share does not count, since it moves all arms alike. No correlation with these means can be expected above √ICC.

    Args:
        values: Shape ``(arms, seeds)``, both at least two.

    Returns:
        Up to 1; 0 where arms differ by no more than seeds do.

    Raises:
        UndecidableError: There are fewer, values are missing, or do not vary.
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2:
        raise UndecidableError("needs at least 2 arms with the same 2 seeds or more")
    if not np.isfinite(table).all():
        raise UndecidableError("some values are no numbers")
    arms, seeds = table.shape
    of_arms = table.mean(axis=1, keepdims=True)
    rest = table - of_arms - table.mean(axis=0, keepdims=True) + table.mean()
    between = seeds * float(((of_arms - table.mean()) ** 2).sum()) / (arms - 1)
    if between <= 1e-24 * float(np.abs(table).max()) ** 2:
        raise UndecidableError("the values do not vary")
    error = float((rest**2).sum()) / ((arms - 1) * (seeds - 1))
    return float(max(0.0, 1 - error / between))


def fisher_interval(r: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Fisher's interval of a correlation: tanh(artanh r ± z / √(n − 3)) (Fisher 1921).

    For independent normal pairs it covers as promised, from six on. It does not for pairs that come in clusters, as
    corpora of one generator do, nor where both values have heavy tails together: docs/statistics.md has figures.

    Raises:
        UndecidableError: n is below 4, or r is −1 or 1.
    """
    check_correlation(r, n)
    half = stats.norm.ppf((1 + confidence) / 2) / np.sqrt(n - 3)
    return float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))


def _r(x: Floats, y: Floats, axis: int = -1) -> Floats:
    over_x, over_y = x - x.mean(axis=axis, keepdims=True), y - y.mean(axis=axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            (over_x * over_y).sum(axis=axis) / np.sqrt((over_x**2).sum(axis=axis) * (over_y**2).sum(axis=axis))
        )


def check_correlation(r: float, n: int) -> None:
    """Refuse a correlation that has no interval.

    Args:
        r: Coefficient.
        n: Pairs.

    Raises:
        UndecidableError: n is below 4, r is no number, or not between −1 and 1.
    """
    if not np.isfinite(r):
        raise UndecidableError("the correlation is no number")
    if abs(r) > 1:
        raise UndecidableError(f"a correlation lies between -1 and 1, not at {r:g}")
    if n < FEWEST:
        raise UndecidableError(f"needs at least {FEWEST} pairs, has {n}")
    if abs(r) > 1 - 1e-12:
        raise UndecidableError(f"the correlation is exactly {r:.0f}, and has no interval")


def checked_pairs(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Pairs that have a correlation.

    Args:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.

    Returns:
        Both as floats.

    Raises:
        ValueError: Shapes differ.
        UndecidableError: Fewer than four pairs, values that do not vary, or that are no numbers.
    """
    first, second = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"x and y have the shapes {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise UndecidableError("some values are no numbers")
    if len(first) < FEWEST:
        raise UndecidableError(f"needs at least {FEWEST} pairs, has {len(first)}")
    for values in (first, second):
        if np.ptp(values) <= 1e-13 * np.abs(values).max(initial=0):
            raise UndecidableError("the values do not vary")
    return first, second
