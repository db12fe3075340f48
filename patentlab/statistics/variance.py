"""Where the spread of values comes from: variance components, and means whose values share what was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from patentlab.statistics.arrays import Floats
from patentlab.statistics.undecidable import UndecidableError

RESIDUAL = "residual"
_ZERO = 1e-9  # of a basis whose columns have length 1


@dataclass(frozen=True)
class Component:
    """What one factor, or several together, add to the variance of a value.

    Attributes:
        name: Of the factor, or of what it is a part of.
        levels: That it was drawn at, the most of its factors; of the residual alone its degrees of freedom.
        variance: At least 0.
        negative: Whether its estimate was below 0, which is told as 0.
        share: Of the sum of all components.
        low: Lower end of the interval of its standard deviation; NaN where there is none.
        high: Upper end.
        share_low: Lower end of the interval of its share.
        share_high: Upper end.
    """

    name: str
    levels: int
    variance: float
    negative: bool
    share: float
    low: float = np.nan
    high: float = np.nan
    share_low: float = np.nan
    share_high: float = np.nan


def variance_components(
    values: ArrayLike,
    factors: Mapping[str, ArrayLike],
    parts: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> list[Component]:
    """Variance components of random effects, crossed or nested, by the analysis of variance.

    Sums of squares of each factor beyond those with fewer levels are set equal to their expectations (Henderson 1953,
    Biometrics 9, method 3; Searle, Casella and McCulloch 1992, chapter 5): unbiased in any design, and in a balanced
    one the usual estimates. There, too, each mean square is a multiple of χ², and intervals are generalised ones
    (Weerahandi 1993, JASA 88), which take effects for normal.

    Args:
        values: Shape ``(n,)``.
        factors: The level of each value, shape ``(n,)``, by name. A factor is nested in another where its levels are
            named by both.
        parts: Of factors, ``residual`` too, whose variances are told as one sum: its name.
        confidence: Of the intervals.
        draws: Of the intervals.
        seed: Of the draws.

    Returns:
        Components in the order of the factors, and last the residual, which has all interactions that are no factors.
        Intervals are NaN of designs that are not balanced.

    Raises:
        UndecidableError: Values are missing or do not vary, a factor has one level, the design cannot tell a factor
            from the rest, or nothing is left for the residual.
    """
    y = np.asarray(values, dtype=np.float64)
    if not np.isfinite(y).all():
        raise UndecidableError(f"{int(np.sum(~np.isfinite(y)))} of {len(y)} values are missing")
    if len(y) < 2 or np.ptp(y) <= 8 * np.finfo(np.float64).eps * np.abs(y).max():
        raise UndecidableError("the values do not vary")
    levels = {name: np.unique(np.asarray(of), return_inverse=True)[1].ravel() for name, of in factors.items()}
    names = sorted(levels, key=lambda name: int(levels[name].max()))
    designs = {name: np.eye(levels[name].max() + 1)[levels[name]] for name in names}
    bases = _bases(designs, len(y))
    rest = _complement(np.hstack([np.full((len(y), 1), len(y) ** -0.5), *bases.values()]))
    if rest.shape[1] == 0:
        raise UndecidableError("no run is left to tell the residual by")
    bases[RESIDUAL] = rest
    freedom = np.array([basis.shape[1] for basis in bases.values()])
    squares = np.array([np.square(basis.T @ y).sum() for basis in bases.values()]) / freedom
    expected = np.ones((len(bases), len(bases)))  # of mean squares, in components
    for row, basis in enumerate(bases.values()):
        expected[row, :-1] = [np.square(basis.T @ designs[name]).sum() / freedom[row] for name in names]
    told = {name: (parts or {}).get(name, name) for name in (*factors, RESIDUAL)}
    components = list(dict.fromkeys(told.values()))
    sums = np.array([[float(told[name] == component) for name in bases] for component in components])
    raw = sums @ np.linalg.solve(expected, squares)
    found = raw.clip(min=0)
    counts = {name: design.shape[1] for name, design in designs.items()} | {RESIDUAL: 0}
    most = [max(counts[name] for name in bases if told[name] == component) for component in components]
    ends = np.full((4, len(components)), np.nan)
    if _balanced(list(bases.values()), list(designs.values())):
        chi2 = np.random.default_rng(seed).chisquare(freedom, size=(draws, len(bases)))
        drawn = (sums @ np.linalg.solve(expected, (freedom * squares / chi2).T)).T.clip(min=0)
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        ends[:2] = np.sqrt(np.quantile(drawn, tails, axis=0))
        ends[2:] = np.quantile(drawn / drawn.sum(axis=1, keepdims=True), tails, axis=0)
    return [
        Component(
            name, most[i] or int(freedom[-1]), float(found[i]), bool(raw[i] < 0), float(found[i] / found.sum()),
            *map(float, ends[:, i]),
        )
        for i, name in enumerate(components)
    ]  # fmt: skip


def _bases(designs: Mapping[str, Floats], n: int) -> dict[str, Floats]:
    """Of each factor, an orthonormal basis of what it can explain beyond the factors before it, and the mean."""
    known = np.full((n, 1), n**-0.5)
    bases: dict[str, Floats] = {}
    for name, design in designs.items():
        if design.shape[1] < 2:
            raise UndecidableError(f"{name} has one level")
        beyond = design - known @ (known.T @ design)
        directions, lengths, _ = np.linalg.svd(beyond, full_matrices=False)
        bases[name] = directions[:, lengths > _ZERO * max(1.0, lengths[0])]
        if bases[name].shape[1] == 0:
            raise UndecidableError(f"the design cannot tell {name} from the rest")
        known = np.hstack([known, bases[name]])
    return bases


def _complement(known: Floats) -> Floats:
    """An orthonormal basis of all that is orthogonal to an orthonormal one."""
    whole, _ = np.linalg.qr(known, mode="complete")
    return np.asarray(whole[:, known.shape[1] :])


def _balanced(bases: Sequence[Floats], designs: Sequence[Floats]) -> bool:
    """Whether mean squares are independent multiples of χ², whatever the components."""
    whole = np.hstack(bases)
    for design in designs:
        turned = whole.T @ design
        product = turned @ turned.T
        if np.abs(product - np.diag(np.diag(product))).max() > 1e-6:
            return False
        parts = np.split(np.diag(product), np.cumsum([basis.shape[1] for basis in bases])[:-1])
        if any(np.ptp(part) > 1e-6 for part in parts):
            return False
    return True


@dataclass(frozen=True)
class SharedMean:
    """A mean of values that share levels.

    Attributes:
        mean: Of all values.
        error: Its standard error.
        freedom: Degrees of freedom of a t distribution for it.
    """

    mean: float
    error: float
    freedom: float

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Ends of Student's t interval."""
        half = self.error * float(stats.t.ppf((1 + confidence) / 2, self.freedom))
        return self.mean - half, self.mean + half

    def p(self, margin: float = 0.0) -> float:
        """Two-sided p-value of the hypothesis that the mean is the margin."""
        return float(2 * stats.t.sf(abs(self.mean - margin) / self.error, self.freedom))


def shared_mean(values: ArrayLike, factors: Sequence[NDArray[np.int64]]) -> SharedMean:
    """A mean over values that are not independent, since several share a level of a factor.

    The variances of the means of each factor's levels, each over its number of levels, are added up. Of one factor that
    is the t interval over its levels; of several it counts what they have in common more than once, and errs on the
    side of width (Cameron, Gelbach and Miller 2011, JBES 29, take that off again, and may get less than nothing).
    Degrees of freedom are Satterthwaite's. Where levels have unequal numbers of values it is an approximation.

    Args:
        values: Shape ``(n,)``.
        factors: The level of each value, shape ``(n,)``; none of them finer than another.

    Raises:
        UndecidableError: Values are missing or do not vary, or a factor has one level.
    """
    y = np.asarray(values, dtype=np.float64)
    if not np.isfinite(y).all():
        raise UndecidableError(f"{int(np.sum(~np.isfinite(y)))} of {len(y)} values are missing")
    parts, freedom = [], []
    for factor in factors:
        codes = np.unique(factor, return_inverse=True)[1].ravel()
        means = np.bincount(codes, y) / np.bincount(codes)
        if len(means) < 2:
            raise UndecidableError(f"needs at least 2 values, has {len(means)}")
        parts.append(means.var(ddof=1) / len(means))
        freedom.append(len(means) - 1)
    variances = np.array(parts)
    if variances.sum() <= (8 * np.finfo(np.float64).eps * np.abs(y).max()) ** 2:
        raise UndecidableError("the values do not vary")
    spread = variances.sum() ** 2 / np.sum(np.square(variances) / np.array(freedom))
    return SharedMean(float(y.mean()), float(np.sqrt(variances.sum())), float(spread))
