"""How far probabilities can be taken at their word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from patentlab.figures.columns import numbers, rows_of
from patentlab.figures.layout import head, legend_below, name_axes, new_panels, sentence_figure, with_count
from patentlab.figures.style import GREY, handle, marks

_SMALLEST, _LARGEST = 10.0, 110.0  # square points


def reliability(table: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Observed frequency against stated probability, bin by bin.

    Args:
        table: ``arm, predicted, observed, count``, a row a bin: mean probability, frequency, and what the bin holds.
            Empty bins are left out.
        summary: ``arm, ece``: the expected calibration error of each arm, written behind its name.

    Returns:
        The figure; the area of a marker grows with the root of what its bin holds.
    """
    table = table[numbers(table, "count") > 0] if not table.empty else table
    if table.empty:
        return sentence_figure("No arm has probabilities to judge.")
    arm_marks, most = marks(table["arm"]), float(numbers(table, "count").max())
    figure, (axes,) = new_panels(1, 3.5)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (1, 2)))
    entries: list[tuple[Any, str]] = []
    totals: list[float] = []
    for arm, mark in arm_marks.items():
        own = rows_of(table, "arm", arm).sort_values("predicted", kind="stable")
        x, y, count = (numbers(own, one) for one in ("predicted", "observed", "count"))
        axes.plot(x, y, color=mark.colour, linestyle=mark.line, linewidth=1.0, alpha=0.8)
        face = mark.face if mark.face == "white" else mark.colour
        axes.scatter(
            x, y, s=_areas(count, most), marker=mark.marker, facecolors=face, alpha=0.8, zorder=3,
            edgecolors=mark.colour if face == "white" else "white", linewidths=0.5,
        )  # fmt: skip
        errors = numbers(rows_of(summary, "arm", arm), "ece")
        error = f", ECE\N{NO-BREAK SPACE}{errors[0]:.3f}" if len(errors) and np.isfinite(errors[0]) else ""
        entries.append((handle(mark, line=True), f"{arm}{error}"))
        totals.append(float(count.sum()))
    least = float(numbers(table, "count").min())
    for size in dict.fromkeys((least, most)):
        dot = Line2D([], [], linestyle="none", marker="o", color=GREY, markersize=float(np.sqrt(_areas(size, most))))
        entries.append((dot, f"bin with {int(size):,} probabilities"))
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(-0.04, 1.04)
    axes.set_aspect("equal", anchor="N")
    head(axes, with_count("", totals, "probabilities per arm"))
    name_axes([axes], "mean predicted probability", "observed frequency")
    legend_below(figure, entries)
    return figure


def _areas(count: Any, most: float) -> Any:
    return _SMALLEST + (_LARGEST - _SMALLEST) * np.sqrt(count / most)
