"""What a classifier does with each label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from patentlab.figures.layout import new_axes, text_width
from patentlab.figures.saving import save
from patentlab.figures.style import BLUE

MOST_LABELS = 40
_PANEL = (385.0, 195.0)  # points that a panel of 6.5 by 4 inches has at least, inside of its axes
_PLAIN: Any = {"parse_math": False}  # a $ in a name is no formula


def draw_labels(tables: Mapping[str, pd.DataFrame], title: str, folder: Path) -> None:
    """Draw what became of each label on the test set, where the task has such tables.

    Args:
        tables: ``per_label`` and ``confusions``, or others.
        title: Of the figures.
        folder: Gets ``per_label_f1.png`` and ``confusions.png``.
    """
    if {"per_label", "confusions"} <= set(tables):
        what = "entities of the type" if "entities" in tables["confusions"] else "documents with the label"
        save(f1_against_support(tables["per_label"], title, what), folder / "per_label_f1.png")
        save(confusion_map(tables["confusions"], tables["per_label"], title, what), folder / "confusions.png")


def f1_against_support(table: pd.DataFrame, title: str, what: str = "documents with the label") -> Figure:
    """F1 of each label against how often it occurs in the test set; the labels at the edges are named.

    Args:
        table: A row per label with ``label, f1, support``.
        title: Of the figure.
        what: Is counted.

    Returns:
        The figure; labels without a test document are left out.
    """
    shown = table[table["support"] > 0].sort_values("support", ascending=False)
    figure, axes = new_axes(6.5, 4.0)
    axes.scatter(shown["support"], shown["f1"], s=22, color=BLUE, alpha=0.7, linewidths=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(0.8, 1.7 * max(shown["support"].max(), 2))  # room for the names
    axes.set_ylim(-0.06, 1.06)
    axes.grid(alpha=0.3)
    axes.set_xlabel(f"test {what}")
    axes.set_ylabel("F1")
    axes.set_title(title, loc="left", fontsize=10, **_PLAIN)
    across = np.log10(axes.get_xlim()[1] / axes.get_xlim()[0])
    taken: list[Bbox] = []
    for row in shown.itertuples():
        support, f1 = float(str(row.support)), float(str(row.f1))
        x, y = _PANEL[0] * np.log10(support / axes.get_xlim()[0]) / across, _PANEL[1] * f1 / 1.12
        box = Bbox.from_bounds(x, y, text_width(str(row.label), 7), 8)
        # a name is written only where it covers no other, and stays on the page
        if box.x1 < _PANEL[0] and not any(box.overlaps(other) for other in taken):
            taken.append(box)
            axes.annotate(
                str(row.label), (support, f1), xytext=(4, 3), textcoords="offset points", fontsize=7, **_PLAIN
            )
    return figure


def confusion_map(
    table: pd.DataFrame, per_label: pd.DataFrame, title: str, what: str = "documents with the label"
) -> Figure:
    """What documents with a label, or entities of a type, were given, as shares of these.

    Args:
        table: ``label, given, share``, as of :func:`patentlab.evaluation.classification.confusions`.
        per_label: ``label, support``; the commonest labels are shown, the commonest first, and behind them what else
            was given: parts of entities, or nothing.
        title: Of the figure.
        what: Is counted.

    Returns:
        A heat map; on its diagonal is the recall of each label.
    """
    order = per_label[per_label["support"] > 0].sort_values("support", ascending=False, kind="stable")
    names = order["label"].tolist()[:MOST_LABELS]
    given = table["given"]
    if "entities" in table:  # a label of documents may be called so
        given = given.where(~given.astype(str).str.startswith("part of "), "in part")  # of whichever type
    shares = table.assign(given=given).pivot_table(
        index="label", columns="given", values="share", fill_value=0.0, aggfunc="sum"
    )
    others = [name for name in shares.columns if name not in set(per_label["label"])]
    grid = shares.reindex(index=names, columns=[*names, *others], fill_value=0.0).to_numpy(dtype=float)
    size = max(2.2 + 0.17 * len(names), 4.6)  # smaller ones have no room for what is written beside them
    figure, axes = new_axes(size + 0.8, size)
    image = axes.imshow(grid, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks(range(len(names) + len(others)), [*names, *others], rotation=90, fontsize=7, **_PLAIN)
    axes.set_yticks(range(len(names)), names, fontsize=7, **_PLAIN)
    axes.set_xlabel("given wrongly (on the diagonal: rightly)")
    axes.set_ylabel(what)
    left_out = len(order) - len(names)
    title += f"; {left_out} rarer labels left out" if left_out else ""
    axes.set_title(fill(title, int(9 * size)), loc="left", fontsize=10, **_PLAIN)
    bar = figure.colorbar(image, ax=axes, shrink=0.7)
    bar.set_label(f"share of the row's {what.partition(' ')[0]}")
    bar.locator = MaxNLocator(5)
    bar.update_ticks()
    return figure
