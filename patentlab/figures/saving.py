"""Figures as files."""

from __future__ import annotations

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from patentlab.figures.style import STYLE


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
