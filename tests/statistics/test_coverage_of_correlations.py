"""How often 95% intervals of correlations hold the true one: ``pytest -m slow -s`` prints the table."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from patentlab.statistics.correlation import between_clusters, fisher_interval, spearman
from patentlab.statistics.correlation_difference import compare_independent, compare_paired

pytestmark = pytest.mark.slow

SIMULATIONS = 4000  # a share of 0.95 has a standard error of 0.0034

Interval = tuple[float, float]


def coverage(name: str, true: float, intervals: Iterable[Interval]) -> float:
    """Share of intervals that hold the true value; printed with the shares that lie below and above it."""
    low, high = np.array(list(intervals)).T
    covered = float(np.mean((low <= true) & (true <= high)))
    print(
        f"\n{name:70}covered {covered:.3f}  below {np.mean(high < true):.3f}  above {np.mean(low > true):.3f}", end="  "
    )
    print(f"width {np.mean(high - low):.2f}  of {len(low)}", end="")
    return covered


def normal(covariance: Any, n: int, simulations: int = SIMULATIONS, seed: int = 0) -> np.ndarray:
    """Samples of n, shape ``(simulations, variables, n)``; a number is the correlation of two variables."""
    if np.isscalar(covariance):
        covariance = [[1, covariance], [covariance, 1]]
    root = np.linalg.cholesky(np.asarray(covariance, dtype=float))
    return np.asarray(root @ np.random.default_rng(seed).normal(size=(simulations, len(root), n)))


def heavy(rho: float, n: int, degrees: int = 3) -> np.ndarray:
    """Pairs of bivariate t, whose tails are heavy and come together: a normal pair over one common scale."""
    scale = np.sqrt(np.random.default_rng(1).chisquare(degrees, size=(SIMULATIONS, 1, n)) / degrees)
    return normal(rho, n) / scale


def correlation(pairs: np.ndarray) -> np.ndarray:
    over = pairs - pairs.mean(axis=-1, keepdims=True)
    over /= np.sqrt((over**2).sum(axis=-1, keepdims=True))
    return np.asarray((over[:, 0] * over[:, 1]).sum(axis=-1))


def fisher(pairs: np.ndarray) -> list[Interval]:
    return [fisher_interval(r, pairs.shape[-1]) for r in correlation(pairs)]


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("n", [6, 10, 14, 30])
def test_fishers_interval_of_normal_pairs(n: int, rho: float):
    # it is promised from about ten pairs on, and holds of six
    assert 0.93 < coverage(f"Fisher, n = {n}, rho = {rho}", rho, fisher(normal(rho, n))) < 0.97


@pytest.mark.parametrize(("rho_1", "rho_2"), [(0.0, 0.0), (0.9, -0.7), (0.5, 0.3)])
@pytest.mark.parametrize("n", [10, 14])
def test_zous_interval_of_separate_samples(n: int, rho_1: float, rho_2: float):
    first, second = (correlation(normal(rho, n, seed=seed)) for seed, rho in enumerate((rho_1, rho_2)))
    found = [compare_independent(one, n, other, n) for one, other in zip(first, second, strict=True)]
    covered = coverage(
        f"Zou, separate, n = {n} each, rho = {rho_1} and {rho_2}", rho_1 - rho_2, ((d.low, d.high) for d in found)
    )
    assert 0.93 < covered < 0.97
    rejected = np.mean([d.p <= 0.05 for d in found])
    print(f"  p <= 0.05 in {rejected:.3f}", end="")
    if rho_1 == rho_2:
        assert 0.03 < rejected < 0.07


OVERLAPPING = {
    "weak": [[1, 0.5, 0.3], [0.5, 1, 0.6], [0.3, 0.6, 1]],
    "equal": [[1, 0.5, 0.5], [0.5, 1, 0.4], [0.5, 0.4, 1]],
    "opposite": [[1, 0.9, -0.7], [0.9, 1, -0.6], [-0.7, -0.6, 1]],
}
NOT_OVERLAPPING = {
    "weak": [[1, 0.5, 0.7, 0.2], [0.5, 1, 0.3, 0.6], [0.7, 0.3, 1, 0.3], [0.2, 0.6, 0.3, 1]],
    "equal": [[1, 0.5, 0.6, 0.3], [0.5, 1, 0.3, 0.6], [0.6, 0.3, 1, 0.5], [0.3, 0.6, 0.5, 1]],
    "opposite": [[1, 0.9, 0.5, -0.4], [0.9, 1, 0.4, -0.3], [0.5, 0.4, 1, -0.7], [-0.4, -0.3, -0.7, 1]],
}


@pytest.mark.parametrize("name", ["weak", "equal", "opposite"])
@pytest.mark.parametrize("n", [10, 14])
@pytest.mark.parametrize("overlap", [True, False])
def test_zous_interval_of_dependent_samples(overlap: bool, n: int, name: str):
    covariance = np.array((OVERLAPPING if overlap else NOT_OVERLAPPING)[name])
    samples = normal(covariance, n)
    if overlap:
        samples, true = samples[:, [0, 1, 0, 2]], covariance[0, 1] - covariance[0, 2]
    else:
        true = covariance[0, 1] - covariance[2, 3]
    found = [compare_paired(*sample) for sample in samples]
    kind = "x in common" if overlap else "one sample"
    covered = coverage(f"Zou, {kind}, n = {n}, {name}, true {true:.1f}", true, ((d.low, d.high) for d in found))
    rejected = np.mean([d.p <= 0.05 for d in found])
    print(f"  {found[0].test} p <= 0.05 in {rejected:.3f}", end="")
    assert 0.93 < covered < 0.97
    if name == "equal":
        assert 0.03 < rejected < 0.07


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_spearmans_interval_of_normal_pairs(rho: float):
    true = 6 / np.pi * np.arcsin(rho / 2)
    found = [spearman(*pair) for pair in normal(rho, 14)]
    intervals = [(one.low, one.high) for one in found if abs(one.r) < 1]  # others have none
    assert 0.93 < coverage(f"Spearman, n = 14, rho = {true:.2f}", true, intervals) < 0.97


def clustered(clusters: int, size: int, rho: float, share: float) -> np.ndarray:
    """Normal pairs, of whose variance clusters have a share, with the same correlation between them and within."""
    between = np.repeat(normal(rho, clusters), size, axis=-1)
    return np.asarray(np.sqrt(share) * between + np.sqrt(1 - share) * normal(rho, clusters * size, seed=1))


@pytest.mark.parametrize("rho", [0.0, 0.5])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("clusters", [6, 8, 14])
def test_clusters_for_pairs_cover_where_fishers_interval_of_pairs_does_not(clusters: int, share: float, rho: float):
    samples, names = clustered(clusters, 4, rho, share), np.repeat(np.arange(clusters), 4)
    found = (between_clusters(x, y, names) for x, y in samples[: SIMULATIONS // 4])
    case = f"{clusters} clusters of 4 pairs, {share} of variance, rho = {rho}"
    together = coverage(f"means of clusters, {case}", rho, ((one.low, one.high) for one in found))
    apart = coverage(f"Fisher, {case}", rho, fisher(samples))
    assert together > 0.93
    assert apart < 0.90 or share == 0


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_fishers_interval_fails_of_tails_that_come_together_and_the_more_so_the_more_pairs(rho: float):
    sizes = (14, 30, 100)
    few, more, many = (
        coverage(f"Fisher, bivariate t of 3 degrees, n = {n}, rho = {rho}", rho, fisher(heavy(rho, n))) for n in sizes
    )
    assert 0.75 < few < 0.85
    assert many < more < few


@pytest.mark.parametrize("n", [14, 30])
def test_fishers_interval_bears_heavy_tails_of_independent_variables(n: int):
    pairs = np.random.default_rng(0).standard_t(3, size=(SIMULATIONS, 2, n))
    assert 0.93 < coverage(f"Fisher, independent t of 3 degrees, n = {n}", 0.0, fisher(pairs)) < 0.97
