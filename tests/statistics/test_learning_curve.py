"""Learning curves and equivalents against curves that are known."""

from collections.abc import Callable

import numpy as np
import pytest

from patentlab.statistics.aggregation import t_interval
from patentlab.statistics.learning_curve import equivalent, fit_curve
from patentlab.statistics.undecidable import UndecidableError

SIZES = np.array([37.0, 73.0, 183.0, 366.0, 732.0])
Curve = Callable[[np.ndarray], np.ndarray]


def power(sizes: np.ndarray) -> np.ndarray:
    return np.asarray(0.8 - 0.9 * sizes**-0.4)


def steps(sizes: np.ndarray) -> np.ndarray:
    return np.asarray(np.interp(np.log(sizes), np.log(SIZES), [0.4, 0.41, 0.42, 0.6, 0.61]))


def swept(curve: Curve, seeds: int, generator: np.random.Generator, noise: float = 0.01) -> tuple[np.ndarray, ...]:
    shared = generator.normal(0, noise, seeds)
    return curve(SIZES) + shared[:, None] + generator.normal(0, noise, (seeds, len(SIZES))), shared


@pytest.mark.parametrize(("curve", "seeds"), [(power, 3), (power, 5), (steps, 5)])
def test_intervals_hold_the_true_size_as_often_as_they_say(curve: Curve, seeds: int):
    generator, true, held, widths = np.random.default_rng(0), 240.0, 0, []
    for _ in range(500):
        scores, shared = swept(curve, seeds, generator)
        found = equivalent(
            fit_curve(SIZES, scores), curve(np.array([true])) + shared + generator.normal(0, 0.01, seeds)
        )
        held += found.low <= true <= found.high
        widths.append(min(found.high, SIZES[-1]) - max(found.low, SIZES[0]))
    assert 0.93 <= held / 500 <= 0.975
    assert np.mean(widths) < SIZES[-1] - SIZES[0]


def test_a_power_law_without_noise_is_found():
    curve = fit_curve(SIZES, np.tile(power(SIZES), (2, 1)))
    assert curve.shape == "power law"
    np.testing.assert_allclose(curve.heights, power(curve.grid), atol=1e-5)
    found = equivalent(curve, np.full(2, power(np.array([100.0]))[0]))
    assert found.low <= 100 <= found.high
    assert found.size == pytest.approx(100, rel=1e-4)
    assert (found.low, found.high) == pytest.approx((100, 100), rel=2e-3)
    nowhere = equivalent(curve, np.full(2, 0.9))
    assert nowhere.size == nowhere.high == np.inf and nowhere.low == SIZES[-1]
    nowhere = equivalent(curve, np.full(2, 0.1))
    assert nowhere.size == nowhere.low == 0 and nowhere.high == SIZES[0]


@pytest.mark.parametrize(("truth", "shape"), [(power, "power law"), (steps, "monotone")])
def test_weights_say_what_a_mean_moves(truth: Curve, shape: str):
    scores, _ = swept(truth, 4, np.random.default_rng(1), 0.002)
    curve = fit_curve(SIZES, scores)
    assert curve.shape == shape
    for place in range(len(SIZES)):
        moved = scores.copy()
        moved[:, place] += 1e-5
        told = (fit_curve(SIZES, moved, shape=curve.shape).heights - curve.heights) / 1e-5
        np.testing.assert_allclose(told, curve.weights[:, place], atol=0.02)


def test_means_that_fall_are_pooled_and_the_band_is_students():
    scores = np.array([[0.4, 0.6, 0.5, 0.7], [0.42, 0.58, 0.5, 0.74], [0.38, 0.62, 0.53, 0.72]])
    curve = fit_curve(SIZES[:4], scores, shape="monotone")
    assert (np.diff(curve.heights) >= -1e-12).all()
    low, high = curve.band()
    at = int(np.abs(curve.grid - SIZES[1]).argmin())
    pooled = t_interval(scores[:, 1:3].mean(axis=1))
    assert curve.heights[at] == pytest.approx(scores[:, 1:3].mean(), abs=1e-3)
    assert (low[at], high[at]) == pytest.approx((pooled.low, pooled.high), abs=2e-3)
    one = t_interval(scores[:, 0], overlap=0.2)
    low, high = fit_curve(SIZES[:4], scores, overlap=0.2, shape="monotone").band()
    assert (low[0], high[0]) == pytest.approx((one.low, one.high))


def test_what_no_regime_reaches_is_beyond_the_curve():
    scores, shared = swept(power, 5, np.random.default_rng(2), 0.003)
    curve = fit_curve(SIZES, scores)
    beyond = equivalent(curve, power(np.array([3_000.0])) + shared)
    assert beyond.size == beyond.high == np.inf and beyond.low >= 0.95 * SIZES[-1]
    below = equivalent(curve, power(np.array([20.0])) + shared)
    assert below.size == below.low == 0 and below.high <= 1.05 * SIZES[0]


def test_what_labelling_more_brings():
    scores, _ = swept(power, 5, np.random.default_rng(3), 0.002)
    curve = fit_curve(SIZES, scores)
    rise, low, high = curve.rise(73, 50)
    assert low <= power(np.array([123.0]))[0] - power(np.array([73.0]))[0] <= high
    assert low <= rise <= high
    with pytest.raises(UndecidableError, match="from 37 to 732"):
        curve.rise(732, 50)


def test_a_curve_needs_four_sizes_and_an_interval_two_seeds():
    with pytest.raises(UndecidableError, match="at least 4 regimes of real documents for a curve, has 3"):
        fit_curve(SIZES[:3], [[0.1, 0.2, 0.3]] * 3)
    one = equivalent(fit_curve(SIZES, power(SIZES)[None]), power(np.array([100.0])))
    assert one.size == pytest.approx(100, rel=0.01) and np.isnan(one.low)
    with pytest.raises(ValueError, match="2 scores for 1 seeds"):
        equivalent(fit_curve(SIZES, power(SIZES)[None]), [0.5, 0.5])
