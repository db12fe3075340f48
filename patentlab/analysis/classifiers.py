"""Whole classifiers among the settings of runs, and which runs are a pair that differs in one choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from patentlab.analysis.arms import REAL_ONLY, Arm, Runs
from patentlab.analysis.compared import MERGED
from patentlab.analysis.losses import LOSS_SETTINGS
from patentlab.config import RequestError, closest

_PARTS = ("model", "head", "adapter")
_SETTINGS = ("model.", "head.", "adapter.", "trainer.", "loss.", MERGED)  # of a classifier, where they vary
_OF_DATA = ("data.", "parts", "fingerprints.data")
ADDED = ("strategy", "generator", "adaptation", "added_settings")
"""Columns of what is added to the real documents."""

_CLASSIFIER = ("head", "adapter", "loss", "loss_settings", *_SETTINGS, "fingerprints.model")
# a choice → what may change with it where it has to: columns, or what their names begin with
_FOLLOWS = {
    "model": _CLASSIFIER,
    "head": ("adapter", "adapter.", "loss", "head.", "trainer."),  # the loss of its own, but none that was chosen
    "adapter": ("adapter.", "trainer."),
    "adapter.rank": ("adapter.alpha",),  # the update is scaled by alpha / rank
    "loss": ("loss_settings", "trainer."),
    "strategy": ("generator", "adaptation", "added_settings", "mix", "mix.", "ordering"),
    "generator": ("adaptation", "added_settings"),
    "adaptation": ("added_settings",),
    "mix": (*ADDED, "ordering", "mix."),
    "ordering": ("mix.",),
    "data": _OF_DATA,
    "parts": _OF_DATA,
}


@dataclass(frozen=True)
class Classified:
    """Runs with their classifiers told from what they were given.

    Attributes:
        table: That of the runs, with ``classifier`` (its name), ``arm`` without its loss, ``loss_settings,
            added_settings``, and generators where one was asked.
        conditions: The columns of the cell that are no part of a classifier.
        held: All columns in which runs that differ in nothing are equal, seeds apart.
    """

    table: pd.DataFrame
    conditions: list[str]
    held: list[str]

    @property
    def shown(self) -> list[str]:
        """The conditions that a table names: data, regime, and what else varies."""
        varied = {name for name in self.conditions if len(self.table[name].unique()) > 1}
        return [name for name in self.conditions if name in ("data", "regime") or name in varied]


def classified(runs: Runs) -> Classified:
    """Tell classifiers from conditions.

    A classifier is model, head, adapter and loss, and each of their settings, and of the trainer's, that runs of the
    same choices differ in. Its name has what is there to be told: ``minilm-full``, ``tfidf_linear``,
    ``minilm-full-two_layer, focal loss, learning rate 0.001``; a head where models were given several, a setting where
    classifiers of the same parts and loss differ in it.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
    """
    table = runs.table
    arms: list[Arm] = table["arm"].tolist()
    parts = {arm: apart_from_loss(arm) for arm in set(arms)}
    settings = [name for name in runs.cell if _among(name, (*_SETTINGS, "fingerprints.model"))]
    table = table.assign(
        loss_settings=[parts[arm][1] for arm in arms],
        adaptation=_objects(how if arm.generator else None for how, arm in zip(table["adaptation"], arms, strict=True)),
        added_settings=[str(parts[arm][0].settings) for arm in arms],
        generator=_objects(arm.generator for arm in arms),
        arm=_objects(parts[arm][0] for arm in arms),
    )
    heads = len({*table["head"].dropna()} - {"none"}) > 1
    shown = ["model", "adapter", *(["head"] if heads else [])]
    names: dict[Any, str] = {}
    for _, alike in table.groupby([*shown, "loss_settings"], dropna=False, sort=False):
        differing = [name for name in settings if len(alike[name].unique()) > 1]
        rows = alike[[*shown, "loss_settings", *differing]].astype(object).to_dict("records")
        own = [_name({str(name): value for name, value in row.items()}, shown, differing) for row in rows]
        names |= dict(zip(alike.index, own, strict=True))
    table = table.assign(classifier=pd.Series(names, dtype=object))
    conditions = [name for name in runs.cell if name not in (*_PARTS, *settings)]
    return Classified(table, conditions, [*runs.cell, "loss", "loss_settings", *ADDED])


def check_between(runs: Runs, between: str) -> None:
    """Whether a choice is one that runs can be compared between.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
        between: The choice.

    Raises:
        RequestError: It is none.
    """
    allowed = [*runs.cell, "loss", "strategy", "generator", "adaptation"]
    if between not in allowed:
        raise RequestError(f"between={closest(between, allowed)}: allowed are {', '.join(allowed)}")


def pairs_between(found: Classified, between: str) -> list[tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]]:
    """Runs that differ in one choice, with all else equal that can be.

    What follows from the choice may differ by necessity: a TF-IDF model has neither head nor adapter, and is held
    against each classifier of another model. A setting that follows must be equal unless neither side was run with the
    other's value under the same conditions: frozen MiniLM meets frozen SmolLM2, and where only the one was trained in
    full and only the other with LoRA, these two meet. Runs that differ in a setting that does not follow are no pair.

    Args:
        found: As of :func:`classified`.
        between: The choice: a column of the cell, or ``loss, strategy, generator, adaptation``.

    Returns:
        Of each pair its conditions (the columns that are equal, ``classifier`` and ``arm`` where they are), and the
        runs of both sides, a row a seed; the sides in the order of the table.
    """
    table = found.table
    free = [name for name in found.held if name != between and _among(name, _FOLLOWS.get(between, ()))]
    held = [name for name in found.held if name != between and name not in free]
    pairs = []
    for _, group in table.groupby(held, dropna=False, sort=False):
        words = group[[between, *free]].map(str)  # nothing is a value like any other
        sides = [({str(name): str(part[name].iloc[0]) for name in words}, part.index)
                 for _, part in words.groupby([between, *free], sort=False)]  # fmt: skip
        tried = {(name, one[between], one[name]) for one, _ in sides for name in free}
        for (a, first), (b, second) in combinations(sides, 2):
            if between == "head" and a["adapter"] != b["adapter"] and "none" not in (a["adapter"], b["adapter"]):
                continue  # a prompted head has no adapter; two that were trained have to have the same
            if a[between] != b[between] and all(_fits(name, a, b, between, tried) for name in free):
                one, other = table.loc[first], table.loc[second]
                same = [name for name in (*found.held, "classifier", "arm") if _equal(name, one, other)]
                pairs.append(({name: one[name].iloc[0] for name in same}, one, other))
    return pairs


def _fits(name: str, a: dict[str, str], b: dict[str, str], between: str, tried: set[tuple[str, str, str]]) -> bool:
    """Whether a setting that follows from a choice is equal, or has to differ."""
    x, y = a[name], b[name]
    return x == y or ((name, b[between], x) not in tried and (name, a[between], y) not in tried)


def _equal(name: str, one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return len({*map(str, one[name]), *map(str, other[name])}) == 1


def _among(name: str, wanted: Sequence[str]) -> bool:
    return name in wanted or name.startswith(tuple(one for one in wanted if one.endswith(".")))


def apart_from_loss(arm: Arm) -> tuple[Arm, str]:
    """An arm without its loss, and the words of the loss."""
    of_loss = tuple(one for one in arm.settings if one[0].startswith(LOSS_SETTINGS))
    rest = replace(arm, loss=None, settings=tuple(one for one in arm.settings if one not in of_loss))
    words = replace(REAL_ONLY, loss=arm.loss, settings=of_loss).caption
    return rest, words.removeprefix(REAL_ONLY.caption).lstrip(", ")


def _name(row: dict[str, Any], parts: Sequence[str], settings: Sequence[str]) -> str:
    """Of a classifier: its parts, what it minimises unless that is plain, and settings that vary."""
    name = "-".join(str(row[part]) for part in parts if not pd.isna(row[part]) and row[part] != "none")
    said = [
        f"{one.rpartition('.')[2].replace('_', ' ')} {short(row[one])}" for one in settings if not pd.isna(row[one])
    ]
    return ", ".join(filter(None, [name, row["loss_settings"], *said]))


def _objects(values: Iterable[Any]) -> NDArray[np.object_]:
    found = list(values)
    column = np.empty(len(found), dtype=object)
    column[:] = found
    return column


def short(value: object) -> str:
    """A value as a name says it: numbers without needless digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)
