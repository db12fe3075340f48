"""What added documents are worth: arms projected onto the learning curve on real documents."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from patentlab.figures.columns import in_order, numbers, rows_of
from patentlab.figures.layout import head, legend_below, sentence_figure, with_count
from patentlab.figures.scales import log_counts
from patentlab.figures.style import BLUE, GREY, PLAIN, SMALL, STYLE, TEXT, Mark, handle, marks

_WIDTH = 5.6  # inches
_CURVE, _ROW = 2.7, 0.2  # inches: height of the curve, and of a row with an arm
_REAL = Mark(BLUE, "o", "-", BLUE)
_OF_ARM = ("arm", "regime", "documents", "added", "score", "worth", "worth_low", "worth_high")
_INFINITE = 8  # points: how far an arrow goes beyond the axes' end


def worth_on_curve(
    curve: pd.DataFrame, points: pd.DataFrame, arms: pd.DataFrame, title: str, y_label: str, unit: str = "documents"
) -> Figure:
    """The learning curve of a classifier, arms beside it, and what each is worth.

    Above, each arm stands over its own real documents, and an arrow leads to the place of the curve that has its score.
    Below, the length of the arrow, with its interval; an interval that does not end has an arrowhead.

    Args:
        curve: ``documents, value, low, high``.
        points: ``documents, mean, n``.
        arms: ``arm, regime, documents, added, score, worth, worth_low, worth_high``, a row an arm and regime.
        title: Which classifier.
        y_label: Name of the score.
        unit: What documents are, in words.

    Returns:
        The figure.
    """
    if curve.empty:
        return sentence_figure("Too few regimes of real documents for a learning curve.")
    arms = arms if len(arms) else pd.DataFrame(columns=[*_OF_ARM])
    arms = arms[numbers(arms, "worth") == numbers(arms, "worth")].reset_index(drop=True)
    arm_marks = marks(["", *arms["arm"]])
    del arm_marks[""]  # the first is that of real documents
    names = [f"{regime}: {documents:,.0f} + {added:,.0f}" for regime, documents, added in
             zip(arms["regime"], numbers(arms, "documents"), numbers(arms, "added"), strict=True)]  # fmt: skip
    below = _ROW * len(arms) + 0.75
    with rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, _CURVE + below + 0.2), layout="constrained")
        above, rows = figure.subplots(2, 1, height_ratios=(_CURVE, below))
    _draw_curve(above, curve, points, arms, arm_marks)
    head(above, with_count(title, points["n"], "per point"))
    log_counts(above, numbers(points, "documents"), sorted(set(points["documents"])))
    above.set_xlabel(f"labelled {unit}", fontsize=TEXT, **PLAIN)
    above.set_ylabel(y_label, fontsize=TEXT, **PLAIN)
    _draw_rows(rows, arms, arm_marks, float(curve["documents"].max()))
    rows.set_yticks(range(len(names)), names, fontsize=SMALL, **PLAIN)
    head(rows, "own + added documents")
    rows.set_xlabel(f"added documents are worth so many labelled {unit}", fontsize=TEXT, **PLAIN)
    for axes in (above, rows):
        axes.tick_params(labelsize=SMALL)
        axes.grid(axis="y" if axes is above else "x", alpha=0.3)
    entries = [(handle(_REAL, line=True), f"labelled {unit} alone, with the 95% band of the curve")]
    legend_below(figure, [*entries, *((handle(mark), fill(name, 60)) for name, mark in arm_marks.items())])
    return figure


def _draw_curve(
    axes: Axes, curve: pd.DataFrame, points: pd.DataFrame, arms: pd.DataFrame, arm_marks: dict[str, Mark]
) -> None:
    at = numbers(curve, "documents")
    axes.fill_between(at, numbers(curve, "low"), numbers(curve, "high"), color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(at, numbers(curve, "value"), color=BLUE, linewidth=1.3)
    axes.plot(numbers(points, "documents"), numbers(points, "mean"), linestyle="none", **_REAL.points())
    for name in in_order(arms["arm"]):
        own = rows_of(arms, "arm", name)
        mark = arm_marks[name]
        start, score = numbers(own, "documents"), numbers(own, "score")
        ends = np.clip(start + numbers(own, "worth"), at.min(), at.max())
        for x, y, end in zip(start, score, ends, strict=True):
            arrow = {"arrowstyle": "->", "color": mark.colour, "linewidth": 0.8, "shrinkA": 3, "shrinkB": 0}
            axes.annotate("", (end, y), (x, y), arrowprops=arrow)
        axes.plot(start, score, linestyle="none", zorder=3, **mark.points())


def _draw_rows(axes: Axes, arms: pd.DataFrame, arm_marks: dict[str, Mark], largest: float) -> None:
    """Worth with its interval; what is infinite ends at the edge, with an arrowhead."""
    value, low, high = (numbers(arms, name) for name in ("worth", "worth_low", "worth_high"))
    known = np.concatenate([value, low, high])
    known = known[np.isfinite(known)]
    left = min(float(known.min(initial=0.0)), -0.02 * largest) * 1.05
    right = max(float(known.max(initial=0.0)), 0.1 * largest) * 1.05
    axes.set_xlim(left, right)
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.axvline(0, color=GREY, linewidth=0.8)
    for row, (name, at, start, end) in enumerate(zip(arms["arm"], value, low, high, strict=True)):
        mark = arm_marks[str(name)]
        first, last = max(start, left), min(end, right)
        if np.isfinite([first, last]).all():
            axes.hlines(row, first, last, colors=mark.colour, linewidth=1.2)
        for edge, outside, marker in ((left, start < left, "<"), (right, end > right, ">")):
            if outside:
                axes.plot(edge, row, marker=marker, color=mark.colour, markersize=4, clip_on=False)
        if np.isfinite(at):
            axes.plot(at, row, linestyle="none", zorder=3, **mark.points())
        else:
            said = "beyond the curve" if at > 0 else "below the curve"
            axes.annotate(said, (right if at > 0 else left, row), xytext=(-_INFINITE if at > 0 else _INFINITE, 0),
                          textcoords="offset points", ha="right" if at > 0 else "left", va="center", fontsize=SMALL,
                          bbox={"color": "white", "pad": 0.5}, **PLAIN)  # fmt: skip
