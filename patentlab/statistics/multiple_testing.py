"""p-values of families of tests, adjusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from patentlab.statistics.arrays import CHUNK, Floats
from patentlab.statistics.undecidable import UndecidableError

_MOST_MEANS = 100


def holm(p: ArrayLike) -> Floats:
    """p-values adjusted for the family-wise error rate (Holm 1979, Scandinavian Journal of Statistics 6, 65 to 70).

    Args:
        p: Shape ``(tests,)``; NaN for a test that could not be made, which does not count in the family.

    Returns:
        In the order of ``p``, with its NaN.

    Raises:
        ValueError: A value is not between 0 and 1.
    """
    adjusted, made = _family(p)
    values = adjusted[made]
    order = np.argsort(values)
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    values[order] = np.minimum(steps, 1)
    adjusted[made] = values
    return adjusted


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """p-values adjusted for the false discovery rate (Benjamini and Hochberg 1995).

    It holds for tests that are independent or positively dependent (Benjamini and Yekutieli 2001).

    Args:
        p: As for :func:`holm`.

    Returns:
        In the order of ``p``, with its NaN.

    Raises:
        ValueError: A value is not between 0 and 1.
    """
    adjusted, made = _family(p)
    if made.any():
        adjusted[made] = stats.false_discovery_control(adjusted[made], method="bh")
    return adjusted


def max_t_quantile(values: ArrayLike, confidence: float = 0.95, draws: int = 4_000, seed: int = 0) -> float:
    """What the largest |t| of means over the same seeds stays below: the half width of simultaneous intervals.

    By a parametric bootstrap (Westfall and Young 1993): normal values with the correlations of the given ones, which
    are shrunk towards zero by 1 / (n − 1), as so few seeds say little of them. In simulations of 3 to 10 seeds and 6 to
    24 means the largest stays below as often as promised, whatever the correlation; without shrinking it does in 89% at
    three seeds. It is at most Bonferroni's quantile; of more than a hundred means it is that one, which is as wide
    nearly, and takes no bootstrap.

    Args:
        values: Shape ``(seeds, means)``, of which none is constant.
        confidence: Of all intervals together.
        draws: Of the bootstrap.
        seed: Of the draws.

    Returns:
        The quantile: intervals are mean ± quantile × standard error.

    Raises:
        UndecidableError: Fewer than two seeds, or missing values.
    """
    table = np.asarray(values, dtype=np.float64)
    n, means = table.shape
    if n < 2 or not np.isfinite(table).all():
        raise UndecidableError("simultaneous intervals need the same 2 seeds or more of every mean")
    bonferroni = float(stats.t.isf((1 - confidence) / 2 / means, n - 1))
    if means == 1 or means > _MOST_MEANS:
        return bonferroni
    unit = (table - table.mean(axis=0)) / table.std(axis=0, ddof=1) / np.sqrt(n - 1)
    generator, shrink = np.random.default_rng(seed), 1 / (n - 1)
    largest = np.empty(draws)
    size = max(1, CHUNK // (32 * n * means))
    for start in range(0, draws, size):
        drawn = min(size, draws - start)
        common = generator.normal(size=(drawn, n, n)) @ unit
        sample = np.sqrt(1 - shrink) * common + np.sqrt(shrink) * generator.normal(size=(drawn, n, means))
        t = sample.mean(axis=1) / sample.std(axis=1, ddof=1) * np.sqrt(n)
        largest[start : start + drawn] = np.abs(t).max(axis=1)
    return min(bonferroni, float(np.quantile(largest, confidence)))


def _family(p: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    values = np.array(p, dtype=np.float64)
    made = ~np.isnan(values)
    if values.ndim != 1 or np.any((values[made] < 0) | (values[made] > 1)):
        raise ValueError("p-values are a list of numbers between 0 and 1")
    return values, made
