"""Correlations, their intervals, and tests of whether two of them differ."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from patentlab.analysis.undecidable import UndecidableError

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


@dataclass(frozen=True)
class CorrelationDifference:
    """Two correlations beside each other.

    Attributes:
        difference: First minus second.
        low: Lower end of Zou's interval on the difference.
        high: Upper end.
        z: Of the test that there is none.
        p: Two-sided.
        test: Its name.
    """

    difference: float
    low: float
    high: float
    z: float
    p: float
    test: str


def coefficient(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's r alone.

    Raises:
        UndecidableError: As for :func:`pearson`, but for an r of −1 or 1.
    """
    first, second = _pairs(x, y)
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
    first, second = _pairs(x, y)
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
    first, second = _pairs(x, y)
    n = len(first)
    found = stats.spearmanr(first, second)
    r = float(found.statistic)
    p = float(found.pvalue)
    if n <= 7:
        every = [stats.spearmanr(order, second).statistic for order in permutations(first)]
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
    first, second = _pairs(x, y)
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


def bca_interval(
    x: ArrayLike, y: ArrayLike, resamples: int = 2_000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of Pearson's r over pairs (Efron 1987).

    Of 14 normal pairs 95% intervals cover 92 to 93% (docs/statistics.md): it is not the safer one.

    Args:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.
        resamples: Of the bootstrap.
        confidence: Of the interval.
        seed: Of the resamples.

    Raises:
        UndecidableError: As for :func:`pearson`, or resamples without a correlation.
    """
    first, second = _pairs(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is NaN below
        found = stats.bootstrap(
            (first, second), _r, n_resamples=resamples, paired=True, vectorized=True, method="BCa",
            confidence_level=confidence, rng=np.random.default_rng(seed),
        ).confidence_interval  # fmt: skip
    if not np.isfinite([found.low, found.high]).all() or found.low == found.high:
        raise UndecidableError("some resamples have no correlation")
    return float(found.low), float(found.high)


def cluster_interval(
    x: ArrayLike, y: ArrayLike, clusters: ArrayLike, resamples: int = 2_000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of Pearson's r where pairs come in clusters, which are resampled whole.

    (Davison and Hinkley 1997, section 3.8.) It is too narrow where clusters are few: with 6 to 14 of them 95% intervals
    cover 85 to 92%. Fisher's cover 65 to 87% of pairs that do depend on their cluster, and are the better ones where
    they do not (docs/statistics.md).

    Args:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.
        clusters: Shape ``(n,)``: as of the generator that a pair comes from.
        resamples: Of the bootstrap; those without a correlation are left out.
        confidence: Of the interval.
        seed: Of the resamples.

    Raises:
        UndecidableError: As for :func:`pearson`, fewer than four clusters, or most resamples have no correlation.
    """
    first, second = _pairs(x, y)
    names, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < FEWEST:
        raise UndecidableError(f"needs at least {FEWEST} clusters, has {len(names)}")
    chances = np.full(len(names), 1 / len(names))
    weights = np.random.default_rng(seed).multinomial(len(names), chances, size=resamples)[:, numbers].astype(float)
    total = weights.sum(axis=1)
    mean_x, mean_y = weights @ first / total, weights @ second / total
    over_x, over_y = first - mean_x[:, None], second - mean_y[:, None]
    spread = np.sqrt((weights * over_x**2).sum(axis=1) * (weights * over_y**2).sum(axis=1))
    found = spread > 1e-12 * len(first) * np.ptp(first) * np.ptp(second)
    if 2 * found.sum() < resamples:
        raise UndecidableError(f"{resamples - int(found.sum())} of {resamples} resamples have no correlation")
    r = (weights * over_x * over_y).sum(axis=1)[found] / spread[found]
    low, high = np.quantile(r, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def fisher_interval(r: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Fisher's interval of a correlation: tanh(artanh r ± z / √(n − 3)) (Fisher 1921).

    For independent normal pairs it covers as promised, from six on. It does not for pairs that come in clusters, as
    corpora of one generator do, nor where both values have heavy tails together: docs/statistics.md has figures.

    Raises:
        UndecidableError: n is below 4, or r is −1 or 1.
    """
    _check(r, n)
    half = stats.norm.ppf((1 + confidence) / 2) / np.sqrt(n - 3)
    return float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))


def compare_independent(r_1: float, n_1: int, r_2: float, n_2: int, confidence: float = 0.95) -> CorrelationDifference:
    """Fisher's z test of two correlations of separate samples, with Zou's interval on their difference.

    z = (artanh r₁ − artanh r₂) / √(1/(n₁−3) + 1/(n₂−3)); the interval is Zou's (2007, Psychological Methods 12, 399 to
    413, equation 15).

    Raises:
        UndecidableError: An n is below 4, or an r is −1 or 1.
    """
    _check(r_1, n_1)
    _check(r_2, n_2)
    z = float((np.arctanh(r_1) - np.arctanh(r_2)) / fisher_standard_error(n_1, n_2))
    return _difference(r_1, n_1, r_2, n_2, 0.0, z, "Fisher", confidence)


def compare_overlapping(
    r_jk: float, r_jh: float, r_kh: float, n: int, confidence: float = 0.95
) -> CorrelationDifference:
    """Two correlations of one sample that share the variable j: the test of Meng, Rosenthal and Rubin.

    z = (artanh r_jk − artanh r_jh) √((n−3) / (2 (1−r_kh) h)), h = (1 − f r̄²) / (1 − r̄²),
    f = min(1, (1−r_kh) / (2 (1−r̄²))), r̄² = (r_jk² + r_jh²) / 2 (1992, Psychological Bulletin 111, 172 to 175, equations
    1 to 3). The interval is Zou's for dependent correlations.

    Args:
        r_jk: First correlation.
        r_jh: Second correlation.
        r_kh: Of the two variables that they do not share.
        n: Of the sample.
        confidence: Of the interval.

    Raises:
        UndecidableError: n is below 4, or a correlation is −1 or 1.
    """
    for r in (r_jk, r_jh, r_kh):
        _check(r, n)
    square = (r_jk**2 + r_jh**2) / 2
    f = min(1.0, (1 - r_kh) / (2 * (1 - square)))
    h = (1 - f * square) / (1 - square)
    z = float((np.arctanh(r_jk) - np.arctanh(r_jh)) * np.sqrt((n - 3) / (2 * (1 - r_kh) * h)))
    # correlation of the two coefficients: Zou 2007, equation 17
    c = ((r_kh - r_jk * r_jh / 2) * (1 - r_jk**2 - r_jh**2 - r_kh**2) + r_kh**3) / ((1 - r_jk**2) * (1 - r_jh**2))
    return _difference(r_jk, n, r_jh, n, c, z, "Meng", confidence)


def compare_nonoverlapping(
    r_jk: float, r_hm: float, r_jh: float, r_jm: float, r_kh: float, r_km: float, n: int, confidence: float = 0.95
) -> CorrelationDifference:
    """Two correlations of one sample that share no variable: Steiger's test, with Zou's interval for dependent ones.

    z = (artanh r_jk − artanh r_hm) √((n−3) / (2 − 2c)), where c is the correlation of the two coefficients with their
    mean in place of each (Steiger 1980, Psychological Bulletin 87, 245 to 251, equations 11 and 15).

    Args:
        r_jk: First correlation.
        r_hm: Second correlation.
        r_jh: Of the other pairs of variables, as the next three.
        r_jm: As named.
        r_kh: As named.
        r_km: As named.
        n: Of the sample.
        confidence: Of the interval.

    Raises:
        UndecidableError: n is below 4, or a correlation is −1 or 1.
    """
    for r in (r_jk, r_hm, r_jh, r_jm, r_kh, r_km):
        _check(r, n)
    between = (r_jh, r_jm, r_kh, r_km)
    mean = (r_jk + r_hm) / 2
    pooled = _correlation_of_coefficients(mean, mean, *between)
    if pooled >= 1 - 1e-12:
        raise UndecidableError("the two correlations rise and fall together")
    z = float((np.arctanh(r_jk) - np.arctanh(r_hm)) * np.sqrt((n - 3) / (2 - 2 * pooled)))
    return _difference(r_jk, n, r_hm, n, _correlation_of_coefficients(r_jk, r_hm, *between), z, "Steiger", confidence)


def compare_paired(
    x_1: ArrayLike, y_1: ArrayLike, x_2: ArrayLike, y_2: ArrayLike, confidence: float = 0.95
) -> CorrelationDifference:
    """Whether x and y correlate differently under two conditions in which the same units were measured.

    Args:
        x_1: Under the first condition, shape ``(n,)``.
        y_1: Likewise.
        x_2: Under the second condition, the same units in the same order.
        y_2: Likewise.
        confidence: Of the interval.

    Returns:
        Meng's test where x is the same under both, else Steiger's.

    Raises:
        UndecidableError: As for :func:`pearson`, or two of the four are multiples of each other.
    """
    _pairs(x_1, y_1)
    _pairs(x_2, y_2)
    values = np.stack([np.asarray(v, dtype=float) for v in (x_1, y_1, x_2, y_2)])
    r: Any = np.corrcoef(values)
    n = values.shape[1]
    if np.array_equal(values[0], values[2]):
        return compare_overlapping(r[0, 1], r[0, 3], r[1, 3], n, confidence)
    return compare_nonoverlapping(r[0, 1], r[2, 3], r[0, 2], r[0, 3], r[1, 2], r[1, 3], n, confidence)


def fisher_standard_error(n_1: int, n_2: int) -> float:
    """Standard error of the difference of two Fisher z of separate samples: √(1/(n₁−3) + 1/(n₂−3))."""
    return float(np.sqrt(1 / (n_1 - 3) + 1 / (n_2 - 3)))


def _difference(
    r_1: float, n_1: int, r_2: float, n_2: int, c: float, z: float, test: str, confidence: float
) -> CorrelationDifference:
    # Zou 2007, equations 15 (c = 0) and 16: the ends of each interval are moved over as variances are
    low_1, high_1 = fisher_interval(r_1, n_1, confidence)
    low_2, high_2 = fisher_interval(r_2, n_2, confidence)
    below, above = (r_1 - low_1, high_2 - r_2), (high_1 - r_1, r_2 - low_2)
    ends = [np.sqrt(a**2 + b**2 - 2 * c * a * b) for a, b in (below, above)]
    p = float(2 * stats.norm.sf(abs(z)))
    return CorrelationDifference(r_1 - r_2, float(r_1 - r_2 - ends[0]), float(r_1 - r_2 + ends[1]), z, p, test)


def _correlation_of_coefficients(r_jk: float, r_hm: float, r_jh: float, r_jm: float, r_kh: float, r_km: float) -> float:
    # Dunn and Clark 1969, Journal of the American Statistical Association 64, equation 9
    covariance = (
        0.5 * r_jk * r_hm * (r_jh**2 + r_jm**2 + r_kh**2 + r_km**2)
        + r_jh * r_km
        + r_jm * r_kh
        - (r_jk * r_jh * r_jm + r_jk * r_kh * r_km + r_jh * r_kh * r_hm + r_jm * r_km * r_hm)
    )
    return covariance / ((1 - r_jk**2) * (1 - r_hm**2))


def _r(x: NDArray[np.float64], y: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    over_x, over_y = x - x.mean(axis=axis, keepdims=True), y - y.mean(axis=axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            (over_x * over_y).sum(axis=axis) / np.sqrt((over_x**2).sum(axis=axis) * (over_y**2).sum(axis=axis))
        )


def _check(r: float, n: int) -> None:
    if not np.isfinite(r):
        raise UndecidableError("the correlation is no number")
    if abs(r) > 1:
        raise UndecidableError(f"a correlation lies between -1 and 1, not at {r:g}")
    if n < FEWEST:
        raise UndecidableError(f"needs at least {FEWEST} pairs, has {n}")
    if abs(r) > 1 - 1e-12:
        raise UndecidableError(f"the correlation is exactly {r:.0f}, and has no interval")


def _pairs(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
