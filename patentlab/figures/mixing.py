"""How much of a training set should be real, and what more real documents are worth."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from patentlab.figures.columns import in_order, numbers, rows_of
from patentlab.figures.intervals import dot_rows, intervals
from patentlab.figures.layout import (
    head,
    head_with_counts,
    legend_below,
    name_axes,
    name_rows,
    new_panels,
    row_height,
    sentence_figure,
    with_count,
)
from patentlab.figures.scales import log_counts, round_values
from patentlab.figures.style import BLACK, BLUE, GREY, LINE, Mark, handle, marks

_APART = 0.008  # of the share: intervals of several models at one share would cover each other


def score_against_share(curve: pd.DataFrame, optima: pd.DataFrame, y_label: str) -> Figure:
    """Score against the share of real documents at a fixed budget, a panel a regime and a line a model.

    Models are moved a little sideways, so that their intervals stand beside each other.

    Args:
        curve: ``regime, model, share, mean, low, high, n``, a row a point.
        optima: ``regime, model, share, low, high, sentence``: the best share with its interval, drawn below the curves;
            a sentence, where there is one, is written above the panel. May be empty.
        y_label: Name and unit of the score.

    Returns:
        The figure.
    """
    if curve.empty:
        return sentence_figure("No run has varied the share of real documents yet.")
    regimes, model_marks = in_order(curve["regime"]), marks(curve["model"])
    figure, panels = new_panels(len(regimes), 2.6)
    offsets = {name: _APART * (n - (len(model_marks) - 1) / 2) for n, name in enumerate(model_marks)}
    notes = [_notes(rows_of(optima, "regime", regime)) for regime in regimes]
    note_lines = max(note.count("\n") + 1 if note else 0 for note in notes)
    for axes, regime, note in zip(panels, regimes, notes, strict=True):
        own = rows_of(curve, "regime", regime)
        for model in in_order(own["model"]):
            _line(axes, rows_of(own, "model", model), "share", model_marks[model], offsets[model])
        head(axes, with_count(f"regime {regime}", own["n"], "per point"), note, note_lines)
        axes.grid(axis="y", alpha=0.3)
    figure.set_figheight(figure.get_figheight() + LINE * note_lines * -(-len(panels) // 2))
    entries = [(handle(mark, line=True), name) for name, mark in model_marks.items()]
    if not optima.empty and np.isfinite(numbers(optima, "share")).any():
        _strip(panels, regimes, optima, model_marks)
        entries.append(
            (
                Line2D([], [], color=GREY, linewidth=3, alpha=0.6, marker="|", markersize=7),
                "best share, with its interval",
            )
        )
    panels[0].set_xlim(-0.04, 1.04)
    panels[0].set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    name_axes(panels, "share of real training documents", y_label)
    legend_below(figure, entries)
    return figure


def learning_curves(table: pd.DataFrame, y_label: str) -> Figure:
    """Score against the number of real training documents, a line an arm.

    Arms are moved a little sideways, so that their intervals stand beside each other.

    Args:
        table: ``arm, documents, mean, low, high, n``, a row a point.
        y_label: Name and unit of the score.

    Returns:
        The figure; without real documents (0) a point stands left of the others.
    """
    if table.empty:
        return sentence_figure("No arm was run yet.")
    arm_marks = marks(table["arm"])
    figure, (axes,) = new_panels(1, 2.8)
    documents = numbers(table, "documents")
    counts = np.unique(documents[np.isfinite(documents)])
    nearest = np.diff(np.log10(counts[counts > 0])).min(initial=0.5)
    for number, (arm, mark) in enumerate(arm_marks.items()):
        aside = 0.3 * nearest * ((number + 0.5) / len(arm_marks) - 0.5)
        own = rows_of(table, "arm", arm)
        _line(axes, own.assign(documents=numbers(own, "documents") * 10**aside), "documents", mark)
    log_counts(axes, documents, counts.tolist())
    axes.grid(axis="y", alpha=0.3)
    head(axes, with_count("", table["n"], "per point"))
    name_axes([axes], "real training documents", y_label)
    legend_below(figure, [(handle(mark, line=True), name) for name, mark in arm_marks.items()])
    return figure


def orderings(table: pd.DataFrame, y_label: str) -> Figure:
    """Score of each ordering of real and synthetic documents, a panel a regime.

    Args:
        table: ``regime, ordering, mean, low, high, n``; rows stand in the order in which they first appear.
        y_label: Name and unit of the score.

    Returns:
        The figure.
    """
    if table.empty:
        return sentence_figure("No ordering of the training set was run yet.")
    regimes, names = in_order(table["regime"]), in_order(table["ordering"])
    figure, panels = new_panels(len(regimes), row_height(names, len(regimes)) * len(names) + 0.75)
    for axes, regime in zip(panels, regimes, strict=True):
        own = rows_of(table, "regime", regime)
        dot_rows(axes, own, "ordering", names, mark=Mark(BLUE, "o", "-", BLUE))
        axes.grid(axis="x", alpha=0.3)
        head_with_counts(axes, f"regime {regime}", own, "ordering", names)
    name_rows(panels, names)
    round_values(panels[0])
    name_axes(panels, y_label)
    return figure


def _line(axes: Axes, table: pd.DataFrame, column: str, mark: Mark, offset: float = 0.0) -> None:
    table = table.sort_values(column, kind="stable")
    x = numbers(table, column) + offset
    intervals(axes, x, numbers(table, "low"), numbers(table, "high"), colour=mark.colour)
    axes.plot(x, numbers(table, "mean"), linestyle=mark.line, linewidth=1.3, zorder=3, **mark.points())


def _strip(panels: list[Axes], regimes: list[str], optima: pd.DataFrame, model_marks: dict[str, Mark]) -> None:
    """Below the curves, a row a model with its best share."""
    names = [name for name in model_marks if name in set(optima["model"].astype(str))]
    share = min(0.07 * len(names) + 0.04, 0.4)
    low, high = panels[0].get_ylim()
    ticks = [tick for tick in panels[0].get_yticks() if low <= tick <= high]
    panels[0].set_ylim(low - (high - low) * share / (1 - share), high)
    panels[0].set_yticks(ticks)
    for axes, regime in zip(panels, regimes, strict=True):
        axes.axhline(low, color=BLACK, linewidth=0.5)
        in_strip = axes.get_xaxis_transform()
        for number, name in enumerate(names):
            best = rows_of(rows_of(optima, "regime", regime), "model", name)
            mark, height = model_marks[name], share * (len(names) - number - 0.5) / len(names)
            for x, left, right in zip(*(numbers(best, one) for one in ("share", "low", "high")), strict=True):
                axes.plot([left, right], [height] * 2, color=mark.colour, alpha=0.5, linewidth=3, transform=in_strip)
                axes.plot([x], [height], transform=in_strip, zorder=3, **mark.points())


def _notes(optima: pd.DataFrame) -> str:
    said = [
        f"{row.model}: {row.sentence}" for row in optima.itertuples() if isinstance(row.sentence, str) and row.sentence
    ]
    return "\n".join(fill(note, 46) for note in said)
