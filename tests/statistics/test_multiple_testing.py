"""Adjusted p-values against statsmodels and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from patentlab.statistics.multiple_testing import benjamini_hochberg, holm

p_values = st.lists(st.floats(0, 1) | st.just(np.nan), max_size=12)


@settings(deadline=None, max_examples=30)
@given(p_values)
def test_adjusted_p_values_equal_those_of_statsmodels(values: list[float]):
    p = np.array(values)
    made = ~np.isnan(p)
    for adjust, method in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        adjusted = adjust(p)
        assert np.array_equal(np.isnan(adjusted), ~made)
        if made.any():
            np.testing.assert_allclose(adjusted[made], multipletests(p[made], method=method)[1], atol=1e-12)


def test_families_by_hand():
    # Holm: 3 × 0.01, 2 × 0.02, then no less than that; Benjamini and Hochberg: 3 × 0.01, 3/2 × 0.02, 3/3 × 0.03
    assert holm([0.03, 0.01, np.nan, 0.02])[[1, 3, 0]] == pytest.approx([0.03, 0.04, 0.04])
    assert benjamini_hochberg([0.03, 0.01, np.nan, 0.02])[[1, 3, 0]] == pytest.approx([0.03, 0.03, 0.03])


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_p_values_are_between_zero_and_one(adjust):
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjust([0.1, 1.1])
