"""What strategies do is asked of their properties."""

import pandas as pd
import pytest

from patentlab.analysis.arms import arms, gains, mean_gains
from patentlab.analysis.quantities import Evidence
from patentlab.analysis.strategies import augmented, properties
from patentlab.analysis.tables import tables
from tests.analysis.known_matrix import known_matrix


@pytest.mark.parametrize(
    ("name", "adds", "generates", "copies"),
    [
        ("label_conditioned", True, True, False),
        ("paraphrase", True, True, False),
        ("duplicate", True, False, True),
        ("oversample", True, False, True),
        ("none", False, False, False),
        ("step_matched", False, False, False),
        ("known_no_more", True, False, False),
    ],
)
def test_properties(name: str, adds: bool, generates: bool, copies: bool):
    found = properties(name)
    assert (found.adds, found.generates, found.copies) == (adds, generates, copies)
    assert augmented(pd.Series([name, None])).tolist() == [adds and not copies, False]


def test_a_strategy_that_adds_is_in_the_tables_of_gains_however_it_is_named():
    matrix = known_matrix(generators=5, seeds=3, shares=(0.2, 0.3))
    of_g0 = matrix["choices.generator"] == "g0"
    matrix.loc[of_g0, ["choices.strategy", "choices.generator", "choices.adaptation"]] = ["swap_words", None, None]
    runs = arms(matrix)
    own = runs.table[runs.table["strategy"] == "swap_words"]
    assert {str(arm) for arm in own["arm"]} == {"swap-words"} and set(own["cluster"]) == {"swap_words"}
    table = mean_gains(gains(matrix, runs))
    added = table[table["arm"] == own["arm"].iloc[0]]
    assert len(added) == 4 * 2 * 2 and set(added["n"]) == {3}
    found = tables(Evidence(matrix))
    for name in ("gains_f1_macro", "shares", "fidelity_points", "learning"):
        assert "swap-words" in set(found[name]["arm"].astype(str)), name
    assert set(found["influence"]["without"]) == {"swap_words", "g1", "g2", "g3", "g4"}
