"""What a planned matrix could show: smallest differences, and how many points or seeds a wanted one needs."""

from __future__ import annotations

import numpy as np
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


def points_for_correlations(r_1: float, r_2: float, level: float = LEVEL, power: float = POWER) -> int:
    """Points that each of two conditions needs for Fisher's test to tell these correlations apart.

    Raises:
        UndecidableError: The correlations are equal.
    """
    if r_1 == r_2:
        raise UndecidableError("equal correlations cannot be told apart by any number of points")
    wanted = (stats.norm.isf(level / 2) + stats.norm.ppf(power)) / abs(np.arctanh(r_1) - np.arctanh(r_2))
    return max(int(np.ceil(2 * wanted**2 + 3)), FEWEST)


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
    # in units of the standard deviation, where the numbers are of order one
    upper = 2.0
    while mean_power(upper, 1.0, n, level) < power:
        upper *= 2
    return sd * float(optimize.brentq(lambda d: mean_power(d, 1.0, n, level) - power, 0.0, upper, xtol=1e-10))


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
