"""Points with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from patentlab.figures.columns import numbers
from patentlab.figures.style import GREY, PLAIN, Mark


def intervals(
    axes: Axes, at: Any, low: Any, high: Any, *, colour: str, across: bool = False, caps: float = 0.0
) -> None:
    """Draw intervals as lines, those that are known.

    Args:
        axes: To draw on.
        at: Position of each.
        low: Lower ends; NaN where unknown.
        high: Upper ends; NaN where unknown.
        colour: Of the lines.
        across: Horizontal instead of upright.
        caps: Length of strokes across the ends, in points; they keep a short interval visible.
    """
    known = np.isfinite(low) & np.isfinite(high) & np.isfinite(at)
    if known.any():
        draw = axes.hlines if across else axes.vlines
        draw(at[known], low[known], high[known], colors=colour, linewidths=1.2, zorder=2)
    for end in (low[known], high[known]) if caps else ():
        places = (end, at[known]) if across else (at[known], end)
        axes.plot(*places, linestyle="none", marker="|" if across else "_", markersize=caps, color=colour, zorder=2)


def dot_rows(
    axes: Axes, table: pd.DataFrame, column: str, names: Sequence[str], *, mark: Mark, offset: float | None = None
) -> None:
    """A point with its interval in the row of each name.

    Args:
        axes: To draw on; row 0 is at the top once :func:`name_rows` was called.
        table: ``mean, low, high`` and the names.
        column: Of the names.
        names: A row each, in this order.
        mark: Of the points.
        offset: Of the points from the middle of their row, in rows, where several series share it. Without one, a row
            that stays empty says so.
    """
    row = {name: number for number, name in enumerate(names)}
    at = np.array([row[str(name)] for name in table[column]], dtype=float)
    mean, low, high = (numbers(table, one) for one in ("mean", "low", "high"))
    intervals(axes, at + (offset or 0), low, high, colour=mark.colour, across=True)
    axes.plot(mean, at + (offset or 0), linestyle="none", zorder=3, **mark.points(5.5 if offset is None else 4.5))
    if offset is None:
        for empty in sorted(set(range(len(names))) - set(at[np.isfinite(mean)].astype(int).tolist())):
            axes.annotate(
                "no result", (0.02, empty), xycoords=("axes fraction", "data"),
                va="center", fontsize=7.5, color=GREY, **PLAIN,
            )  # fmt: skip
