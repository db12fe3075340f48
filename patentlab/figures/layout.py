"""Where things stand in a figure: panels, titles, names of axes and rows, legends."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from patentlab.figures.columns import numbers
from patentlab.figures.style import COLUMN, GREY, LINE, PAGE, PLAIN, SMALL, STYLE, TEXT


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure in the house's style, with one pair of axes.

    Args:
        width: In inches.
        height: In inches.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()


def new_panels(count: int, height: float, width: float = COLUMN) -> tuple[Figure, list[Axes]]:
    """An empty figure with panels that share their axes, two beside each other at most.

    Args:
        count: Of panels, from 1.
        height: Of a panel, in inches.
        width: Of a panel that stands alone, in inches.
    """
    columns = min(count, 2)
    rows = ceil(count / columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(width if columns == 1 else PAGE, height * rows), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panels: list[Axes] = list(grid.flat)
    for left_over in panels[count:]:
        left_over.remove()
    for axes in panels[:count]:
        axes.tick_params(labelsize=SMALL)
    for axes in panels[max(count - columns, 0) : count]:  # above a gap nothing else carries the numbers
        axes.tick_params(labelbottom=True)
    return figure, panels[:count]


def sentence_figure(sentence: str) -> Figure:
    """A figure for when there is nothing to draw.

    Args:
        sentence: That says so.
    """
    figure, axes = new_axes(COLUMN, 1.0)
    axes.set_axis_off()
    axes.text(0.5, 0.5, fill(sentence, 48), ha="center", va="center", fontsize=TEXT, transform=axes.transAxes, **PLAIN)
    return figure


def name_axes(panels: Sequence[Axes], x_label: str, y_label: str = "") -> None:
    """Name the shared axes: below the lowest panel of each column, and left of each row.

    Args:
        panels: All of a figure.
        x_label: With the unit.
        y_label: With the unit; none where rows are named.
    """
    columns = min(len(panels), 2)
    first = panels[0]
    height = first.get_window_extent().height / first.figure.dpi
    alone = columns == 1
    x_width = (36 if alone else 40) if y_label else (24 if alone else 30)  # characters; names of rows take room
    for number, axes in enumerate(panels):
        if number + columns >= len(panels):
            axes.set_xlabel(fill(x_label, x_width), fontsize=TEXT, **PLAIN)
        if number % columns == 0 and y_label:
            axes.set_ylabel(fill(y_label, max(int(height * 13), 14)), fontsize=TEXT, **PLAIN)


def head(axes: Axes, title: str, note: str = "", lines: int = 0) -> None:
    """Write a panel's title and, in smaller print below it, a note.

    Args:
        axes: Of the panel.
        title: Short.
        note: Wrapped already.
        lines: Kept free for it: those of the longest note of the panels beside it.
    """
    axes.set_title(fill(title, 42), loc="left", fontsize=TEXT, pad=5 + 10.5 * lines, **PLAIN)
    if note:
        note += "\n" * (lines - note.count("\n") - 1)  # titles of panels beside each other stand equally high
        axes.annotate(
            note, (0, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points",
            fontsize=7.5, color=GREY, va="bottom", **PLAIN,
        )  # fmt: skip


def with_count(title: str, counts: Any, unit: str = "") -> str:
    """A title with the number of what stands behind each point.

    Args:
        title: May be empty.
        counts: Of every point; missing ones are left out.
        unit: What stands behind n, such as ``per point``.
    """
    known = sorted({round(float(n)) for n in np.asarray(counts, dtype=float) if np.isfinite(n)})
    if not known:
        return title
    said = (
        f"n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{known[0]:,}"
        + (f" to {known[-1]:,}" if len(known) > 1 else "")
        + (f" {unit}" if unit else "")
    )
    return f"{title}, {said}" if title else said


def name_rows(panels: Sequence[Axes], names: Sequence[str], above: float = 0.0) -> None:
    """Name the rows of panels whose rows are named things, the first at the top.

    Args:
        panels: That share the rows.
        names: From the top.
        above: Room over the first row, in rows.
    """
    wrapped = _row_names(names, len(panels))
    for axes in panels:  # positions are shared, looks are not
        axes.set_yticks(range(len(names)), wrapped, fontsize=SMALL, **PLAIN)
        axes.set_ylim(len(names) - 0.5, -0.5 - above)


def head_with_counts(axes: Axes, title: str, table: pd.DataFrame, column: str, names: Sequence[str]) -> None:
    """Write a title, and n into it; where rows differ in n, beside each row.

    Args:
        axes: With a row a name.
        title: May be empty.
        table: ``n`` and the names.
        column: Of the names.
        names: From the top.
    """
    counts = numbers(table, "n")
    known = np.isfinite(counts)
    if len(np.unique(counts[known])) < 2:
        head(axes, with_count(title, counts))
        return
    head(axes, title)
    beside: Any = {"textcoords": "offset points", "fontsize": SMALL, "color": GREY, **PLAIN}
    axes.annotate("n", (1, 1), xycoords="axes fraction", xytext=(5, 4), style="italic", **beside)
    for name, count in zip(table.loc[known, column], counts[known], strict=True):
        at = (1, names.index(str(name)))
        axes.annotate(f"{count:,.0f}", at, xycoords=("axes fraction", "data"), xytext=(5, 0), va="center", **beside)


def row_height(names: Sequence[str], panels: int) -> float:
    """Inches that a row needs for its name.

    Args:
        names: Of the rows.
        panels: That the figure has.
    """
    lines = max(name.count("\n") + 1 for name in _row_names(names, panels))
    return max(0.24, 0.12 * lines + 0.08)


def legend_below(figure: Figure, entries: Sequence[tuple[Artist, str]]) -> None:
    """Put a legend under a figure, in as many columns as fit; the figure grows by it.

    Args:
        figure: With all that it shows.
        entries: What is drawn, and its name.
    """
    if not entries:
        return
    room = figure.get_figwidth() * 72 - 12
    names = [fill(name, int(room / 5.2) - 8) for _, name in entries]
    widths = [text_width(line, SMALL) for name in names for line in name.split("\n")]
    fitting = int((room + 12) // (max(widths) + 44))  # 44: the handle, its distance, and that of the columns
    columns = min(max(fitting, 1), len(entries))
    with_lines = any(_has_line(artist) for artist, _ in entries)
    legend = figure.legend(
        [artist for artist, _ in entries], ["name"] * len(entries), loc="outside lower center", ncols=columns,
        fontsize=SMALL, frameon=False, handlelength=2.6 if with_lines else 1.2, columnspacing=1.5, borderaxespad=0.2,
    )  # fmt: skip
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)  # given to the legend itself, a name with a leading _ would be left out
        text.set_parse_math(False)
    lines = [name.count("\n") + 1 for name in names]
    per_column = ceil(len(lines) / columns)
    tallest = max(sum(lines[n : n + per_column]) for n in range(0, len(lines), per_column))
    figure.set_figheight(figure.get_figheight() + LINE * tallest + 0.1)


def _row_names(names: Sequence[str], panels: int) -> list[str]:
    return [fill(name, 22 if panels == 1 else 32) for name in names]  # a lone panel is narrow


def _has_line(artist: Artist) -> bool:
    return isinstance(artist, Line2D) and artist.get_linestyle() != "None"


def text_width(text: str, size: float) -> float:
    """How wide a line of text is, in points.

    Args:
        text: The line.
        size: Of its font.
    """
    return float(text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)[0])
