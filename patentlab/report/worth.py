"""What documents are worth, reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from patentlab.analysis.worth import Prices, Worth, worth
from patentlab.config import RequestError
from patentlab.figures.worth import worth_on_curve
from patentlab.report.captions import NAMES
from patentlab.report.page import write_report
from patentlab.report.pictures import Picture
from patentlab.report.printing import as_markdown
from patentlab.report.request import evidence_of

_EXPLAINED = (
    "worth: labelled documents, beyond an arm's own, that would have brought its score, with the 95% interval; beyond "
    "and below: outside of the curve, where no number is told; rate: of each document added; pays_above: the price of "
    "a label from which on adding pays, infinite where the added documents are worth nothing."
)
_SHOWN = ("regime", "arm", "documents", "added", "worth", "rate", "pays_above", "seeds", "sentence")
_CLASSIFIER = ("model", "head", "adapter")


def make_worth_report(
    title: str, matrix: pd.DataFrame, metric: str, more: int, prices: Prices, folder: Path
) -> list[str]:
    """Analyse what documents are worth, and write a report of it.

    Args:
        title: Of the page.
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`.
        metric: The score.
        more: Documents whose labelling is told of.
        prices: Of documents.
        folder: Where to.

    Returns:
        Lines for a terminal: what can be said, then a table.

    Raises:
        RequestError: No run finished, or none has the metric, or none on real documents alone.
    """
    evidence = evidence_of(matrix, metric)
    found = worth(evidence, metric, more, prices)
    if found.points.empty:
        raise RequestError("sweep: no run on real documents alone (strategy=none), so there is no learning curve")
    keys = [str(name) for name in found.points if name not in ("documents", "mean", "n")]
    said = [*_sentences(found, keys, prices), *_labelling(found, keys, more, NAMES.get(metric, metric))]
    if len(found.arms):
        said.append(_EXPLAINED)
    shown = {"worth": found.arms, "labels": found.labels, "points": found.points}
    write_report(title, shown, list(_pictures(found, keys, NAMES.get(metric, metric))), said, folder)
    return [*said, *(["", as_markdown(_brief(found.arms, keys))] if len(found.arms) else [])]


def _pictures(found: Worth, keys: Sequence[str], score: str) -> Iterator[Picture]:
    if found.curves.empty:
        return
    for number, (conditions, curve) in enumerate(found.curves.groupby(list(keys), dropna=False, sort=False)):
        told = dict(zip(keys, conditions, strict=True))
        points, arms = (_same(table, told) for table in (found.points, found.arms))
        name = _classifier(told, _varying(found.points, keys))
        yield Picture(
            f"worth-{number}" if number else "worth",
            worth_on_curve(curve, points, arms, name, score),
            f"What added documents are worth: {name}",
        )


def _sentences(found: Worth, keys: Sequence[str], prices: Prices) -> Iterator[str]:
    """Of each classifier: how many arms are worth something for sure, and the one that is worth most."""
    if found.arms.empty:
        yield "No run has added documents, so there is nothing to project onto the curve."
        return
    varying = _varying(found.points, keys)
    for conditions, arms in found.arms.groupby(list(keys), dropna=False, sort=False):
        name = _classifier(dict(zip(keys, conditions, strict=True)), varying)
        known = arms[arms["worth"].notna()]
        if known.empty:
            yield f"{name}: {arms['sentence'].iloc[0]}."
            continue
        above, below = int((known["worth_low"] > 0).sum()), int((known["worth_high"] < 0).sum())
        words, are, cost = (
            _plural(len(known), "arm", "arms"),
            _plural(above, "is", "are"),
            _plural(below, "costs", "cost"),
        )
        yield (
            f"{name}: of {len(known)} {words} with added documents {above} {are} worth labelled documents and {below} "
            f"{cost} some, for sure (95% intervals, each for itself)."
        )
        best = known.sort_values(["worth_low", "worth"], ascending=False, kind="stable").iloc[0]
        yield f"{name}: {_told(best, prices)}"


def _plural(count: int, one: str, several: str) -> str:
    return one if count == 1 else several


def _told(row: pd.Series, prices: Prices) -> str:
    """What an arm is worth, in a sentence."""
    value = "more labelled ones than the curve has" if row["worth"] == np.inf else f"{row['worth']:.0f} labelled ones"
    if row["worth"] == -np.inf:
        value = "fewer labelled ones than the curve begins with"
    said = f"at {row['regime']}, {row['added']:.0f} documents of {row['arm']} are worth {value} {_ends(row, 'worth')}"
    if np.isfinite(row["rate"]):
        said += f", {row['rate']:.2f} a document {_ends(row, 'rate', 2)}"
    if np.isfinite(row["pays_above"]):
        unit = " s of the machine" if prices.document is None else ""
        said += f"; adding them pays where a label costs more than {row['pays_above']:.3g}{unit}"
        said += f" {_ends(row, 'pays_above', None)}"
    return f"{said}."


def _labelling(found: Worth, keys: Sequence[str], more: int, score: str) -> Iterator[str]:
    """What labelling more brings where documents are fewest."""
    varying = _varying(found.points, keys)
    for conditions, rows in found.labels[found.labels["documents"].notna()].groupby(
        list(keys), dropna=False, sort=False
    ):
        name, row = _classifier(dict(zip(keys, conditions, strict=True)), varying), rows.iloc[0]
        said = f"{name}: labelling {more} more than {row['documents']:.0f} documents"
        if np.isnan(row["rise"]):
            yield f"{said}: {row['sentence']}."
            continue
        ends = "" if np.isnan(row["rise_low"]) else f" [{row['rise_low']:+.3g}, {row['rise_high']:+.3g}]"
        yield f"{said} brings {score} {row['rise']:+.3g}{ends}."


def _ends(row: pd.Series, name: str, digits: int | None = 0) -> str:
    ends = [float(row[f"{name}_{end}"]) for end in ("low", "high")]
    if np.isnan(ends).any():
        return "(no interval)"
    return "[" + ", ".join(_end(value, digits) for value in ends) + "]"


def _end(value: float, digits: int | None) -> str:
    if np.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.3g}" if digits is None else f"{round(value, digits) + 0.0:.{digits}f}"  # no -0


def _value(row: pd.Series, name: str, digits: int | None) -> str:
    """A value, or that it lies outside of the curve."""
    if name != "pays_above" and np.isinf(row[name]):
        return "beyond" if row[name] > 0 else "below"
    return _end(row[name], digits)


def _brief(arms: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The table for a terminal: values with their intervals, and conditions that vary."""
    table = arms[[*_varying(arms, keys), *_varying(arms, ("mix", "budget", "ordering")), *_SHOWN]].copy()
    for name, digits in (("worth", 0), ("rate", 2), ("pays_above", None)):
        table[name] = [
            "" if np.isnan(row[name]) else f"{_value(row, name, digits)} {_ends(row, name, digits)}"
            for _, row in arms.iterrows()
        ]
    return table.assign(documents=table["documents"].round(), added=table["added"].round())


def _varying(table: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    return [name for name in keys if len(table[name].map(str).unique()) > 1]


def _classifier(conditions: Mapping[str, Any], varying: Sequence[str]) -> str:
    """What a curve is called: its classifier, and whatever else tells curves apart."""
    parts = [str(conditions[name]) for name in _CLASSIFIER if conditions.get(name) not in (None, "none")]
    more = [
        f"{name} {conditions[name]}" for name in varying if name not in _CLASSIFIER and conditions[name] is not None
    ]
    return ", ".join(["-".join(dict.fromkeys(parts)), *more])


def _same(table: pd.DataFrame, conditions: Mapping[str, Any]) -> pd.DataFrame:
    for name, value in conditions.items():
        table = table[table[name].isna() if pd.isna(value) else table[name] == value] if len(table) else table
    return table
