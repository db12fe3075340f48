"""What a planned matrix could show: smallest differences, and how many points or seeds a wanted one needs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from patentlab.statistics.correlation import FEWEST
from patentlab.statistics.correlation_difference import fisher_standard_error
from patentlab.statistics.undecidable import UndecidableError

LEVEL, POWER = 0.05, 0.8
_MOST = 1_000_000


def correlation_power(r_1: float, n_1: int, r_2: float, n_2: int, level: float = LEVEL) -> float:
    """Probability that Fisher's two-sided test tells two correlations of separate samples apart.

    Args:
        r_1: True correlation under the first condition.
        n_1: Its points.
        r_2: Under the second.
        n_2: Its points.
        level: Of the test.

    Returns:
        Power, by the normal approximation (Cohen 1988, section 4.2).
    """
    _enough(n_1, n_2)
    shift = (np.arctanh(r_1) - np.arctanh(r_2)) / fisher_standard_error(n_1, n_2)
    critical = stats.norm.isf(level / 2)
    return float(stats.norm.sf(critical - shift) + stats.norm.cdf(-critical - shift))


def smallest_correlation_difference(
    n_1: int, n_2: int, around: float = 0.0, level: float = LEVEL, power: float = POWER
) -> float:
    """The smallest Δr that Fisher's test would find with this power.

    On the scale of Fisher's z it is the same everywhere; on that of r it is largest around zero.

    Args:
        n_1: Points of the first condition.
        n_2: Points of the second.
        around: Correlation in the middle, on the scale of z, between the two.
        level: Of the test, two-sided.
        power: Wanted.

    Returns:
        Δr, between 0 and 2.

    Raises:
        UndecidableError: An n is below 4.
    """
    _enough(n_1, n_2)
    half = (stats.norm.isf(level / 2) + stats.norm.ppf(power)) * fisher_standard_error(n_1, n_2) / 2
    middle = np.arctanh(around)
    return float(np.tanh(middle + half) - np.tanh(middle - half))


def points_for_correlation(r: float, level: float = LEVEL, power: float = POWER) -> int:
    """Independent points that a correlation needs to be told from none.

    Raises:
        UndecidableError: It is zero, or −1 or 1.
    """
    if r == 0 or not abs(r) < 1:
        raise UndecidableError("correlations of 0 and ±1 need no number of points")
    wanted = (stats.norm.isf(level / 2) + stats.norm.ppf(power)) / abs(np.arctanh(r))
    return max(int(np.ceil(wanted**2 + 3)), FEWEST)


def points_for_correlations(r_1: float, r_2: float, level: float = LEVEL, power: float = POWER) -> int:
    """Points that each of two conditions needs for Fisher's test to tell these correlations apart.

    Raises:
        UndecidableError: The correlations are equal.
    """
    if r_1 == r_2:
        raise UndecidableError("equal correlations cannot be told apart by any number of points")
    wanted = (stats.norm.isf(level / 2) + stats.norm.ppf(power)) / abs(np.arctanh(r_1) - np.arctanh(r_2))
    return max(int(np.ceil(2 * wanted**2 + 3)), FEWEST)


def sd_interval(sd: float, freedom: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a standard deviation of normal values: three of them say it to a factor of twelve.

    Args:
        sd: Estimated.
        freedom: Its degrees of freedom: of n values n − 1.
        confidence: Of the interval.

    Raises:
        UndecidableError: There are no degrees of freedom, or no spread.
    """
    _spread(sd)
    if not freedom > 0:
        raise UndecidableError("needs at least 2 seeds, has 1")
    tail = (1 - confidence) / 2
    low, high = (sd * np.sqrt(freedom / stats.chi2.ppf(share, freedom)) for share in (1 - tail, tail))
    return float(low), float(high)


def pooled_sd(values: ArrayLike) -> tuple[float, float]:
    """Standard deviation over seeds, pooled over arms, with its degrees of freedom.

    Arms share seeds, so their variances are not independent: of k arms whose deviations correlate by r̄² on average
    (squared) k (n − 1) / (1 + (k − 1) r̄²) degrees of freedom are counted. Of few seeds r̄² is too large, and the
    intervals are on the wide side.

    Args:
        values: Shape ``(seeds, arms)``.

    Raises:
        UndecidableError: Fewer than two seeds, missing values, or no spread.
    """
    table = np.asarray(values, dtype=np.float64)
    if len(table) < 2:
        raise UndecidableError(f"needs at least 2 seeds, has {len(table)}")
    if not np.isfinite(table).all():
        raise UndecidableError("some values are missing")
    rest = table - table.mean(axis=0)
    rest = rest[:, rest.std(axis=0) > 1e-12 * np.abs(table).max()]
    arms = rest.shape[1]
    if arms == 0:
        raise UndecidableError("the differences do not vary between seeds")
    sd = float(np.sqrt((rest**2).sum() / (arms * (len(rest) - 1))))
    if arms == 1:
        return sd, float(len(rest) - 1)
    squares = np.corrcoef(rest.T) ** 2
    common = (squares.sum() - arms) / (arms * (arms - 1))
    return sd, float(arms * (len(rest) - 1) / (1 + (arms - 1) * common))


def smallest_mean_differences(
    sd: float, freedom: float, n: int, level: float = LEVEL, power: float = POWER, overlap: float = 0.0
) -> tuple[float, float]:
    """The interval in which :func:`smallest_mean_difference` lies, of a standard deviation that is estimated.

    Args:
        sd: As of :func:`pooled_sd`.
        freedom: Its degrees of freedom.
        n: Seeds.
        level: Of the test.
        power: Wanted.
        overlap: Of splits, as of :func:`patentlab.statistics.aggregation.standard_error`.
    """
    wider = np.sqrt(1 + n * overlap / (1 - overlap))
    low, high = sd_interval(sd, freedom)
    return tuple(smallest_mean_difference(one * wider, n, level, power) for one in (low, high))  # type: ignore[return-value]


def mean_power(difference: float, sd: float, n: int, level: float = LEVEL) -> float:
    """Power of the two-sided paired t test: n differences with this mean and standard deviation.

    Args:
        difference: True mean, as of a gain in F1 over seeds.
        sd: Standard deviation of the differences between seeds.
        n: Seeds.
        level: Of the test.

    Returns:
        Power, by the noncentral t distribution.

    Raises:
        UndecidableError: Fewer than two differences, or none that vary.
    """
    _spread(sd)
    if n < 2:
        raise UndecidableError(f"needs at least 2 seeds, has {n}")
    critical, shift = stats.t.isf(level / 2, n - 1), abs(difference) / sd * np.sqrt(n)
    power = float(stats.nct.sf(critical, n - 1, shift))
    # a rejection on the wrong side: below 1e-7 from there on, and soon no number in scipy
    return power + float(stats.nct.cdf(-critical, n - 1, shift)) if shift < 5 else power


def smallest_mean_difference(sd: float, n: int, level: float = LEVEL, power: float = POWER) -> float:
    """The smallest mean difference that the paired t test would find with this power; in the unit of ``sd``."""
    mean_power(0.0, sd, n, level)
    return sd * _smallest_in_sds(n, level, power)


@lru_cache(maxsize=1_000)
def _smallest_in_sds(n: int, level: float, power: float) -> float:
    """In units of the standard deviation, where the numbers are of order one."""
    upper = 2.0
    while mean_power(upper, 1.0, n, level) < power:
        upper *= 2
    return float(optimize.brentq(lambda d: mean_power(d, 1.0, n, level) - power, 0.0, upper, xtol=1e-10))


def seeds_for_difference(difference: float, sd: float, level: float = LEVEL, power: float = POWER) -> int:
    """Seeds that the paired t test needs to find a mean difference with this power.

    Raises:
        UndecidableError: The difference is zero, or needs more than a million seeds.
    """
    _spread(sd)
    if difference == 0:
        raise UndecidableError("a difference of zero cannot be found by any number of seeds")
    if mean_power(difference, sd, _MOST, level) < power:
        raise UndecidableError(f"needs more than {_MOST:,} seeds")
    low, high = 1, 2
    while mean_power(difference, sd, high, level) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if mean_power(difference, sd, middle, level) >= power else (middle, high)
    return high


def _enough(*sizes: int) -> None:
    if min(sizes) < FEWEST:
        raise UndecidableError(f"needs at least {FEWEST} points in each, has {min(sizes)}")


def _spread(sd: float) -> None:
    if not sd > 0:
        raise UndecidableError("the differences do not vary between seeds")
