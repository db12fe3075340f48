import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from patentlab.figures.arms import arm_bars, leakage, parameters, retrieval
from patentlab.figures.style import marks
from tests.figures.overlap import assert_no_overlap, assert_plain, legend_markers, legend_names, points

NAMES = [f"SmolLM2-135M, label-conditioned, number {number}" for number in range(11)] + ["_odd $x_1$ name"]
ARMS = pd.DataFrame(
    [
        ("1:10", "real only", 0.4, 0.35, 0.45, 3),
        ("1:10", "duplicates to match", 0.5, np.nan, np.nan, 1),
        ("1:100", "duplicates to match", 0.3, 0.2, 0.35, 3),
    ],
    columns=["regime", "arm", "mean", "low", "high", "n"],
)
FLOOR = pd.DataFrame({"regime": ["1:10", "1:100"], "mean": [0.46, 0.21]})


def twelve(column: str, groups: list[str]) -> pd.DataFrame:
    rows = [
        (group, name, 0.2 + place / 20, 0.15 + place / 20, 0.3 + place / 20, 3 - place % 2)
        for group in groups
        for place, name in enumerate(NAMES)
    ]
    return pd.DataFrame(rows, columns=[column, "arm", "mean", "low", "high", "n"])


def said(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_arms_stand_in_the_given_order_with_their_intervals():
    figure = arm_bars(ARMS, "micro-F1", FLOOR)
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["real only", "duplicates to match"]
    assert points(first.lines[0]) == [(0.4, 0), (0.5, 1)]
    assert points(second.lines[0]) == [(0.3, 1)]
    intervals, floor = first.collections
    assert [part.tolist() for part in intervals.get_segments()] == [[[0.35, 0], [0.45, 0]]]  # type: ignore[attr-defined]
    assert floor.get_segments()[0][:, 0].tolist() == [0.46, 0.46]  # type: ignore[attr-defined]
    assert first.get_xlabel() == second.get_xlabel() == "micro-F1"
    assert {"constant answer 0.46", "constant answer 0.21", "no result"} <= set(said(figure))
    assert_no_overlap(figure)


def test_counts_stand_in_the_title_or_beside_each_row():
    differing, equal = arm_bars(ARMS, "F1"), arm_bars(ARMS.assign(n=3), "F1")
    assert [text.get_text() for text in differing.axes[0].texts] == ["n", "3", "1"]
    assert equal.axes[0].get_title(loc="left").replace("\N{NO-BREAK SPACE}", " ") == "regime 1:10, n = 3"
    assert said(equal) == ["no result"]


@pytest.mark.parametrize("regimes", [["1:10"], ["1:10", "1:100"], ["1:3", "1:10", "1:100"]])
@pytest.mark.parametrize("floor", [0.16, 0.5, 0.84])
def test_twelve_arms_with_long_names(regimes: list[str], floor: float):
    figure = arm_bars(
        twelve("regime", regimes), "controlled gain in micro-F1 over duplicates to match",
        pd.DataFrame({"regime": regimes, "mean": floor}),
    )  # fmt: skip
    assert_no_overlap(figure)
    assert_plain(figure)
    assert figure.get_figwidth() <= 7.1


def test_leakage_groups_arms_by_condition():
    table = twelve("condition", ["as it is", "labels masked", "no names in the prompt", "finer labels"])
    figure = leakage(table, "micro-F1")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()][1] == "labels masked"
    first, last = (np.asarray(axes.lines[number].get_xydata()) for number in (0, 11))
    assert first[:, 0] == pytest.approx([0.2] * 4) and last[:, 0] == pytest.approx([0.75] * 4)
    assert np.round(first[:, 1]).tolist() == np.round(last[:, 1]).tolist() == [0, 1, 2, 3]
    assert (first[:, 1] < last[:, 1]).all()
    assert legend_names(figure) == NAMES
    assert len(set(legend_markers(figure))) == 12
    assert_no_overlap(figure)
    assert_plain(figure)


def test_leakage_without_intervals():
    table = twelve("condition", ["as it is", "labels masked"]).assign(low=np.nan)
    axes = leakage(table[table["arm"].isin(NAMES[:2])], "micro-F1").axes[0]
    assert not axes.collections


def test_retrieval_joins_before_and_after():
    table = pd.DataFrame(
        [("real only", 0.31, 0.35, 0.33, 0.37, 3), ("duplicates", 0.31, 0.2, np.nan, np.nan, 3)],
        columns=["arm", "before", "after", "low", "high", "n"],
    )
    figure = retrieval(table)
    axes = figure.axes[0]
    joins, intervals = axes.collections
    assert [part[:, 0].tolist() for part in joins.get_segments()] == [[0.31, 0.35], [0.31, 0.2]]  # type: ignore[attr-defined]
    assert [part[:, 0].tolist() for part in intervals.get_segments()] == [[0.33, 0.37]]  # type: ignore[attr-defined]
    assert points(axes.lines[-2]) == [(0.31, 0), (0.31, 1)]
    assert points(axes.lines[-1]) == [(0.35, 0), (0.2, 1)]
    assert axes.get_xlabel() == "nDCG@10"
    assert len(set(legend_markers(figure))) == 2
    long = [(name, 0.31, 0.2 + place / 20, np.nan, np.nan, place) for place, name in enumerate(NAMES)]
    crowded = retrieval(pd.DataFrame(long, columns=table.columns))
    assert_no_overlap(crowded)
    assert_plain(crowded)


def test_parameters_have_a_marker_a_model_and_a_filling_a_head():
    table = pd.DataFrame(
        [
            ("SmolLM2 $x$", "embedding", 20_000, 0.5, 0.45, 0.55, 3),
            ("SmolLM2 $x$", "instruction", 0, 0.2, np.nan, np.nan, 1),
            ("MiniLM", "embedding", 134_500_000, 0.6, 0.55, 0.65, 3),
        ],
        columns=["model", "head", "trained", "mean", "low", "high", "n"],
    )  # fmt: skip
    figure = parameters(table, "micro-F1", "real only")
    axes = figure.axes[0]
    assert axes.get_title("left").startswith("real only")
    assert [points(line) for line in axes.lines] == [[(20_000, 0.5)], [(0, 0.2)], [(134_500_000, 0.6)]]
    assert [line.get_fillstyle() for line in axes.lines] == ["full", "none", "full"]
    assert axes.lines[0].get_marker() != axes.lines[2].get_marker()
    segments = [part for one in axes.collections for part in one.get_segments()]  # type: ignore[attr-defined]
    assert len(segments) == 2
    assert legend_names(figure) == ["SmolLM2 $x$", "MiniLM", "head: embedding", "head: instruction"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "100k", "1M", "10M", "100M"]
    assert_no_overlap(figure)
    assert_plain(figure)


@pytest.mark.parametrize("trained", [[1], [1.2e6, 1.3e6], [2e4, 8e4, 3e5], [1e3, 7e9]])
def test_parameters_of_any_range_have_numbers_that_do_not_touch(trained: list[float]):
    rows = [("model", "embedding", count, 0.5, 0.4, 0.6, 3) for count in trained]
    figure = parameters(pd.DataFrame(rows, columns=["model", "head", "trained", "mean", "low", "high", "n"]), "F1")
    assert_no_overlap(figure)
    assert figure.axes[0].get_xticks().size > 0


def test_marks_differ_in_grey_and_come_again_hollow():
    given = list(marks([*NAMES, *NAMES, *(f"more {number}" for number in range(12))]).values())
    assert len({(mark.marker, mark.face == "white") for mark in given}) == len(given) == 24


def test_the_check_of_words_finds_those_that_touch():
    figure = arm_bars(ARMS, "micro-F1")
    figure.axes[0].text(0.4, 0, "over")
    figure.axes[0].text(0.4, 0.1, "this")
    with pytest.raises(AssertionError, match="covers"):
        assert_no_overlap(figure)


def test_without_rows_the_figures_say_so():
    for figure in (
        arm_bars(ARMS.head(0), "F1", FLOOR), leakage(pd.DataFrame(), "F1"), retrieval(pd.DataFrame()),
        parameters(pd.DataFrame(), "F1"),
    ):  # fmt: skip
        assert figure.axes[0].texts[0].get_text().startswith("No ")
        assert_no_overlap(figure)
