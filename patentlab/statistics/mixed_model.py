"""A straight line with random effects that cross, and what it says of a level that was not seen."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from patentlab.statistics.arrays import Floats
from patentlab.statistics.undecidable import UndecidableError

FEWEST_LEVELS = 4  # of the first factor: two more than the line has parameters
RESIDUAL = "residual"
_METHODS = ["lbfgs", "powell"]
_MOST = 1_000  # iterations


@dataclass(frozen=True)
class MixedModel:
    """``y = intercept + slope * x`` plus a random effect of each factor, by restricted maximum likelihood.

    Attributes:
        intercept: Where x is 0.
        slope: Of x.
        covariance: Of both, shape ``(2, 2)``.
        deviations: Standard deviations of the factors' effects, by name, and of the residual; 0 where an estimate ends
            at the boundary.
        freedom: Levels of the first factor less two: what intervals take.
        new: Names of the factors of which a prediction draws a new level.
    """

    intercept: float
    slope: float
    covariance: Floats
    deviations: dict[str, float]
    freedom: int
    new: tuple[str, ...]

    def slope_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Student's interval of the slope."""
        half = self._quantile(confidence) * float(np.sqrt(self.covariance[1, 1]))
        return self.slope - half, self.slope + half

    def slope_p(self) -> float:
        """The p-value of the slope, two-sided."""
        return float(2 * stats.t.sf(abs(self.slope) / np.sqrt(self.covariance[1, 1]), self.freedom))

    def predicted(self, x: float, confidence: float = 0.95) -> tuple[float, float, float]:
        """What a new level is expected to have, averaged over the factors that it crosses.

        Args:
            x: Of it.
            confidence: Of the interval.

        Returns:
            The value of the line, and the ends of the prediction interval.
        """
        at = np.array([1.0, x])
        value = self.intercept + self.slope * x
        drawn = sum(self.deviations[name] ** 2 for name in self.new)
        half = self._quantile(confidence) * float(np.sqrt(at @ self.covariance @ at + drawn))
        return value, value - half, value + half

    def _quantile(self, confidence: float) -> float:
        return float(stats.t.ppf((1 + confidence) / 2, self.freedom))


def fit_mixed_model(
    x: ArrayLike, y: ArrayLike, factors: Mapping[str, ArrayLike], new: tuple[str, ...] = ()
) -> MixedModel:
    """Fit by statsmodels' ``MixedLM``, with a variance component for each factor.

    Intervals take Student's t with as many degrees of freedom as the first factor has levels beyond the two parameters:
    x is a property of its levels above all, and the normal intervals of REML are too narrow where these are few.

    Args:
        x: Shape ``(n,)``.
        y: The same shape.
        factors: The level of each value, by name; the first is that which predictions are about. Levels of a factor
            that is nested in another are named by both. Factors with one level, one a value, or the groups of one
            before them are left out: what they may do is told with the others.
        new: Of a prediction: factors that are drawn anew.

    Raises:
        UndecidableError: Values are missing, x does not vary, the first factor has too few levels, or the fit does not
            converge.
    """
    values, outcomes = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if not (np.isfinite(values).all() and np.isfinite(outcomes).all()):
        raise UndecidableError("some values are missing")
    levels = {name: np.unique(np.asarray(of).astype(str), return_inverse=True)[1] for name, of in factors.items()}
    counts = {name: len(set(of)) for name, of in levels.items()}
    first = next(iter(factors))
    if counts[first] < FEWEST_LEVELS:
        raise UndecidableError(f"needs at least {FEWEST_LEVELS} of {first}, has {counts[first]}")
    centre, scale, spread = float(values.mean()), float(values.std()), float(outcomes.std())
    if not scale > 0 or not spread > 0:
        raise UndecidableError("the values do not vary")
    groups = {name: np.unique(of, return_index=True)[1][of] for name, of in levels.items()}
    told_by = {tuple(of): name for name, of in reversed(groups.items())}  # of the same groups the first alone
    used = [name for name, of in groups.items() if 1 < counts[name] < len(values) and told_by[tuple(of)] == name]
    fixed = np.stack([np.ones(len(values)), (values - centre) / scale], axis=1)
    fitted = _fit(fixed, outcomes / spread, {name: levels[name] for name in used})
    # back from the units that the optimiser sees
    to_units = np.array([[1.0, -centre / scale], [0.0, 1 / scale]]) * spread
    intercept, slope = to_units @ fitted.fe_params
    components = dict(zip(fitted.model.exog_vc.names, fitted.vcomp, strict=True))
    deviations = {name: float(np.sqrt(max(components.get(name, 0.0), 0.0)) * spread) for name in factors}
    deviations[RESIDUAL] = float(np.sqrt(fitted.scale) * spread)
    covariance = to_units @ _covariance(fixed, fitted, {name: levels[name] for name in used}) @ to_units.T
    return MixedModel(float(intercept), float(slope), covariance, deviations, counts[first] - 2, new)


def _fit(fixed: Floats, y: Floats, levels: Mapping[str, NDArray[np.int64]]) -> Any:
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    names = list(levels)
    one = [[np.eye(int(levels[name].max()) + 1)[levels[name]]] for name in names]
    columns = [[[str(level) for level in range(matrix.shape[1])]] for [matrix] in one]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of variances at the boundary, which are told as 0
            model = MixedLM(y, fixed, np.zeros(len(y)), exog_vc=VCSpec(names, columns, one))
            fitted = model.fit(reml=True, method=_METHODS, maxiter=_MOST)
    except (np.linalg.LinAlgError, ValueError) as error:
        raise UndecidableError(f"the mixed model cannot be fitted: {' '.join(str(error).split())}") from error
    if not fitted.converged:
        raise UndecidableError("the mixed model does not converge")
    return fitted


def _covariance(fixed: Floats, fitted: Any, levels: Mapping[str, NDArray[np.int64]]) -> Floats:
    """Of the line's parameters, from the variances: at their boundary statsmodels' own, from the Hessian, is none."""
    variance = fitted.scale * np.eye(len(fixed))
    for name, component in zip(fitted.model.exog_vc.names, fitted.vcomp, strict=True):
        variance += max(component, 0.0) * (levels[name][:, None] == levels[name])
    return np.asarray(np.linalg.inv(fixed.T @ np.linalg.solve(variance, fixed)), dtype=np.float64)
