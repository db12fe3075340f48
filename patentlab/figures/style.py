"""What all figures share: size, colours that everyone can tell apart, and how they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, made for colour-blind readers
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "savefig.dpi": 150,
}


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure in the house's style, with one pair of axes.

    Args:
        width: In inches.
        height: In inches.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()


def save(figure: Figure, path: Path) -> Path:
    """Save a figure.

    Args:
        figure: Complete.
        path: Its suffix decides on the format.

    Returns:
        The path.
    """
    with rc_context(_STYLE):
        figure.savefig(path)
    return path
