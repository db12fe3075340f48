import numpy as np
import pandas as pd
import pytest

from patentlab.figures.mixing import learning_curves, orderings, score_against_share
from tests.figures.overlap import assert_no_overlap, assert_plain, legend_markers, legend_names, points

CURVE = pd.DataFrame(
    [
        (regime, model, share, 0.5 + share / 10, 0.45, np.nan if share == 0.5 else 0.6, n)
        for regime, n in (("1:10", 3), ("1:100", 2))
        for model in ("MiniLM", "SmolLM2 $x_1$")
        for share in (0.5, 0.2, 1.0)
    ],
    columns=["regime", "model", "share", "mean", "low", "high", "n"],
)
OPTIMA = pd.DataFrame(
    [
        ("1:10", "MiniLM", 0.2, 0.1, 0.5, ""),
        ("1:100", "MiniLM", np.nan, np.nan, np.nan, "the best share cannot be told: every share lies within the noise"),
        ("1:100", "SmolLM2 $x_1$", 1.0, np.nan, np.nan, ""),
    ],
    columns=["regime", "model", "share", "low", "high", "sentence"],
)
NAMES = [f"SmolLM2-135M, label-conditioned, with settings number {number}" for number in range(12)]
MANY = pd.DataFrame(
    [(name, count, 0.5, 0.4, 0.6, 3) for name in NAMES for count in (22, 52, 165, 520, 1650, 1700)],
    columns=["arm", "documents", "mean", "low", "high", "n"],
)


def test_curves_are_drawn_in_order_of_the_share():
    axes = score_against_share(CURVE, OPTIMA, "micro-F1").axes[0]
    drawn = np.asarray(axes.lines[0].get_xydata())
    assert drawn[:, 0] == pytest.approx([0.2, 0.5, 1.0], abs=0.01)
    assert drawn[:, 1] == pytest.approx([0.52, 0.55, 0.6])
    segments = axes.collections[0].get_segments()  # type: ignore[attr-defined]
    assert len(segments) == 2, "an interval that is not known is not drawn"
    assert segments[0][:, 1].tolist() == [0.45, 0.6]
    assert axes.get_title(loc="left") == "regime 1:10, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}3 per point"
    assert axes.get_ylabel() == "micro-F1"
    assert axes.get_xlabel() == "share of real training documents"


def test_the_best_share_and_its_interval_lie_below_the_curves():
    figure = score_against_share(CURVE, OPTIMA, "micro-F1")
    first, second = figure.axes
    spans = [line for line in first.lines if np.asarray(line.get_xdata()).tolist() == [0.1, 0.5]]
    assert len(spans) == 1
    figure.draw_without_rendering()
    height = spans[0].get_window_extent().y1
    assert height < min(first.transData.transform((0, y))[1] for y in (0.45, 0.52))
    assert second.texts[0].get_text().replace("\n", " ").strip() == f"MiniLM: {OPTIMA['sentence'][1]}"
    assert all(tick >= 0.4 for tick in first.get_yticks())
    assert_no_overlap(figure)
    assert_plain(figure)


def test_shares_without_optima():
    figure = score_against_share(CURVE, pd.DataFrame(), "micro-F1")
    assert legend_names(figure) == ["MiniLM", "SmolLM2 $x_1$"]
    assert len(set(legend_markers(figure))) == 2
    assert_no_overlap(figure)


def test_learning_curves_stand_at_their_documents():
    table = MANY[MANY["arm"].isin(NAMES[:2])].assign(mean=np.tile(np.linspace(0.2, 0.7, 6), 2))
    axes = learning_curves(table, "micro-F1").axes[0]
    drawn = np.asarray(axes.lines[1].get_xydata())
    assert drawn[:, 0] == pytest.approx([22, 52, 165, 520, 1650, 1700], rel=0.02)
    assert drawn[:, 1] == pytest.approx(np.linspace(0.2, 0.7, 6))
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "real training documents"
    written = [label.get_text() for label in axes.get_xticklabels()]
    assert written == ["22", "52", "165", "520", "1,650"]


@pytest.mark.parametrize("counts", [[0], [165], [22, 30], [165, 1650]])
def test_arms_stand_close_to_their_count_and_inside_the_panel(counts: list[int]):
    figure = learning_curves(MANY.assign(documents=np.resize(counts, len(MANY))), "micro-F1")
    axes = figure.axes[0]
    left, right = axes.get_xlim()
    drawn = np.concatenate([np.asarray(line.get_xdata(), dtype=float) for line in axes.lines])
    assert ((drawn > left) & (drawn < right)).all()
    assert all(min(abs(x - count) for count in counts) <= 0.2 * x for x in drawn)
    assert_no_overlap(figure)


def test_no_real_document_stands_left_of_the_others():
    none = pd.DataFrame([(NAMES[0], 0, 0.2, np.nan, np.nan, 1)], columns=MANY.columns)
    figure = learning_curves(pd.concat([none, MANY]), "micro-F1")
    axes = figure.axes[0]
    assert axes.get_xticks()[0] == 0
    assert np.asarray(axes.lines[0].get_xdata())[0] == 0
    assert axes.get_title(loc="left").replace("\N{NO-BREAK SPACE}", " ") == "n = 1 to 3 per point"
    assert_no_overlap(figure)


def test_twelve_arms_with_long_names_can_be_told_apart():
    figure = learning_curves(MANY, "micro-F1")
    assert legend_names(figure) == NAMES
    assert len(set(legend_markers(figure))) == 12
    assert_no_overlap(figure)


def test_orderings_stand_in_their_rows():
    rows = [(regime, name, 0.5, 0.4, 0.6, 3) for regime in ("1:10", "1:100") for name in ("shuffled", "_odd $x$")]
    rows[3] = ("1:100", "_odd $x$", 0.3, np.nan, np.nan, 3)
    table = pd.DataFrame(rows, columns=["regime", "ordering", "mean", "low", "high", "n"])
    figure = orderings(table, "micro-F1")
    first, second = figure.axes
    assert points(first.lines[0]) == [(0.5, 0), (0.5, 1)]
    assert points(second.lines[0]) == [(0.5, 0), (0.3, 1)]
    assert len(second.collections[0].get_segments()) == 1  # type: ignore[attr-defined]
    assert first.get_ylim() == (1.5, -0.5)
    assert [label.get_text() for label in first.get_yticklabels()] == ["shuffled", "_odd $x$"]
    assert first.get_xlabel() == "micro-F1"
    assert_no_overlap(figure)
    assert_plain(figure)


def test_without_rows_the_figures_say_so():
    for figure in (
        score_against_share(CURVE.head(0), OPTIMA, "F1"), learning_curves(MANY.head(0), "F1"),
        orderings(pd.DataFrame(), "F1"),
    ):  # fmt: skip
        assert figure.axes[0].texts[0].get_text().startswith("No ")
        assert_no_overlap(figure)
