from typing import Any

import numpy as np
import pandas as pd
import pytest

from patentlab.analysis.new_generator import new_generator
from patentlab.analysis.quantities import Evidence
from tests.analysis.known_matrix import known_matrix


def test_the_line_and_what_a_new_generator_would_gain_are_found():
    table = new_generator(Evidence(known_matrix(generators=14)).pairs)
    own: Any = table[table["contrast"] == "gain"].set_index(["regime", "at"])
    scarce = own.loc[("1:100", "median")]
    assert (scarce["generators"], scarce["arms"], scarce["runs"]) == (14, 14, 70)
    for regime, slope in (("1:100", 0.9), ("1:10", -0.7)):  # gains have as large a spread as fidelity
        row = own.loc[(regime, "median")]
        assert row["slope_low"] < slope < row["slope_high"] and row["p"] < 0.05
        assert row["predicted_low"] < row["predicted"] < row["predicted_high"]
        spread = 0.01 * np.sqrt(1 - slope**2)  # of gains about the line
        assert row["sd_generator"] == pytest.approx(spread, rel=0.5)
        assert row["predicted_high"] - row["predicted_low"] == pytest.approx(2 * 2.18 * spread, rel=0.5)
    ends = own.loc["1:100"]["predicted"]
    assert ends["lowest"] < ends["median"] < ends["highest"]
    assert set(own["sentence"]) == {""}


def test_few_generators_give_no_prediction_and_a_sentence():
    table = new_generator(Evidence(known_matrix(generators=3)).pairs)
    assert table["predicted"].isna().all()
    assert set(table["sentence"]) == {"needs at least 4 of generator, has 3"}


def test_without_a_budget_the_table_is_the_same():
    matrix = known_matrix(generators=6, seeds=3)
    free = matrix.assign(**{"settings.mix.budget": pd.Series(None, matrix.index, dtype=object)})
    one, other = (new_generator(Evidence(each).pairs).drop(columns="budget") for each in (matrix, free))
    pd.testing.assert_frame_equal(one, other)
    assert one["predicted"].notna().all()


def test_without_fidelity_there_is_no_table():
    matrix = known_matrix(generators=4).drop(columns="fidelity.mmd2")
    assert new_generator(Evidence(matrix).pairs).equals(pd.DataFrame())
