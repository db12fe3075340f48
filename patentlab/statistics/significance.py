"""Tests of paired observations: two classifiers on the same documents, differences to twins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from patentlab.statistics.arrays import CHUNK, FEWEST, booleans
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


def paired_permutation(
    differences: ArrayLike, clusters: ArrayLike | None = None, resamples: int = 9_999, seed: int = 0
) -> float:
    """Two-sided p of a mean of paired differences, by flips of their signs (Fisher 1935, section 21).

    Where no cluster is better than its twin, each sign was as likely to be the other. All flips are enumerated where
    they are as few as ``resamples``; otherwise p is (1 + flips as extreme) / (1 + flips), per side and doubled
    (Phipson and Smyth 2010).

    Args:
        differences: Shape ``(n,)``.
        clusters: Shape ``(n,)``, the cluster of each difference; the signs of a cluster flip together. None for
            differences that are independent.
        resamples: Flips.
        seed: Of the flips.

    Returns:
        At least 2 / 2ᵏ with k differences or clusters.

    Raises:
        ValueError: Shapes differ.
        UndecidableError: Fewer than four differences or clusters, missing values, or all of them are zero.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"differences have the shape (n,), not {values.shape}")
    if not np.isfinite(values).all():
        raise UndecidableError("differences are missing")
    what = "pairs"
    if clusters is not None:
        what, of = "clusters", np.asarray(clusters)
        if of.shape != values.shape:
            raise ValueError(f"{len(values)} differences, and clusters of the shape {of.shape}")
        if any(cluster is None or cluster != cluster for cluster in of.tolist()):
            raise UndecidableError("the clusters of some differences are missing")
        # a mean of clusters that flip as a whole depends on their sums alone
        values = np.bincount(np.unique(of, return_inverse=True)[1], weights=values).astype(np.float64)
    if len(values) < FEWEST:
        raise UndecidableError(f"needs at least {FEWEST} {what}, has {len(values)}")
    if not values.any():
        raise UndecidableError("the differences are all zero")
    found = stats.permutation_test(
        (values,),
        np.sum,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, CHUNK // (8 * len(values))),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)
