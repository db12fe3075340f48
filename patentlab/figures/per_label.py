"""What several arms do with each label."""

from __future__ import annotations

from math import ceil
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from patentlab.figures.columns import numbers, rows_of
from patentlab.figures.layout import legend_below, sentence_figure
from patentlab.figures.style import GREY, PAGE, PLAIN, SMALL, STYLE, TEXT, handle, marks

MOST_LABELS = 114
_A_ROW = 38  # more names beside each other would touch
_NAME_SIZE = 7


def arms_per_label(table: pd.DataFrame, title: str) -> Figure:
    """F1 of each label under several arms, the labels in order of their test documents.

    Args:
        table: ``label, support, arm, f1``; support counts the test documents with the label.
        title: Of the figure.

    Returns:
        The figure; a line joins the arms of a label, and its support stands behind its name. Labels without a test
        document are left out.
    """
    table = table[table["support"] > 0] if not table.empty else table
    if table.empty:
        return sentence_figure("No label has a test document.")
    supports = table.groupby("label", sort=False)["support"].max().sort_values(ascending=False, kind="stable")
    labels = supports.index.astype(str).tolist()
    left_out, labels = max(len(labels) - MOST_LABELS, 0), labels[:MOST_LABELS]
    rows = ceil(len(labels) / _A_ROW)
    a_row = ceil(len(labels) / rows)
    written = [f"{label} ({int(n):,})" for label, n in zip(labels, supports, strict=False)]
    name_height = 0.057 * max(len(name) for name in written)  # inches
    arm_marks = marks(table["arm"])
    width = min(PAGE, max(3.4, 0.8 + 0.2 * a_row))
    with rc_context(STYLE):
        figure = Figure(figsize=(width, rows * (1.9 + name_height) + 0.3), layout="constrained")
        panels = figure.subplots(rows, 1, sharey=True, squeeze=False)[:, 0]
    for number, axes in enumerate(panels):
        _row(axes, labels[number * a_row : (number + 1) * a_row], table, arm_marks)
        names = written[number * a_row : (number + 1) * a_row]
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=_NAME_SIZE, **PLAIN)
        axes.set_xlim(-0.7, a_row - 0.3)
        axes.set_ylabel("F1", fontsize=TEXT)
    panels[0].set_ylim(-0.05, 1.05)
    panels[-1].set_xlabel("label (test documents with it)", fontsize=TEXT)
    head = title + (f"; {left_out} rarer labels left out" if left_out else "")
    panels[0].set_title(fill(head, int(width * 14)), loc="left", fontsize=TEXT, **PLAIN)
    legend_below(figure, [(handle(mark), name) for name, mark in arm_marks.items()])
    return figure


def _row(axes: Any, labels: list[str], table: pd.DataFrame, arm_marks: dict[str, Any]) -> None:
    place = {label: number for number, label in enumerate(labels)}
    own = table[table["label"].astype(str).isin(place)]
    axes.tick_params(axis="y", labelsize=SMALL)
    axes.grid(axis="y", alpha=0.3)
    step = min(0.3, 0.6 / len(arm_marks))  # arms of one value would cover each other
    aside = {arm: step * (number - (len(arm_marks) - 1) / 2) for number, arm in enumerate(arm_marks)}
    own = own.assign(x=[place[str(row.label)] + aside[str(row.arm)] for row in own.itertuples()])
    joined = [
        np.column_stack([numbers(some, "x"), numbers(some, "f1")]) for _, some in own.sort_values("x").groupby("label")
    ]
    axes.add_collection(LineCollection(joined, colors=GREY, linewidths=0.7, zorder=1))
    for arm, mark in arm_marks.items():
        some = rows_of(own, "arm", arm)
        axes.plot(numbers(some, "x"), numbers(some, "f1"), linestyle="none", zorder=3, **mark.points(4.2))
