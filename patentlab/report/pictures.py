"""The figures of a report: which of them a sweep's tables give, and what is shown together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from patentlab.analysis.arms import REAL_ONLY, Arm, Runs
from patentlab.analysis.classifiers import apart_from_loss
from patentlab.analysis.fidelity_gain import comparable
from patentlab.analysis.predictions import per_label, reliability
from patentlab.analysis.strategies import properties
from patentlab.analysis.tables import by_regime
from patentlab.config.registry import OBFUSCATIONS
from patentlab.data.obfuscations import family_of
from patentlab.figures.arms import arm_bars, leakage, parameters, retrieval
from patentlab.figures.calibration import reliability as draw_reliability
from patentlab.figures.fidelity import fidelity_against_gain
from patentlab.figures.mixing import learning_curves, orderings, score_against_share
from patentlab.figures.per_label import arms_per_label
from patentlab.figures.tampered import tampered_map
from patentlab.report.captions import CAPTIONS, NAMES

Tables = Mapping[str, pd.DataFrame]
_CLASSIFIER = ("model", "head", "adapter")


@dataclass(frozen=True)
class Picture:
    """A figure of a report.

    Attributes:
        name: Of its files.
        figure: Drawn.
        shows: What of, for its caption.
    """

    name: str
    figure: Figure
    shows: str


def pictures(found: Tables, cell: Sequence[str], metric: str = "f1_micro", fidelity: str = "mmd2") -> Iterator[Picture]:
    """Draw what tables hold; nothing for those that are empty.

    Args:
        found: As of :func:`patentlab.analysis.tables.tables`.
        cell: The columns of their conditions.
        metric: That they were made for.
        fidelity: Likewise.

    Yields:
        A figure for each table, and for each set of conditions that one figure cannot show together.
    """
    score, measure = NAMES.get(metric, metric), NAMES.get(fidelity, fidelity)
    table = found[f"scores_{metric}"]
    constant = table[table["model"] == "constant"]
    ranked = list(_leaderboards(found.get("leaderboard", pd.DataFrame()), cell, metric, score, constant))
    yield from ranked
    for conditions, part in _split(table[table["model"] != "constant"], cell, "regime"):
        if ranked and set(part["arm"]) == {REAL_ONLY}:
            continue  # stands in the leaderboard, beside others
        yield _picture("arms", conditions, arm_bars(_shown(_sorted(part)), score, _floor(constant, conditions)))
    for conditions, part in _split(found["fidelity_points"], ["contrast", *cell], "regime"):
        if part["regime"].value_counts().max() < 2:
            continue  # a point is no relation
        fits = _same(found["fidelity_correlations"], conditions)
        bands = _same(found["fidelity_lines"], conditions)
        gain = f"{score}: {NAMES.get(str(part['contrast'].iloc[0]), 'gain')}"
        drawn = fidelity_against_gain(_sorted(_sources(part, [*cell])), _sorted(fits), bands, measure, gain)
        yield _picture("fidelity", conditions, drawn)
    for conditions, part in _split(found["shares"], cell, "regime", "mix"):
        best = _same(found["best_shares"], conditions)
        best = best.assign(model=best["arm"]) if len(best) else best
        drawn = score_against_share(_sorted(part.assign(model=part["arm"])), best, score)
        yield _picture("shares", conditions, drawn)
    for conditions, part in _split(found["learning"], cell, "regime", *_CLASSIFIER):
        lines = _classifiers(part[part["arm"] == REAL_ONLY])
        together = len(lines["arm"].unique()) > 1
        if together and len(lines["regime"].unique()) > 1:
            yield _picture("learning", conditions, learning_curves(lines, score))
        for classifier, own in _split(part, _CLASSIFIER):
            if len(own["regime"].unique()) > 1 and not (together and set(own["arm"]) == {REAL_ONLY}):
                yield _picture("learning", {**conditions, **classifier}, learning_curves(own, score))
    for conditions, part in _split(found["orderings"], cell, "regime", "ordering"):
        yield _picture("orderings", conditions, orderings(_sorted(part), score))
    for conditions, part in _split(found["leakage"], cell):
        yield _picture("leakage", conditions, leakage(_sorted(part), score))
    for conditions, part in _split(found["retrieval"], cell):
        yield _picture("retrieval", conditions, retrieval(_sorted(part)))
    yield from _tampered(found.get("tampered", pd.DataFrame()))
    of_adapters = [name for name in cell if name.startswith("adapter.")]  # a rank is a number of trained parameters
    for conditions, part in _split(found["parameters"], cell, *_CLASSIFIER, *of_adapters):
        learned = [apart_from_loss(arm) for arm in part["arm"]]
        heads = part["head"].astype(str) + ", " + part["adapter"].astype(str)
        part = part.assign(
            head=heads,
            arm=pd.Series([arm for arm, _ in learned], part.index, dtype=object),
            loss=[loss for _, loss in learned],
        )
        arm = min(part["arm"], key=lambda one: (one != REAL_ONLY, -(part["arm"] == one).sum()))
        part = part[part["arm"] == arm]
        several = part.groupby(["model", "head"])["loss"].transform("nunique") > 1
        losses = part["head"] + ", " + part["loss"].replace("", "plain loss")
        part = part.assign(head=part["head"].where(~several, losses))
        if len(part) > 1:
            yield _picture("parameters", conditions, parameters(part, score, str(arm)))


def prediction_pictures(runs: Runs, folders: Mapping[str, Path]) -> Iterator[Picture]:
    """Draw what the predictions of runs say, where their folders are at hand: single labels, and calibration.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
        folders: Of the runs.

    Yields:
        Two figures a cell.
    """
    table = runs.table[runs.table["run"].isin(folders) & (runs.table["model"] != "constant")]
    for conditions, part in _split(table, runs.cell):
        labels = per_label(part, folders)
        if labels["label"].notna().any():
            yield _picture("per_label", conditions, arms_per_label(_sorted(labels), "F1 by label"))
        bins, errors = reliability(part, folders)
        if len(bins):
            yield _picture("calibration", conditions, draw_reliability(_sorted(bins), _sorted(errors)))


def _leaderboards(
    board: pd.DataFrame, cell: Sequence[str], metric: str, score: str, constant: pd.DataFrame
) -> Iterator[Picture]:
    """Classifiers on real documents alone, the best of the largest regime first, where there are several."""
    if board.empty or len(board["classifier"].unique()) < 2:
        return
    alone = board[board["arm"] == REAL_ONLY] if "arm" in board else board
    alone = alone[alone["classifier"] != "constant"]
    table = alone.rename(columns={metric: "mean", f"{metric}_low": "low", f"{metric}_high": "high", "seeds": "n"})
    for conditions, part in _split(table, cell, "regime"):
        last = part[part["regime"] == part["regime"].iloc[-1]]
        order = {name: place for place, name in enumerate(dict.fromkeys([*last["classifier"], *part["classifier"]]))}
        rows = part.drop(columns="arm", errors="ignore").assign(
            arm=part["classifier"], place=part["classifier"].map(order)
        )
        rows = _shown(rows.sort_values("place", kind="stable"))
        yield _picture("leaderboard", conditions, arm_bars(rows, score, _floor(constant, conditions)))


def _floor(constant: pd.DataFrame, conditions: Mapping[str, Any]) -> pd.DataFrame | None:
    """The constant answer's score by regime, on the data and in the task of a figure."""
    of_data = {name: value for name, value in conditions.items() if name.partition(".")[0] == "data"}
    own = _same(constant, {name: value for name, value in of_data.items() if name in constant})
    return own.groupby("regime", sort=False)["mean"].mean().reset_index() if len(own) else None


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Scores with their intervals cut at 0 and 1: one of two seeds would leave no room for anything else."""
    return table.assign(low=table["low"].clip(lower=0), high=table["high"].clip(upper=1))


def _tampered(table: pd.DataFrame) -> Iterator[Picture]:
    """A map a group: a row for a classifier and whatever conditions vary."""
    if table.empty:
        return
    names = [str(name) for name in table]
    told = names[1 : names.index("group")]
    rows = [_row_name(row, told) for row in table.to_dict("records")]
    for group, part in table.assign(row=rows).groupby("group", sort=False):
        families = {name: family_of(name) for name in part["what"] if name in OBFUSCATIONS}
        yield _picture("tampered", {"group": group}, tampered_map(part, NAMES, families))


def _row_name(row: Mapping[Any, Any], conditions: Sequence[str]) -> str:
    """A classifier, with what holds for it; what is off is not named."""
    words = [str(row["classifier"])]
    for name in conditions:
        value, short = row[name], name.rpartition(".")[2].replace("_", " ")
        if isinstance(value, bool | np.bool_):
            words += [short] if value else []
        elif value is not None and value == value and value != 0:
            words.append(f"{short} {_word(value)}")
    return ", ".join(words)


def _classifiers(table: pd.DataFrame) -> pd.DataFrame:
    """Named by model, and by head and adapter where it has any, in place of the arm."""
    words = [" ".join(word for word in row if word != "none") for row in table[[*_CLASSIFIER]].astype(str).to_numpy()]
    return table.assign(arm=words)


def _sources(points: pd.DataFrame, cell: list[str]) -> pd.DataFrame:
    """The points that a correlation is over, told apart by generator, and by strategy where there are several."""
    points = comparable(points, cell)
    clusters = points["cluster"].astype(str)
    if len(points["strategy"].unique()) > 1:
        clusters += ", " + points["strategy"].str.replace("_", "-")
    return points.assign(point=points["arm"], cluster=clusters)


def _picture(kind: str, conditions: Mapping[str, Any], figure: Figure) -> Picture:
    told = {name: "none" if pd.isna(value) else str(_word(value)) for name, value in conditions.items()}
    words = ", ".join(
        f"{name.rpartition('.')[2]} {word}" for name, word in told.items() if not pd.isna(conditions[name])
    )
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(told.values())).strip("-")
    return Picture(f"{kind}-{slug}" if slug else kind, figure, f"{CAPTIONS[kind]}{words and ': '}{words}")


def _split(table: pd.DataFrame, cell: Sequence[str], *shown: str) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """A table by the conditions that vary in it, but for those that a figure shows; regimes from the scarcest on."""
    if table.empty:
        return
    varied = [name for name in cell if name in table and name not in shown and len(table[name].unique()) > 1]
    if not varied:
        yield {}, table
        return
    for key, part in table.groupby(varied, dropna=False, sort=False):
        yield dict(zip(varied, key, strict=True)), part


def _same(table: pd.DataFrame, conditions: Mapping[str, Any]) -> pd.DataFrame:
    for name, value in conditions.items():
        if name in table:
            table = table[table[name].isna() if pd.isna(value) else table[name] == value]
    return table


def _rank(arm: Arm) -> int:
    """Real documents alone come first, then those that are there again, then others."""
    strategy = properties(arm.strategy)
    return 0 if not strategy.adds else 1 if strategy.copies else 2


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """Regimes from the scarcest on; controls before what they control."""
    keys = pd.DataFrame(index=table.index)
    if "regime" in table:
        keys["regime"] = table["regime"].map({regime: rank for rank, regime in enumerate(by_regime(table["regime"]))})
    if "arm" in table:
        keys["rank"], keys["arm"] = table["arm"].map(_rank), table["arm"].astype(str)
    return (
        table.loc[keys.sort_values([str(name) for name in keys], kind="stable").index] if len(keys.columns) else table
    )


def _word(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value
