"""Thresholds from false alarms, and rates with intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from patentlab.evaluation.detection import FALSE_ALARMS, FEWEST_BENIGN, rate, rates, threshold_at

SCORES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=400).map(np.array)


@given(SCORES, st.sampled_from([0.01, 0.05, 0.2]))
def test_a_threshold_lets_no_more_through_than_it_may_and_is_the_lowest_that_does(scores: np.ndarray, share: float):
    threshold = threshold_at(scores, share)
    assert (scores >= threshold).mean() <= share + 1e-9
    lower = scores[scores < threshold]
    if len(lower):
        assert (scores >= lower.max()).mean() > share


def test_five_of_500_are_alarms_and_ties_are_none():
    assert FALSE_ALARMS * FEWEST_BENIGN == 5
    scores = np.arange(500) / 500
    assert (scores >= threshold_at(scores)).sum() == 5
    assert (np.ones(500) >= threshold_at(np.ones(500))).sum() == 0


def test_rates_are_shares_with_wilson_intervals():
    raised = np.array([True] * 7 + [False] * 13 + [True] * 2 + [False] * 28)
    positive = np.array([True] * 20 + [False] * 30)
    found = rates(raised, positive)
    assert found["recall"] == pytest.approx(7 / 20)
    assert found["false_alarms"] == pytest.approx(2 / 30)
    for name, hits, total in (("recall", 7, 20), ("false_alarms", 2, 30)):
        expected = proportion_confint(hits, total, method="wilson")
        assert (found[f"{name}_low"], found[f"{name}_high"]) == pytest.approx(expected)


def test_a_rate_of_nothing_is_left_out():
    assert rate("recall", np.zeros(0, dtype=np.bool_)) == {}
    assert set(rates(np.array([True]), np.array([False]))) == {"false_alarms", "false_alarms_low", "false_alarms_high"}
