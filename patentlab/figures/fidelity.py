"""Whether text that is closer to the real one helps more."""

from __future__ import annotations

from math import isfinite
from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from patentlab.figures.columns import in_order, numbers, rows_of
from patentlab.figures.layout import head, legend_below, name_axes, new_panels, sentence_figure
from patentlab.figures.style import GREY, LINE, PLAIN, SMALL, handle, marks

_HEIGHT = 2.5  # inches of a panel


def fidelity_against_gain(
    points: pd.DataFrame, fits: pd.DataFrame, bands: pd.DataFrame, x_label: str, y_label: str
) -> Figure:
    """Fidelity of a synthetic corpus against what it gained, a panel a regime.

    Args:
        points: A row per corpus with ``regime, point, cluster, x, y``; the cluster is its generator.
        fits: A row per regime with ``regime, n, r, r_low, r_high, p, sentence``; where r is missing, the sentence says
            why and is written instead.
        bands: ``regime, x, fitted, low, high``: points along the fitted line, with its band; may be empty.
        x_label: Name and unit of x.
        y_label: Name and unit of y.

    Returns:
        The figure; what the correlation is stands above the points of each panel.
    """
    regimes = in_order([*points.get("regime", []), *fits.get("regime", [])])
    if points.empty or not regimes:
        return sentence_figure("No synthetic corpus has both a fidelity and a gain yet.")
    cluster_marks = marks(points["cluster"])
    figure, panels = new_panels(len(regimes), _HEIGHT)
    said = [_correlation(rows_of(fits, "regime", regime)) for regime in regimes]
    for axes, regime in zip(panels, regimes, strict=True):
        band = rows_of(bands, "regime", regime)
        if not band.empty:
            x = numbers(band, "x")
            axes.fill_between(x, numbers(band, "low"), numbers(band, "high"), color=GREY, alpha=0.18, linewidth=0)
            axes.plot(x, numbers(band, "fitted"), color=GREY, linewidth=1.2)
        axes.axhline(0, color="black", linewidth=0.6)
        own = rows_of(points, "regime", regime)
        for cluster in in_order(own["cluster"]):
            some = rows_of(own, "cluster", cluster)
            axes.plot(numbers(some, "x"), numbers(some, "y"), linestyle="none", **cluster_marks[cluster].points(5.5))
        head(axes, f"regime {regime}")
    _make_room(panels[0], max(text.count("\n") + 1 for text in said))
    for axes, text in zip(panels, said, strict=True):
        axes.text(0.02, 0.985, text, transform=axes.transAxes, va="top", fontsize=SMALL, linespacing=1.25, **PLAIN)
    name_axes(panels, x_label, y_label)
    if len(cluster_marks) > 1:
        legend_below(figure, [(handle(mark), name) for name, mark in cluster_marks.items()])
    return figure


def _correlation(fit: pd.DataFrame) -> str:
    if fit.empty:
        return ""
    row = fit.iloc[0]
    r, low, high, p = (float(row[one]) for one in ("r", "r_low", "r_high", "p"))
    count = f"n = {float(row['n']):.0f}" if isfinite(float(row["n"])) else ""
    if not isfinite(r):
        return f"{count}\n{fill(str(row['sentence']), 42)}".strip()
    between = f" [{low:+.2f}, {high:+.2f}]" if isfinite(low) and isfinite(high) else ""
    chance = "" if not isfinite(p) else ", p < 0.001" if p < 0.001 else f", p = {p:.3f}"
    return f"r = {r:+.2f}{between}\n{count}{chance}".replace("-", "−")


def _make_room(axes: Axes, lines: int) -> None:
    """Stretch the shared y-axis upwards, so that the text covers no point."""
    low, high = axes.get_ylim()
    share = min((LINE * lines + 0.08) / (_HEIGHT - 0.75), 0.6)
    axes.set_ylim(low, high + (high - low) * share / (1 - share))
