"""Scores of many runs and tasks as one number with an interval.

Agarwal et al. 2021: Deep reinforcement learning at the edge of the statistical precipice, NeurIPS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from patentlab.statistics.arrays import FEWEST, Floats
from patentlab.statistics.undecidable import UndecidableError


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval.

    Attributes:
        estimate: Of the values as they are.
        low: Lower end.
        high: Upper end.
        dropped: Resamples that gave no number, which the interval is without.
    """

    estimate: float
    low: float
    high: float
    dropped: int = 0


def interquartile_mean(scores: ArrayLike) -> float:
    """Mean of the middle half of all scores (Agarwal et al. 2021, section 4.3).

    Of n scores the floor(n / 4) lowest and as many of the highest are left out.

    Args:
        scores: Any shape, as ``(runs, tasks)``.

    Raises:
        UndecidableError: Fewer than four scores, or missing ones.
    """
    values = _numbers(scores).ravel()
    _enough(len(values), "scores")
    return float(stats.trim_mean(values, 0.25))


def probability_of_improvement(first: ArrayLike, second: ArrayLike) -> float:
    """How likely a run of the first scores above one of the second, as a mean over tasks (Agarwal et al. 2021).

    Of a task it is the Mann-Whitney U over the number of pairs of runs, ties as halves.

    Args:
        first: Shape ``(runs, tasks)``.
        second: Shape ``(other runs, tasks)``.

    Returns:
        From 0 to 1; 0.5 where neither is better.

    Raises:
        ValueError: Tasks differ in number, or the shapes are not those.
        UndecidableError: There are no runs or tasks, or scores are missing.
    """
    return _mean_superiority(*_two_samples(first, second))


def stratified_bootstrap(
    scores: ArrayLike,
    statistic: Callable[[Floats], float],
    resamples: int = 2_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a statistic of runs × tasks, runs resampled within each task (Agarwal et al. 2021).

    It speaks of other runs of these tasks. Of the few runs that one has it comes out somewhat too narrow: of a mean
    over n runs by about √((n − 1) / n).

    Args:
        scores: Shape ``(runs, tasks)``.
        statistic: Of an array like ``scores``, such as :func:`interquartile_mean`.
        resamples: Of the bootstrap.
        confidence: Of the interval.
        seed: Of the resamples.

    Raises:
        ValueError: The shape is not that.
        UndecidableError: Fewer than two runs or four scores, missing scores, or runs that do not vary; or the statistic
            is undecidable.
    """
    values = _runs(scores)
    generator = np.random.default_rng(seed)
    return _percentile(
        float(statistic(values)), [statistic(_draw(values, generator)) for _ in range(resamples)], confidence
    )


def bootstrap_probability_of_improvement(
    first: ArrayLike, second: ArrayLike, resamples: int = 2_000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """:func:`probability_of_improvement` with the interval of :func:`stratified_bootstrap`.

    The runs of both are resampled within each task, independently of each other.

    Args:
        first: Shape ``(runs, tasks)``.
        second: Shape ``(other runs, tasks)``.
        resamples: Of the bootstrap.
        confidence: Of the interval.
        seed: Of the resamples.

    Raises:
        ValueError: As for :func:`probability_of_improvement`.
        UndecidableError: As for :func:`stratified_bootstrap`, of either; or all runs of the one are above those of the
            other in every task, which no resample changes.
    """
    a, b = _two_samples(first, second)
    a, b = _runs(a), _runs(b)
    generator = np.random.default_rng(seed)
    values = [_mean_superiority(_draw(a, generator), _draw(b, generator)) for _ in range(resamples)]
    return _percentile(_mean_superiority(a, b), values, confidence)


def t_interval(values: ArrayLike, confidence: float = 0.95, overlap: float = 0.0) -> Interval:
    """Mean with Student's t interval, as of a few seeds.

    Args:
        values: Shape ``(n,)``.
        confidence: Of the interval.
        overlap: As of :func:`standard_error`.

    Raises:
        UndecidableError: Fewer than two values, missing ones, or values that do not vary.
    """
    sample = _sample(values, 2)
    half = float(stats.t.ppf((1 + confidence) / 2, len(sample) - 1)) * standard_error(sample, overlap)
    return Interval(float(sample.mean()), float(sample.mean()) - half, float(sample.mean()) + half)


def t_test_p(values: ArrayLike, mean: float = 0.0, overlap: float = 0.0) -> float:
    """Two-sided p of the t test that :func:`t_interval` goes with.

    Args:
        values: Shape ``(n,)``.
        mean: Under the hypothesis.
        overlap: As of :func:`standard_error`.

    Raises:
        UndecidableError: As for :func:`t_interval`.
    """
    sample = _sample(values, 2)
    return float(2 * stats.t.sf(abs(sample.mean() - mean) / standard_error(sample, overlap), len(sample) - 1))


def standard_error(values: ArrayLike, overlap: float = 0.0) -> float:
    """Of a mean over splits of one corpus: the corrected resampled one (Nadeau and Bengio 2003, Machine Learning 52).

    It is s √(1/n + ρ/(1 − ρ)), with ρ the correlation of scores of two splits. Nadeau and Bengio take the share of
    test documents in the corpus for ρ, which suits training sets of all the rest; where these are smaller than the test
    set, their own share is what scores have in common (docs/statistics.md has the coverage of both).

    Args:
        values: Shape ``(n,)``.
        overlap: ρ, from 0 (of splits with nothing in common) to below 1.
    """
    sample = np.asarray(values, dtype=np.float64)
    return float(sample.std(ddof=1) * np.sqrt(1 / len(sample) + overlap / (1 - overlap)))


def cluster_means(values: ArrayLike, clusters: ArrayLike) -> Floats:
    """The mean of each cluster, in the order of their first values: what is independent where clusters are.

    Args:
        values: Shape ``(n,)``.
        clusters: Shape ``(n,)``: what each belongs to, as the generator of a corpus.

    Returns:
        Shape ``(clusters,)``.

    Raises:
        ValueError: Shapes differ.
        UndecidableError: Fewer than four clusters, missing values or clusters.
    """
    sample = _numbers(values)
    of = np.asarray(clusters).tolist()
    if len(of) != len(sample):
        raise ValueError(f"{len(sample)} values, and clusters of {len(of)}")
    if any(cluster is None or cluster != cluster for cluster in of):
        raise UndecidableError("the clusters of some values are missing")
    # numbered as they first appear
    names = {cluster: number for number, cluster in enumerate(dict.fromkeys(of))}
    _enough(len(names), "clusters")
    numbers = np.array([names[cluster] for cluster in of])
    return np.asarray(np.bincount(numbers, sample) / np.bincount(numbers), dtype=np.float64)


def _percentile(estimate: float, resampled: list[float], confidence: float) -> Interval:
    """Percentile interval of the resamples that gave a number."""
    values = np.asarray(resampled, dtype=np.float64)
    decided = values[np.isfinite(values)]
    if not np.isfinite(estimate):
        raise UndecidableError("the statistic is not a number")
    if 2 * len(decided) < len(values):
        raise UndecidableError(f"{len(values) - len(decided)} of {len(values)} resamples give no number")
    if np.ptp(decided) == 0:
        raise UndecidableError("the statistic does not vary over resamples")
    low, high = np.quantile(decided, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(estimate, float(low), float(high), len(values) - len(decided))


def _draw(scores: Floats, generator: np.random.Generator) -> Floats:
    """Runs resampled within each task."""
    return np.take_along_axis(scores, generator.integers(len(scores), size=scores.shape), axis=0)


def _mean_superiority(first: Floats, second: Floats) -> float:
    above, below = first[:, None] > second, first[:, None] < second
    return float((1 + above.mean() - below.mean()) / 2)


def _two_samples(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    a, b = _numbers(first), _numbers(second)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"scores have the shapes (runs, tasks), with the same tasks, not {a.shape} and {b.shape}")
    if 0 in a.shape + b.shape:
        raise UndecidableError("needs at least 1 run and 1 task")
    return a, b


def _runs(scores: ArrayLike) -> Floats:
    values = _numbers(scores)
    if values.ndim != 2:
        raise ValueError(f"scores have the shape (runs, tasks), not {values.shape}")
    if len(values) < 2:
        raise UndecidableError(f"needs at least 2 runs, has {len(values)}")
    _enough(values.size, "scores")
    if not np.ptp(values, axis=0).any():
        raise UndecidableError("the runs do not vary")
    return values


def _sample(values: ArrayLike, fewest: int) -> Floats:
    sample = _numbers(values)
    if sample.ndim != 1:
        raise ValueError(f"values have the shape (n,), not {sample.shape}")
    _enough(len(sample), "values", fewest)
    # 3 × 0.1 and 0.3 are one value
    if np.ptp(sample) <= 8 * np.finfo(np.float64).eps * np.abs(sample).max():
        raise UndecidableError("the values do not vary")
    return sample


def _numbers(values: ArrayLike) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise UndecidableError(f"{int(np.sum(~np.isfinite(numbers)))} of {numbers.size} values are missing")
    return numbers


def _enough(n: int, what: str, fewest: int = FEWEST) -> None:
    if n < fewest:
        raise UndecidableError(f"needs at least {fewest} {what}, has {n}")
