"""Axes with few and round numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from patentlab.figures.layout import text_width
from patentlab.figures.style import PLAIN, SMALL


def round_values(axes: Axes) -> None:
    """Few and round numbers on the x-axis, so that they do not touch.

    Args:
        axes: Of any of the panels that share it.
    """
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def log_counts(axes: Axes, values: Any, ticks: Iterable[float] | None = None, *, short: bool = False) -> None:
    """A logarithmic x-axis for counts; a zero among them stands left of the others.

    Args:
        axes: Of a figure with this one panel.
        values: That are drawn.
        ticks: That are wanted, powers of ten and their parts if None; those without room for their number are left out.
        short: Write 10k for 10,000.
    """
    known = np.unique(values[np.isfinite(values)])
    above = known[known > 0]
    if not len(above):
        axes.set_xticks([0], ["0"], fontsize=SMALL)
        return
    low, high = float(np.log10(above[0])), float(np.log10(above[-1]))
    if known[0] <= 0:
        axes.set_xscale("symlog", linthresh=float(above[0]))
        left, margin = low - 1.11, 0.06 * (high - low + 1)  # 1.11: matplotlib's width of the stretch below linthresh
        axes.set_xlim(-float(above[0]) * 0.15, 10 ** (high + margin))
    else:
        left, margin = low, max(0.06 * (high - low), 0.1)
        axes.set_xscale("log")
        axes.set_xlim(10 ** (low - margin), 10 ** (high + margin))
    if ticks is None:
        steps = (1,) if high - low > 1.5 else (1, 2, 5)
        inside = (step * 10.0**power for power in range(int(low) - 1, int(high) + 2) for step in steps)
        ticks = [*known[known <= 0], *(x for x in inside if low - margin <= np.log10(x) <= high + margin)]
    points_a_decade = (axes.figure.bbox.width / axes.figure.dpi - 0.75) * 72 / (high - left + 2 * margin)
    shown: list[float] = []
    names: list[str] = []
    free_from = -np.inf
    for value in sorted(ticks):
        name = _short(value) if short else f"{value:,.0f}"
        place = points_a_decade * (float(np.log10(value)) if value > 0 else left)
        half = text_width(name, SMALL) / 2
        if place - half >= free_from:
            shown.append(float(value))
            names.append(name)
            free_from = place + half + 6
    axes.set_xticks(shown, names, fontsize=SMALL, **PLAIN)
    axes.minorticks_off()


def _short(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{sign}"
    return f"{value:g}"
