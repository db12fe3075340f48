"""Runs whose documents were tampered with: their table, their figure, claims about them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from patentlab.analysis.arms import arms
from patentlab.analysis.robustness import CLEAN, tampered
from patentlab.figures.tampered import tampered_map
from tests.analysis.known_matrix import known_matrix
from tests.figures.overlap import assert_no_overlap, assert_plain


def matrix(seeds: int = 3) -> pd.DataFrame:
    """Runs with and without normalisation, a corpus a seed; one more without evaluation."""
    plain = known_matrix(generators=1, seeds=seeds, regimes=("1:1",), rho=(0.0,))
    plain = plain[(plain["choices.strategy"] == "none") & (plain["choices.loss"] == "bce")]
    rows: list[dict[str, Any]] = []
    for normalise in (False, True):
        for number, row in enumerate(plain.to_dict("records")):
            rows.append(
                {str(name): value for name, value in row.items()}
                | {
                    "run": f"{row['run']} {normalise}",
                    "key": f"{row['key']} {normalise}",
                    "settings.data.corpus_seed": row["choices.seed"],
                    "settings.data.normalise": normalise,
                    "metrics.test.recall": 0.5,
                    "metrics.test.recall_low": 0.4,
                    "metrics.test.recall_high": 0.6,
                    "metrics.test.false_alarms": 0.01,
                    "metrics.test_at_0.5.recall": 0.9,
                    "metrics.test_under.base64.recall": 0.1 * number + 0.4 * normalise,
                    "metrics.test_under.base64.recall_low": 0.0,
                    "metrics.test_under.base64.recall_high": 0.7,
                    "metrics.transfer.notinject.Common Queries.false_alarms": 0.25,
                }
            )
    return pd.DataFrame(rows)


def test_rates_are_means_over_seeds_by_what_became_of_documents():
    table = tampered(arms(matrix()))
    assert set(table["group"]) == {"test_under", "transfer"}
    chosen = table[(table["what"] == "base64") & (table["rate"] == "recall")].set_index("data.normalise")
    assert chosen["mean"].to_dict() == pytest.approx({False: 0.1, True: 0.5})
    assert chosen["lowest"].to_dict() == pytest.approx({False: 0.0, True: 0.4})
    assert set(chosen["n"]) == {3}
    clean = table[table["what"] == CLEAN]
    assert sorted(set(clean["rate"])) == ["false_alarms", "recall"]
    assert set(table[table["group"] == "transfer"]["what"]) == {"notinject.Common Queries"}
    assert table["what"].iloc[0] == CLEAN


def test_of_one_run_the_interval_over_documents_is_told():
    table = tampered(arms(matrix(seeds=1)))
    chosen = table[(table["what"] == "base64") & (table["rate"] == "recall")]
    assert chosen[["lowest", "highest"]].to_numpy().tolist() == [[0.0, 0.7]] * 2


def test_corpora_that_go_with_seeds_are_no_condition_and_others_are():
    assert "data.corpus_seed" not in arms(matrix()).cell
    other = matrix().assign(**{"settings.data.corpus_seed": [0, 1, 2, 1, 2, 0]})
    assert "data.corpus_seed" in arms(other).cell


def test_runs_that_were_not_tampered_with_have_no_table():
    assert tampered(arms(known_matrix(generators=1, seeds=2, regimes=("1:1",), rho=(0.0,)))).empty


def shown(rows: int, columns: int) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"row": f"minilm-full, normalise, number {row}", "what": f"kind_{column}", "rate": rate, "mean": 0.1 * row}
            for rate in ("recall", "false_alarms")
            for row in range(rows)
            for column in range(columns)
        ]
    )


def test_a_map_has_a_cell_a_rate_in_the_order_of_families():
    families = {"kind_0": "second", "kind_1": "first", "kind_2": "second"}
    figure = tampered_map(shown(2, 4), {"recall": "recall at 1%"}, families)
    above, below = figure.axes
    assert above.get_title(loc="left") == "recall at 1%"
    assert below.get_title(loc="left") == "false_alarms"
    assert [label.get_text() for label in below.get_xticklabels()] == ["kind 3", "kind 0", "kind 2", "kind 1"]
    cells = [text.get_text() for text in above.texts if text.get_text().isdigit()]
    assert cells == ["0"] * 4 + ["10"] * 4
    assert {"second", "first"} <= {text.get_text() for text in above.texts}
    assert_no_overlap(figure)
    assert_plain(figure)


def test_large_and_small_maps_can_be_read():
    for rows, columns in ((1, 1), (6, 15)):
        figure = tampered_map(shown(rows, columns), {})
        assert_no_overlap(figure)


def test_without_documents_it_says_so():
    assert "tampered" in tampered_map(pd.DataFrame(), {}).axes[0].texts[0].get_text()


def test_missing_rates_are_left_blank():
    table = shown(2, 2).iloc[1:]
    cells = [text.get_text() for text in tampered_map(table, {}).axes[0].texts]
    assert len(cells) == 3
    assert np.all([cell.isdigit() for cell in cells])
