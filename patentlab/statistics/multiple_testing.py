"""p-values of families of tests, adjusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from patentlab.statistics.arrays import Floats


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


def _family(p: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    values = np.array(p, dtype=np.float64)
    made = ~np.isnan(values)
    if values.ndim != 1 or np.any((values[made] < 0) | (values[made] > 1)):
        raise ValueError("p-values are a list of numbers between 0 and 1")
    return values, made
