"""The mixed model against statsmodels' formulas, and its intervals against models that are known."""

import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from patentlab.statistics import mixed_model
from patentlab.statistics.mixed_model import RESIDUAL, MixedModel, fit_mixed_model
from patentlab.statistics.undecidable import UndecidableError

SLOPE, START = 0.03, 0.01


def made(
    draw: np.random.Generator, generators: int = 6, arms: int = 3, seeds: int = 3, of_generator: float = 0.02
) -> pd.DataFrame:
    of_seed, rows = draw.normal(0, 0.01, seeds), []
    for generator in range(generators):
        own, place = draw.normal(0, of_generator), draw.normal()
        for arm in range(arms):
            of_arm, x = draw.normal(0, 0.01), place + draw.normal(0, 0.5)
            for seed in range(seeds):
                y = START + SLOPE * x + own + of_arm + of_seed[seed] + draw.normal(0, 0.01)
                rows.append({"x": x, "y": y, "generator": generator, "arm": f"{generator}-{arm}", "seed": seed})
    return pd.DataFrame(rows)


def fit(table: pd.DataFrame) -> MixedModel:
    factors = {name: table[name] for name in ("generator", "arm", "seed")}
    return fit_mixed_model(table["x"], table["y"], factors, new=("generator", "arm"))


def test_it_is_statsmodels_own_model():
    table = made(np.random.default_rng(3), generators=12)
    found = fit(table)
    parts = {name: f"0+C({name})" for name in ("generator", "arm", "seed")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MixedLM.from_formula("y ~ x", table.assign(one=1), groups="one", re_formula="0", vc_formula=parts)
        own = model.fit(reml=True, method=["lbfgs", "powell"])
    assert found.slope == pytest.approx(own.params["x"], rel=1e-3)
    assert found.intercept == pytest.approx(own.params["Intercept"], rel=1e-2)
    for name, variance in zip(model.exog_vc.names, own.vcomp, strict=True):
        assert found.deviations[name] == pytest.approx(np.sqrt(variance), rel=0.02)
    assert found.deviations[RESIDUAL] == pytest.approx(np.sqrt(own.scale), rel=0.01)
    covariance = own.cov_params().loc[["Intercept", "x"], ["Intercept", "x"]].to_numpy()
    np.testing.assert_allclose(found.covariance, covariance, rtol=0.05, atol=1e-7)


@pytest.mark.parametrize("of_generator", [0.02, 0.0])
def test_intervals_hold_the_slope_and_a_new_generator_as_often_as_they_say(of_generator: float):
    draw, slopes, predicted = np.random.default_rng(1), 0, 0
    for _ in range(200):
        model = fit(made(draw, of_generator=of_generator))
        low, high = model.slope_interval()
        slopes += low <= SLOPE <= high
        x = draw.normal()
        _, low, high = model.predicted(x)
        predicted += low <= START + SLOPE * x + draw.normal(0, of_generator) + draw.normal(0, 0.01) <= high
    assert slopes / 200 >= 0.94 and predicted / 200 >= 0.94


def test_units_make_no_difference():
    table = made(np.random.default_rng(5))
    one, other = fit(table), fit(table.assign(x=1_000 * table["x"] + 7, y=100 * table["y"]))
    assert other.slope == pytest.approx(one.slope / 10, rel=1e-3)
    for a, b in zip(one.predicted(0.5), other.predicted(507), strict=True):
        assert b == pytest.approx(100 * a, rel=1e-2)
    assert other.slope_p() == pytest.approx(one.slope_p(), rel=0.02)


def test_what_cannot_be_fitted_says_why(monkeypatch: pytest.MonkeyPatch):
    table = made(np.random.default_rng(0), generators=3)
    with pytest.raises(UndecidableError, match="needs at least 4 of generator, has 3"):
        fit(table)
    whole = made(np.random.default_rng(0))
    with pytest.raises(UndecidableError, match="some values are missing"):
        fit(whole.assign(x=np.nan))
    with pytest.raises(UndecidableError, match="the values do not vary"):
        fit(whole.assign(x=1.0))
    monkeypatch.setattr(mixed_model, "_METHODS", ["nm"])
    monkeypatch.setattr(mixed_model, "_MOST", 1)
    with pytest.raises(UndecidableError, match="the mixed model does not converge"):
        fit(whole)
