"""Arms of an experiment beside each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle

from patentlab.figures.columns import in_order, numbers, rows_of
from patentlab.figures.intervals import dot_rows, intervals
from patentlab.figures.layout import (
    head,
    head_with_counts,
    legend_below,
    name_axes,
    name_rows,
    new_panels,
    row_height,
    sentence_figure,
    with_count,
)
from patentlab.figures.scales import log_counts, round_values
from patentlab.figures.style import BLACK, BLUE, GREY, SMALL, Mark, handle, marks

_DOT = Mark(BLUE, "o", "-", BLUE)
_FILLS = ("full", "none", "left", "bottom", "right", "top")


def arm_bars(table: pd.DataFrame, y_label: str, floor: pd.DataFrame | None = None) -> Figure:
    """Score of each arm with its interval, a panel a regime.

    Args:
        table: ``regime, arm, mean, low, high, n``; arms stand in the order in which they first appear.
        y_label: Name and unit of the score.
        floor: ``regime, mean``: what the constant answer scores, drawn as a dashed line.

    Returns:
        The figure; where arms have different n, it stands beside each.
    """
    if table.empty:
        return sentence_figure("No arm was run yet.")
    regimes, names = in_order(table["regime"]), in_order(table["arm"])
    floors = pd.DataFrame(columns=["regime", "mean"]) if floor is None else floor
    above = 0.0 if floors.empty else 0.8  # a row for the floor's name
    figure, panels = new_panels(len(regimes), row_height(names, len(regimes)) * (len(names) + above) + 0.75)
    for axes, regime in zip(panels, regimes, strict=True):
        own = rows_of(table, "regime", regime)
        dot_rows(axes, own, "arm", names, mark=_DOT)
        axes.grid(axis="x", alpha=0.3)
        head_with_counts(axes, f"regime {regime}", own, "arm", names)
        for value in numbers(rows_of(floors, "regime", regime), "mean"):
            axes.vlines(value, -0.5, len(names) - 0.5, colors=BLACK, linestyles="--", linewidths=1, zorder=1)
    name_rows(panels, names, above)
    round_values(panels[0])
    low, high = panels[0].get_xlim()
    panels[0].set_xlim(low, high)
    for axes, regime in zip(panels, regimes, strict=True):
        for value in numbers(rows_of(floors, "regime", regime), "mean"):
            place = (value - low) / (high - low)
            side = "left" if place < 0.35 else "right" if place > 0.65 else "center"  # or it would leave the panel
            axes.text(value, -0.5 - above / 2, f"constant answer {value:.2f}", ha=side, va="center", fontsize=SMALL)
    name_axes(panels, y_label)
    return figure


def leakage(table: pd.DataFrame, y_label: str) -> Figure:
    """Score of each arm under controls for leaking labels, a group a condition.

    Args:
        table: ``condition, arm, mean, low, high, n``; conditions and arms stand in the order in which they appear.
        y_label: Name and unit of the score.

    Returns:
        The figure.
    """
    if table.empty:
        return sentence_figure("No control for leaking labels was run yet.")
    conditions, arm_marks = in_order(table["condition"]), marks(table["arm"])
    arms = len(arm_marks)
    height = max(row_height(conditions, 1), 0.13 * arms + 0.1)
    figure, (axes,) = new_panels(1, height * len(conditions) + 0.75)
    for number, (arm, mark) in enumerate(arm_marks.items()):
        offset = 0.8 * ((number + 0.5) / arms - 0.5)
        dot_rows(axes, rows_of(table, "arm", arm), "condition", conditions, mark=mark, offset=offset)
    for border in range(1, len(conditions)):
        axes.axhline(border - 0.5, color=GREY, linewidth=0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(axis="y", length=0)
    name_rows([axes], conditions)
    round_values(axes)
    head(axes, with_count("", table["n"], "per point"))
    name_axes([axes], y_label)
    legend_below(figure, [(handle(mark), name) for name, mark in arm_marks.items()])
    return figure


def retrieval(table: pd.DataFrame) -> Figure:
    """NDCG at 10 of each arm's embeddings before and after its training.

    Args:
        table: ``arm, before, after, low, high, n``; the interval is that of the value after training.

    Returns:
        The figure; a line leads from the hollow point (before) to the full one (after).
    """
    if table.empty:
        return sentence_figure("No arm's embeddings were tried at retrieval yet.")
    names = in_order(table["arm"])
    figure, (axes,) = new_panels(1, row_height(names, 1) * len(names) + 0.75)
    row = {name: number for number, name in enumerate(names)}
    at = np.array([row[str(name)] for name in table["arm"]], dtype=float)
    before, after = numbers(table, "before"), numbers(table, "after")
    whole = np.isfinite(before) & np.isfinite(after)
    axes.hlines(at[whole], before[whole], after[whole], colors=GREY, linewidths=0.8, linestyles=":", zorder=1)
    intervals(axes, at, numbers(table, "low"), numbers(table, "high"), colour=BLUE, across=True, caps=8)
    axes.plot(before, at, linestyle="none", zorder=3, **Mark(BLACK, "o", "-", "white").points())
    axes.plot(after, at, linestyle="none", zorder=3, **Mark(BLUE, "D", "-", BLUE).points(4))
    axes.grid(axis="x", alpha=0.3)
    head_with_counts(axes, "", table, "arm", names)
    name_rows([axes], names)
    round_values(axes)
    name_axes([axes], "nDCG@10")
    after_handle = Line2D([], [], linewidth=1.2, **Mark(BLUE, "D", "-", BLUE).points())
    legend_below(
        figure, [(handle(Mark(BLACK, "o", "-", "white")), "before training"), (after_handle, "after, with interval")]
    )
    return figure


def parameters(table: pd.DataFrame, y_label: str, arm: str = "") -> Figure:
    """Score against the number of trained parameters.

    Args:
        table: ``model, head, trained, mean, low, high, n``, a row a point; trained counts parameters.
        y_label: Name and unit of the score.
        arm: That all rows are of, for the title.

    Returns:
        The figure; a model has its marker, a head its filling.
    """
    if table.empty:
        return sentence_figure("No model was trained yet.")
    model_marks, heads = marks(table["model"]), in_order(table["head"])
    fills = {name: _FILLS[number % len(_FILLS)] for number, name in enumerate(heads)}
    figure, (axes,) = new_panels(1, 2.8)
    for model, mark in model_marks.items():
        own = rows_of(table, "model", model)
        intervals(axes, numbers(own, "trained"), numbers(own, "low"), numbers(own, "high"), colour=mark.colour)
        for name in in_order(own["head"]):
            some = rows_of(own, "head", name)
            look = _filled(mark.marker, mark.colour, fills[name])
            axes.plot(numbers(some, "trained"), numbers(some, "mean"), zorder=3, **look)
    log_counts(axes, numbers(table, "trained"), short=True)
    axes.grid(alpha=0.3)
    head(axes, with_count(arm, table["n"], "per point"))
    name_axes([axes], "trained parameters", y_label)
    entries = [(handle(mark), name) for name, mark in model_marks.items()]
    entries += [(Line2D([], [], **_filled("o", BLACK, fills[name])), f"head: {name}") for name in heads]
    legend_below(figure, entries)
    return figure


def _filled(marker: str, colour: str, fill: str) -> dict[str, Any]:
    return {
        "linestyle": "none", "marker": MarkerStyle(marker, fillstyle=fill), "markersize": 5.5,  # type: ignore[arg-type]
        "color": colour, "markerfacecoloralt": "white", "markeredgecolor": colour, "markeredgewidth": 0.9,
    }  # fmt: skip
