"""What all figures share: size, colours that everyone can tell apart, and how they are saved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's palette, made for colour-blind readers
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
GREY = "#666666"
COLUMN, PAGE = 3.4, 7.1  # inches: of a panel, and of the widest figure
PLAIN: Any = {"parse_math": False}  # a $ in a name is no formula
SMALL, TEXT = 8, 9
LINE = 0.155  # inches: height of a line of small text
STYLE: Any = {
    "font.size": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "savefig.dpi": 150,
}
_COLOURS = (BLUE, RED, GREEN, BLACK, ORANGE, PURPLE, SKY)  # yellow is too pale for print
# with what makes them look equally large
_MARKERS = {
    "o": 1.0, "s": 0.95, "D": 0.9, "^": 1.15, "v": 1.15, "P": 1.25,
    "X": 1.2, "<": 1.15, ">": 1.15, "*": 1.5, "p": 1.2, "h": 1.2,
}  # fmt: skip
_LINES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (6, 1.5, 1, 1.5, 1, 1.5)))


class Mark(NamedTuple):
    """How a series is drawn; in grey print the marker alone tells it apart.

    Attributes:
        colour: Of everything that belongs to it.
        marker: Unlike that of each other series, up to twelve; then they come again, hollow.
        line: Style of its line.
        face: Filling of the marker.
    """

    colour: str
    marker: str
    line: Any
    face: str

    def points(self, size: float = 5.0) -> dict[str, Any]:
        """Keywords of ``Axes.plot`` for its markers.

        Args:
            size: In points.
        """
        edge = self.colour if self.face == "white" else "white"
        return {
            "color": self.colour, "marker": self.marker, "markersize": size * _MARKERS[self.marker],
            "markerfacecolor": self.face, "markeredgecolor": edge, "markeredgewidth": 0.9 if edge != "white" else 0.35,
        }  # fmt: skip


def marks(names: Iterable[object]) -> dict[str, Mark]:
    """A mark for each name, in the order of their first appearance.

    Args:
        names: Repetitions allowed.
    """
    order = in_order(names)
    colours, markers, lines = len(_COLOURS), len(_MARKERS), len(_LINES)
    return {
        name: Mark(
            _COLOURS[n % colours],
            list(_MARKERS)[n % markers],
            _LINES[n % lines],
            _COLOURS[n % colours] if n // markers % 2 == 0 else "white",
        )
        for n, name in enumerate(order)
    }


def in_order(names: Iterable[object]) -> list[str]:
    """Each name once, in the order of its first appearance.

    Args:
        names: Repetitions allowed.
    """
    return list(dict.fromkeys(str(name) for name in names))


def rows_of(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    """The rows of a table that belong to a name.

    Args:
        table: With the column, or empty.
        column: Of names.
        value: As text.
    """
    return table if table.empty else table[table[column].astype(str) == value]


def numbers(table: pd.DataFrame, column: str) -> Any:
    """A column as an array of floats; whatever is missing is NaN.

    Args:
        table: With the column, or empty.
        column: Its name.
    """
    return table[column].to_numpy(dtype=float, na_value=np.nan) if column in table else np.empty(0)


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


def round_values(axes: Axes) -> None:
    """Few and round numbers on the x-axis, so that they do not touch.

    Args:
        axes: Of any of the panels that share it.
    """
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def handle(mark: Mark, *, line: bool = False) -> Line2D:
    """A series' entry in a legend.

    Args:
        mark: Of the series.
        line: Whether it is drawn with one.
    """
    return Line2D([], [], linestyle=mark.line if line else "none", linewidth=1.3, **mark.points())


def legend_below(figure: Figure, entries: Sequence[tuple[Artist, str]]) -> None:
    """Put a legend under a figure, in as many columns as fit; the figure grows by it.

    Args:
        figure: With all that it shows.
        entries: What is drawn, and its name.
    """
    if not entries:
        return
    room = figure.get_figwidth() * 72 - 12
    font = FontProperties(size=SMALL)
    names = [fill(name, int(room / 5.2) - 8) for _, name in entries]
    widths = [_width(line, font) for name in names for line in name.split("\n")]
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
        half = _width(name, FontProperties(size=SMALL)) / 2
        if place - half >= free_from:
            shown.append(float(value))
            names.append(name)
            free_from = place + half + 6
    axes.set_xticks(shown, names, fontsize=SMALL, **PLAIN)
    axes.minorticks_off()


def save(figure: Figure, path: Path) -> Path:
    """Save a figure.

    Args:
        figure: Complete.
        path: Its suffix decides on the format.

    Returns:
        The path.
    """
    with rc_context(STYLE):
        figure.savefig(path)
    return path


def _row_names(names: Sequence[str], panels: int) -> list[str]:
    return [fill(name, 22 if panels == 1 else 32) for name in names]  # a lone panel is narrow


def _has_line(artist: Artist) -> bool:
    return isinstance(artist, Line2D) and artist.get_linestyle() != "None"


def _width(text: str, font: FontProperties) -> float:
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def _short(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{sign}"
    return f"{value:g}"
