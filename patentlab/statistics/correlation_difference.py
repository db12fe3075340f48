"""Whether two correlations differ: tests, and Zou's interval on their difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from patentlab.statistics.correlation import check_correlation, checked_pairs
from patentlab.statistics.undecidable import UndecidableError


@dataclass(frozen=True)
class CorrelationDifference:
    """Two correlations beside each other.

    Attributes:
        difference: First minus second.
        low: Lower end of Zou's interval on the difference.
        high: Upper end.
        z: Of the test that there is none.
        p: Two-sided, of that test; of Steiger's, which has half its level at ten units and fewer, that of the interval.
        p_interval: Two-sided, of the interval: one of confidence 1 − p ends at zero.
        test: Its name.
    """

    difference: float
    low: float
    high: float
    z: float
    p: float
    p_interval: float
    test: str


def compare_independent(r_1: float, n_1: int, r_2: float, n_2: int, confidence: float = 0.95) -> CorrelationDifference:
    """Fisher's z test of two correlations of separate samples, with Zou's interval on their difference.

    z = (artanh r₁ − artanh r₂) / √(1/(n₁−3) + 1/(n₂−3)); the interval is Zou's (2007, Psychological Methods 12, 399 to
    413, equation 15).

    Raises:
        UndecidableError: An n is below 4, or an r is −1 or 1.
    """
    check_correlation(r_1, n_1)
    check_correlation(r_2, n_2)
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
        check_correlation(r, n)
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

    Where the two disagree the interval is right: p is read off it. z = (artanh r_jk − artanh r_hm) √((n−3) / (2 − 2c)),
    where c is the correlation of the two coefficients with their
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
        check_correlation(r, n)
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
    checked_pairs(x_1, y_1)
    checked_pairs(x_2, y_2)
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
    below, above = _zou(r_1, n_1, r_2, n_2, c, float(stats.norm.ppf((1 + confidence) / 2)))
    p_interval = _p_of_interval(r_1, n_1, r_2, n_2, c)
    p = p_interval if test == "Steiger" else float(2 * stats.norm.sf(abs(z)))
    return CorrelationDifference(r_1 - r_2, r_1 - r_2 - below, r_1 - r_2 + above, z, p, p_interval, test)


def _zou(r_1: float, n_1: int, r_2: float, n_2: int, c: float, quantile: float) -> tuple[float, float]:
    """How far the interval reaches below and above the difference, for a quantile of the normal distribution."""
    # Zou 2007, equations 15 (c = 0) and 16: the ends of each interval are moved over as variances are
    (low_1, high_1), (low_2, high_2) = (
        (np.tanh(np.arctanh(r) - quantile / np.sqrt(n - 3)), np.tanh(np.arctanh(r) + quantile / np.sqrt(n - 3)))
        for r, n in ((r_1, n_1), (r_2, n_2))
    )
    below, above = (r_1 - low_1, high_2 - r_2), (high_1 - r_1, r_2 - low_2)
    return (
        float(np.sqrt(below[0] ** 2 + below[1] ** 2 - 2 * c * below[0] * below[1])),
        float(np.sqrt(above[0] ** 2 + above[1] ** 2 - 2 * c * above[0] * above[1])),
    )


def _p_of_interval(r_1: float, n_1: int, r_2: float, n_2: int, c: float) -> float:
    difference = r_1 - r_2
    if difference == 0:
        return 1.0
    toward = 0 if difference > 0 else 1  # the end on the side of zero

    def beyond(quantile: float) -> float:
        return _zou(r_1, n_1, r_2, n_2, c, quantile)[toward] - abs(difference)

    highest = 40.0  # of which p is zero in double precision
    if beyond(highest) < 0:
        return 0.0
    return float(2 * stats.norm.sf(optimize.brentq(beyond, 0.0, highest)))


def _correlation_of_coefficients(r_jk: float, r_hm: float, r_jh: float, r_jm: float, r_kh: float, r_km: float) -> float:
    # Dunn and Clark 1969, Journal of the American Statistical Association 64, equation 9
    covariance = (
        0.5 * r_jk * r_hm * (r_jh**2 + r_jm**2 + r_kh**2 + r_km**2)
        + r_jh * r_km
        + r_jm * r_kh
        - (r_jk * r_jh * r_jm + r_jk * r_kh * r_km + r_jh * r_kh * r_hm + r_jm * r_km * r_hm)
    )
    return covariance / ((1 - r_jk**2) * (1 - r_hm**2))
