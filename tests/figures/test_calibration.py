import numpy as np
import pandas as pd
import pytest

from patentlab.figures.calibration import reliability
from tests.figures.overlap import assert_no_overlap, assert_plain, legend_markers, legend_names, points

TABLE = pd.DataFrame(
    [
        ("real only $x_1$", 0.9, 0.8, 100), ("real only $x_1$", 0.1, 0.05, 400), ("real only $x_1$", np.nan, np.nan, 0),
        ("with synthetic", 0.1, 0.2, 1600),
    ],
    columns=["arm", "predicted", "observed", "count"],
)  # fmt: skip
SUMMARY = pd.DataFrame({"arm": ["real only $x_1$"], "ece": [0.0321]})


def test_bins_stand_where_the_table_says_and_grow_with_what_they_hold():
    axes = reliability(TABLE, SUMMARY).axes[0]
    diagonal, real, synthetic = axes.lines
    assert points(diagonal) == [(0, 0), (1, 1)]
    assert points(real) == [(0.1, 0.05), (0.9, 0.8)]
    assert points(synthetic) == [(0.1, 0.2)]
    bins, others = axes.collections
    assert np.asarray(bins.get_offsets()).tolist() == [[0.1, 0.05], [0.9, 0.8]]
    assert bins.get_sizes() == pytest.approx([60, 35])  # type: ignore[attr-defined]
    assert others.get_sizes() == pytest.approx([110])  # type: ignore[attr-defined]
    assert axes.get_xlabel() == "mean predicted probability"
    assert axes.get_ylabel() == "observed frequency"


def test_the_legend_gives_the_error_and_what_sizes_mean():
    figure = reliability(TABLE, SUMMARY)
    names = [name.replace("\N{NO-BREAK SPACE}", " ") for name in legend_names(figure)]
    assert names == [
        "real only $x_1$, ECE 0.032", "with synthetic", "bin with 100 probabilities", "bin with 1,600 probabilities",
    ]  # fmt: skip
    title = figure.axes[0].get_title(loc="left").replace("\N{NO-BREAK SPACE}", " ")
    assert title == "n = 500 to 1,600 probabilities per arm"
    assert_no_overlap(figure)
    assert_plain(figure)


def test_twelve_arms_with_long_names():
    names = [f"SmolLM2-135M, label-conditioned, number {number}" for number in range(12)]
    table = pd.concat([TABLE.assign(arm=name) for name in names])
    figure = reliability(table, pd.DataFrame({"arm": names, "ece": 0.02}))
    assert len(set(legend_markers(figure)[:12])) == 12
    assert_no_overlap(figure)


def test_without_bins_it_says_so():
    for table in (pd.DataFrame(), TABLE[TABLE["count"] == 0]):
        assert reliability(table, SUMMARY).axes[0].texts[0].get_text() == "No arm has probabilities to judge."
