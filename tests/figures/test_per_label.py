import numpy as np
import pandas as pd
import pytest

from patentlab.figures.per_label import MOST_LABELS, arms_per_label
from tests.figures.overlap import assert_no_overlap, assert_plain, legend_markers, legend_names, points

TABLE = pd.DataFrame(
    [
        ("rare", 2, "real only", 0.1), ("rare", 2, "with synthetic", 0.4),
        ("common $x_1$", 1200, "real only", 0.8), ("common $x_1$", 1200, "with synthetic", 0.7),
        ("absent", 0, "real only", 0.0), ("once", 1, "with synthetic", 0.3),
    ],
    columns=["label", "support", "arm", "f1"],
)  # fmt: skip


def many(labels: int, arms: int) -> pd.DataFrame:
    rows = [
        (f"intraocular lens with sensors {label:02d}", 1 + label, f"SmolLM2-135M, adapted, number {arm}", arm / arms)
        for label in range(labels)
        for arm in range(arms)
    ]
    return pd.DataFrame(rows, columns=TABLE.columns)


def test_labels_stand_in_order_of_their_support():
    figure = arms_per_label(TABLE, "F1 of each label")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["common $x_1$ (1,200)", "rare (2)", "once (1)"]
    real, synthetic = ({(round(x), y) for x, y in points(line)} for line in axes.lines)
    assert real == {(0, 0.8), (1, 0.1)}
    assert synthetic == {(0, 0.7), (1, 0.4), (2, 0.3)}
    assert axes.get_ylabel() == "F1"
    assert axes.get_xlabel() == "label (test documents with it)"
    assert axes.get_title(loc="left") == "F1 of each label"
    assert legend_names(figure) == ["real only", "with synthetic"]
    assert_no_overlap(figure)
    assert_plain(figure)


def test_a_line_joins_the_arms_of_a_label():
    segments = arms_per_label(TABLE, "a").axes[0].collections[0].get_segments()  # type: ignore[attr-defined]
    assert sorted(sorted(np.asarray(part)[:, 1].tolist()) for part in segments if len(part) > 1) == [
        [0.1, 0.4],
        [0.7, 0.8],
    ]


@pytest.mark.parametrize(("labels", "arms", "rows"), [(1, 2, 1), (34, 12, 1), (64, 3, 2)])
def test_many_labels_stand_in_rows(labels: int, arms: int, rows: int):
    figure = arms_per_label(many(labels, arms), "F1 of each label, regime 1:100")
    assert len(figure.axes) == rows
    assert len(set(legend_markers(figure))) == arms
    assert figure.get_figwidth() <= 7.1
    assert_no_overlap(figure)


def test_the_rarest_of_very_many_labels_are_left_out():
    figure = arms_per_label(many(MOST_LABELS + 7, 2), "F1")
    assert figure.axes[0].get_title(loc="left") == "F1; 7 rarer labels left out"
    assert sum(len(axes.get_xticklabels()) for axes in figure.axes) == MOST_LABELS


def test_without_test_documents_it_says_so():
    for table in (TABLE[TABLE["support"] == 0], pd.DataFrame()):
        assert arms_per_label(table, "F1").axes[0].texts[0].get_text() == "No label has a test document."
