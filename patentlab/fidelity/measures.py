"""How close synthetic documents are to real ones: measures on arrays and texts, with numpy and scipy alone."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from scipy.stats import norm

Vectors = NDArray[np.floating]
"""Shape ``(documents, width)``."""


def median_bandwidth(reference: Vectors) -> float:
    """The median heuristic: the median distance between different vectors of a sample (Gretton et al. 2012, section 8).

    Args:
        reference: At least two vectors.

    Returns:
        A distance, of the kernel exp(−d² / 2σ²) the σ.

    Raises:
        ValueError: Fewer than two vectors, or all are equal.
    """
    if len(reference) < 2:
        raise ValueError("a bandwidth needs two vectors at least")
    bandwidth = float(np.median(pdist(np.asarray(reference, dtype=np.float64))))
    if bandwidth == 0:
        raise ValueError("most vectors are equal, and the median distance is 0")
    return bandwidth


def rbf_kernel(first: Vectors, second: Vectors, bandwidth: float) -> NDArray[np.float64]:
    """exp(−|x − y|² / 2σ²), shape ``(first, second)``."""
    squared = cdist(np.asarray(first, np.float64), np.asarray(second, np.float64), "sqeuclidean")
    return np.asarray(np.exp(-squared / (2 * bandwidth**2)))


def mmd2(first: Vectors, second: Vectors, bandwidth: float) -> float:
    """Squared maximum mean discrepancy, the unbiased estimate (Gretton et al. 2012, lemma 6).

    Args:
        first: At least two vectors.
        second: At least two; how many changes the estimate's precision, and not what it estimates.
        bandwidth: Of the RBF kernel.

    Returns:
        About 0 for samples of one distribution, and then as often below as above.

    Raises:
        ValueError: Sizes are below two.
    """
    return _mmd2_of_kernel(_joint_kernel(first, second, bandwidth), _signs(len(first), len(second)))


def mmd2_test(
    first: Vectors, second: Vectors, bandwidth: float, permutations: int = 999, seed: int = 0
) -> tuple[float, float]:
    """The estimate of :func:`mmd2`, and the p-value of its permutation test.

    Args:
        first: At least two vectors.
        second: At least two.
        bandwidth: Of the RBF kernel; it must not depend on which sample a vector is in.
        permutations: How often the samples are dealt again.
        seed: Of the deals.

    Returns:
        The estimate, and (1 + the deals at least as extreme) / (1 + all deals), which is uniform for samples of one
        distribution (Phipson and Smyth 2010).

    Raises:
        ValueError: Sizes are below two.
    """
    kernel, signs = _joint_kernel(first, second, bandwidth), _signs(len(first), len(second))
    observed = _mmd2_of_kernel(kernel, signs)
    generator = np.random.default_rng(seed)
    dealt = []
    for _ in range(permutations):
        order = generator.permutation(len(signs))
        dealt.append(_mmd2_of_kernel(kernel, signs[np.argsort(order)]))  # the first of the order are the first sample
    # equal up to rounding is equal
    extreme = int(np.sum(np.asarray(dealt) >= observed - 1e-12))
    return observed, (1 + extreme) / (1 + permutations)


def mmd2_interval(first: Vectors, second: Vectors, bandwidth: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of :func:`mmd2` for other documents of both kinds: the jackknife of a two-sample U-statistic.

    (Arvesen 1969, Annals of Mathematical Statistics 40, 2076 to 2100.) Of samples of one distribution it is too wide,
    since the statistic is degenerate there; the permutation test is the one to ask about that.

    Args:
        first: At least three vectors.
        second: At least three.
        bandwidth: Of the RBF kernel.
        confidence: Of the interval.

    Returns:
        Its ends.

    Raises:
        ValueError: Sizes are below three.
    """
    if min(len(first), len(second)) < 3:
        raise ValueError(f"two samples of three vectors at least, not {len(first)} and {len(second)}")
    kernel, signs = _joint_kernel(first, second, bandwidth), _signs(len(first), len(second))
    estimate, variance = _mmd2_of_kernel(kernel, signs), 0.0
    for sign in (1, -1):
        own, other = np.flatnonzero(signs == sign), np.flatnonzero(signs == -sign)
        m, n = len(own), len(other)
        among, across = kernel[np.ix_(own, own)].sum(axis=1) - 1, kernel[np.ix_(own, other)].sum(axis=1)
        # the estimate without each vector, but for the part of the other sample alone
        without = (among.sum() - 2 * among) / ((m - 1) * (m - 2)) - 2 * (across.sum() - across) / ((m - 1) * n)
        variance += (m - 1) / m * float(((without - without.mean()) ** 2).sum())
    half = float(norm.ppf((1 + confidence) / 2) * np.sqrt(variance))
    return estimate - half, estimate + half


def frechet_distance(first: Vectors, second: Vectors) -> float:
    """Squared Fréchet distance of the Gaussians fitted to two samples (Heusel et al. 2017, eq. 6).

    With fewer vectors than dimensions the covariances are singular and the value is biased upwards; compare it only at
    equal sizes.

    Args:
        first: At least two vectors.
        second: At least two vectors.

    Returns:
        |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½).
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # of the symmetric form, whose root is real, with the same trace
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    middle = np.linalg.eigvalsh(root @ covariances[1] @ root)
    mean = a.mean(axis=0) - b.mean(axis=0)
    trace = np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.sqrt(np.clip(middle, 0, None)).sum()
    return float(mean @ mean + trace)


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Different word n-grams as a share of all, over all texts (Li et al. 2016). It falls as texts become more."""
    grams = Counter(gram for text in texts for gram in _grams(text, n))
    total = sum(grams.values())
    return len(grams) / total if total else 0.0


def self_overlap(texts: Sequence[str], n: int = 4) -> float:
    """The mean share of a text's word n-grams that some other text has: one order of self-BLEU, without its sampling.

    Args:
        texts: Two at least; with fewer it is 0.
        n: Words.

    Returns:
        From 0 to 1.
    """
    sets = [set(_grams(text, n)) for text in texts]
    counts = Counter(gram for grams in sets for gram in grams)
    shares = [sum(counts[gram] > 1 for gram in grams) / len(grams) for grams in sets if grams]
    return float(np.mean(shares)) if shares else 0.0


def compression_ratio(texts: Sequence[str]) -> float:
    """Bytes of all texts over their bytes after zlib: more where they repeat each other (Shaib et al. 2024)."""
    raw = "\n".join(texts).encode()
    return len(raw) / len(zlib.compress(raw, 9)) if raw else 0.0


def _joint_kernel(first: Vectors, second: Vectors, bandwidth: float) -> NDArray[np.float64]:
    if min(len(first), len(second)) < 2:
        raise ValueError(f"two samples of two vectors at least, not {len(first)} and {len(second)}")
    both = np.concatenate([first, second])
    return rbf_kernel(both, both, bandwidth)


def _signs(first: int, second: int) -> NDArray[np.int64]:
    """Which sample a vector is in: 1 or −1."""
    return np.repeat([1, -1], [first, second])


def _mmd2_of_kernel(kernel: NDArray[np.float64], signs: NDArray[np.int64]) -> float:
    own, other = (signs == 1).astype(np.float64), (signs == -1).astype(np.float64)
    to_own, to_other = kernel @ own, kernel @ other
    m, n = own.sum(), other.sum()
    within = (own @ to_own - m) / (m * (m - 1)) + (other @ to_other - n) / (n * (n - 1))
    return float(within - 2 * (own @ to_other) / (m * n))


def _grams(text: str, n: int) -> list[tuple[str, ...]]:
    words = text.casefold().split()
    return list(zip(*(words[start:] for start in range(n)), strict=False))
