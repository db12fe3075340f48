"""What a report begins with."""

import pandas as pd

from patentlab.analysis.quantities import Evidence
from patentlab.analysis.tables import tables
from patentlab.report.captions import TITLES
from patentlab.report.sweep import sentences
from tests.analysis.known_matrix import known_matrix
from tests.analysis.test_replicates import designed


def test_where_the_spread_comes_from_is_told_where_seeds_were_drawn_apart():
    found = tables(Evidence(designed(("none",), split=4, weights=3)))
    said = sentences(found, 12)
    (told,) = [line for line in said if "of the spread of micro-F1" in line]
    share = found["variance_components"]["share"].astype(float).iloc[0]
    assert told.startswith("real only: of the spread") and f"{share:.0%}" in told
    assert sum("take seeds for independent" in line for line in said) == 1
    assert "variance_components" in TITLES
    together = sentences(tables(Evidence(known_matrix(generators=2, seeds=3))), 24)
    assert not any("spread" in line or "drawn apart" in line for line in together)


def test_many_arms_are_told_of_in_the_table():
    parts = [designed(("none",), seed=number, split=3, weights=2) for number in range(5)]
    for number, part in enumerate(parts):
        part["choices.model"], part["key"] = f"model {number}", part["key"] + str(number)
        part["run"] = part["key"]
    said = sentences(tables(Evidence(pd.concat(parts, ignore_index=True))), 30)
    assert sum("of the spread" in line for line in said) == 3
    assert "and 2 more, in variance_components" in said
