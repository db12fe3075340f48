"""What classifiers do with documents that somebody has tampered with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from patentlab.figures.layout import sentence_figure
from patentlab.figures.style import PAGE, PLAIN, SMALL, STYLE, TEXT

_CELL = 0.36, 0.3  # inches: width and height
_DARK = 0.55  # above it, white digits on the colour


def tampered_map(table: pd.DataFrame, names: Mapping[str, str], families: Mapping[str, str] | None = None) -> Figure:
    """A map of rates: a row a classifier, a column for what became of documents, a panel a rate.

    Args:
        table: ``row`` (what a row is called), ``what, rate, mean``.
        names: What rates are called.
        families: Of what became of documents, where they belong together; columns are in the order of these, and
            their names stand above them.

    Returns:
        The figure; each cell has its number in hundredths.
    """
    if table.empty:
        return sentence_figure("No documents were tampered with.")
    rows = list(dict.fromkeys(table["row"]))
    families = families or {}
    order = {name: place for place, name in enumerate(dict.fromkeys(families.values()))}
    columns = list(dict.fromkeys(table["what"]))
    columns.sort(key=lambda name: order.get(families.get(name, ""), -1))
    rates = list(dict.fromkeys(table["rate"]))
    written = [fill(row, 34) for row in rows]
    margin = 0.075 * max(len(line) for row in written for line in row.split("\n")) + 0.2
    below = 0.085 * max(map(len, columns))
    across = min(PAGE, margin + _CELL[0] * len(columns) + 0.2)
    height = (len(rates) * (_CELL[1] * max(len(rows), 2) + 0.55)) + below
    with rc_context(STYLE):
        figure = Figure(figsize=(across, height), layout="constrained")
        panels = figure.subplots(len(rates), 1, sharex=True, squeeze=False)[:, 0]
    for axes, rate in zip(panels, rates, strict=True):
        part = table[table["rate"] == rate].pivot_table(index="row", columns="what", values="mean", sort=False)
        _panel(axes, part.reindex(index=rows, columns=columns).to_numpy(dtype=float))
        axes.set_yticks(range(len(rows)), written, fontsize=SMALL, **PLAIN)
        axes.set_title(names.get(rate, rate), loc="left", fontsize=TEXT, pad=14 if order else 6, **PLAIN)
        _bands(axes, columns, families)
    panels[-1].set_xticks(
        range(len(columns)), [name.replace("_", " ") for name in columns], rotation=90, fontsize=SMALL, **PLAIN
    )
    return figure


def _panel(axes: Axes, values: np.ndarray) -> None:
    axes.imshow(values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            colour = "white" if value > _DARK else "black"
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=SMALL, color=colour)


def _bands(axes: Axes, columns: Sequence[str], families: Mapping[str, str]) -> None:
    """The families' names above their columns, and lines between them."""
    told = [families.get(name, "") for name in columns]
    start = 0
    for place in range(1, len(told) + 1):
        if place < len(told) and told[place] == told[start]:
            continue
        if place < len(told):
            axes.axvline(place - 0.5, color="black", linewidth=0.8)
        if told[start]:
            middle = (start + place - 1) / 2
            axes.text(middle, -0.62, told[start], ha="center", va="bottom", fontsize=SMALL - 1, **PLAIN)
        start = place
