import numpy as np
import pandas as pd
import pytest

from patentlab.figures.fidelity import fidelity_against_gain
from tests.figures.overlap import assert_no_overlap, assert_plain, legend_markers, legend_names, points

LABELS = (
    "MMD² between synthetic and real documents (unbiased)",
    "controlled gain in micro-F1 over duplicates to match",
)
POINTS = pd.DataFrame(
    [
        ("1:10", "a", "SmolLM2-135M", 0.1, -0.02), ("1:10", "b", "Qwen $1_5$", 0.2, -0.05),
        ("1:100", "a", "SmolLM2-135M", 0.1, 0.1), ("1:100", "b", "Qwen $1_5$", 0.3, 0.25),
        ("1:100", "c", "SmolLM2-135M", np.nan, 0.2),
    ],
    columns=["regime", "point", "cluster", "x", "y"],
)  # fmt: skip
FITS = pd.DataFrame(
    [
        ("1:10", 14, -0.73, -0.91, -0.32, 0.003, ""),
        ("1:100", 2, np.nan, np.nan, np.nan, np.nan, "A correlation needs at least 4 points, and there are 2."),
    ],
    columns=["regime", "n", "r", "r_low", "r_high", "p", "sentence"],
)
BANDS = pd.DataFrame(
    {"regime": "1:10", "x": [0.1, 0.2], "fitted": [-0.02, -0.05], "low": [-0.04, -0.07], "high": [0.0, -0.03]}
)


def test_points_lines_and_bands_are_those_of_the_tables():
    first, second = fidelity_against_gain(POINTS, FITS, BANDS, *LABELS).axes
    line, zero, smol, qwen = first.lines
    assert points(line) == [(0.1, -0.02), (0.2, -0.05)]
    assert np.asarray(zero.get_ydata()).tolist() == [0, 0]
    assert points(smol) == [(0.1, -0.02)] and points(qwen) == [(0.2, -0.05)]
    band = first.collections[0].get_paths()[0].get_extents()
    assert (band.x0, band.y0, band.x1, band.y1) == pytest.approx((0.1, -0.07, 0.2, 0.0))
    assert not second.collections, "a regime without a fit has no band"
    assert points(second.lines[-1]) == [(0.3, 0.25)]
    assert first.get_xlim() == second.get_xlim() and first.get_ylim() == second.get_ylim()


def test_each_panel_says_what_the_correlation_is():
    first, second = fidelity_against_gain(POINTS, FITS, BANDS, *LABELS).axes
    assert first.get_title(loc="left") == "regime 1:10"
    assert first.texts[0].get_text() == "r = −0.73 [−0.91, −0.32]\nn = 14, p = 0.003"
    said = second.texts[0].get_text().replace("\n", " ")
    assert said == "n = 2 A correlation needs at least 4 points, and there are 2."
    tiny = fidelity_against_gain(POINTS, FITS.assign(p=1e-9, r_low=np.nan), BANDS, *LABELS)
    assert tiny.axes[0].texts[0].get_text() == "r = −0.73\nn = 14, p < 0.001"


def test_the_text_covers_no_point():
    figure = fidelity_against_gain(POINTS, FITS, BANDS, *LABELS)
    figure.draw_without_rendering()
    for axes in figure.axes:
        lowest = axes.texts[0].get_window_extent().y0
        highest = max(axes.transData.transform((0, y))[1] for line in axes.lines for _, y in points(line))
        assert highest < lowest


def test_axes_and_legend():
    figure = fidelity_against_gain(POINTS, FITS, BANDS, *LABELS)
    assert figure.axes[1].get_xlabel().replace("\n", " ") == LABELS[0]
    assert figure.axes[0].get_ylabel().replace("\n", " ") == LABELS[1]
    assert legend_names(figure) == ["SmolLM2-135M", "Qwen $1_5$"]
    assert len(set(legend_markers(figure))) == 2
    assert_plain(figure)
    alone = fidelity_against_gain(POINTS[POINTS["cluster"] == "SmolLM2-135M"], FITS, BANDS, *LABELS)
    assert not alone.legends


@pytest.mark.parametrize("regimes", [1, 2, 3, 4])
def test_no_words_touch(regimes: int):
    names = [f"1:{10**number}" for number in range(regimes)]
    many = pd.concat([POINTS[POINTS["regime"] == "1:100"].assign(regime=name) for name in names])
    fits = pd.concat([FITS[FITS["regime"] == "1:100"].assign(regime=name) for name in names])
    assert_no_overlap(fidelity_against_gain(many, fits, BANDS, *LABELS))


def test_without_points_it_says_so():
    figure = fidelity_against_gain(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), *LABELS)
    assert figure.axes[0].texts[0].get_text().startswith("No synthetic corpus")
    assert_no_overlap(figure)
    assert len(fidelity_against_gain(POINTS, FITS.head(0), BANDS.head(0), *LABELS).axes) == 2
