"""What all figures share: sizes, and colours and marks that everyone can tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from matplotlib.lines import Line2D

from patentlab.figures.columns import in_order

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


def handle(mark: Mark, *, line: bool = False) -> Line2D:
    """A series' entry in a legend.

    Args:
        mark: Of the series.
        line: Whether it is drawn with one.
    """
    return Line2D([], [], linestyle=mark.line if line else "none", linewidth=1.3, **mark.points())
