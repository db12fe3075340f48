"""Tests of paired observations: two classifiers on the same documents, differences to twins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from patentlab.statistics.arrays import booleans
from patentlab.statistics.undecidable import UndecidableError


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two classifiers.

    Attributes:
        only_first: Documents that only the first has right.
        only_second: Documents that only the second has right.
        p_exact: Two-sided, of the exact conditional test, which keeps its level.
        p_mid: Two-sided mid-p: more powerful, and in practice within its level too.
    """

    only_first: int
    only_second: int
    p_exact: float
    p_mid: float


def subset_correct(true: ArrayLike, predicted: ArrayLike) -> NDArray[np.bool_]:
    """Which documents have exactly their true labels: what subset accuracy is the mean of.

    Args:
        true: Boolean, shape ``(documents, labels)``.
        predicted: As ``true``.

    Returns:
        Shape ``(documents,)``.

    Raises:
        ValueError: Shapes differ, or values are not boolean.
        UndecidableError: Values are missing.
    """
    first, second = booleans(true, predicted, dimensions=2)
    return np.asarray((first == second).all(axis=1))


def mcnemar(first: ArrayLike, second: ArrayLike) -> McNemar:
    """McNemar's exact conditional test, and its mid-p version.

    Of the n documents that one classifier alone has right, those of the first are Binomial(n, 1/2) where both are
    right equally often (McNemar 1947). Mid-p is the exact p without the probability f of what was observed, and
    1 − f / 2 where both counts are equal (Fagerland, Lydersen and Laake 2013, BMC Medical Research Methodology 13:91).

    Args:
        first: What the first classifier has right, boolean, shape ``(documents,)``.
        second: The same of the second.

    Returns:
        Counts and p-values; these are 1 where no document tells the two apart.

    Raises:
        ValueError: Shapes differ, or values are not boolean.
        UndecidableError: There are no documents, or values are missing.
    """
    a, b = booleans(first, second, dimensions=1)
    if len(a) == 0:
        raise UndecidableError("needs at least 1 document, has 0")
    only_first, only_second = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    discordant = only_first + only_second
    if discordant == 0:
        return McNemar(0, 0, 1.0, 1.0)
    p_exact = float(stats.binomtest(only_first, discordant, 0.5).pvalue)
    observed = float(stats.binom.pmf(only_first, discordant, 0.5))
    p_mid = 1 - observed / 2 if only_first == only_second else p_exact - observed
    return McNemar(only_first, only_second, p_exact, p_mid)
