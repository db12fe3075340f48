"""Which model, which head: what a leaderboard and differences say, in sentences that can be quoted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from patentlab.analysis.arms import REAL_ONLY
from patentlab.analysis.leaderboard import AHEAD, ALONE, AS_GOOD, BEST, LEVEL, UNKNOWN, WORSE
from patentlab.report.captions import NAMES

Tables = Mapping[str, pd.DataFrame]
_MOST = 5  # sentences
_NAMED = 3  # classifiers that a sentence names
_UNSURE = "whether the ranking changed cannot be told"
_F1, _MAP = ("f1_micro", "f1_macro"), "map_macro"
_AMONG = {"model": "models", "head": "heads", "adapter": "adapters", "strategy": "strategies", "loss": "losses"}
_NO_CONDITION = {
    "rank", "classifier", "seeds", "trained", "seconds", "ms_per_document",
    "behind", "behind_low", "behind_high", "behind_p_holm", "over",
    "standing", "sentence",
}  # fmt: skip


def answers(found: Tables, metric: str, between: str) -> list[str]:
    """Up to five sentences: the best classifiers, their differences, and where F1 and mean average precision disagree.

    They tell the best of the scarcest and of the largest regime, its closest rival, and how many pairs of heads,
    adapters and values of the choice differ.

    Args:
        found: ``leaderboard`` and ``differences``; ``differences_head`` and ``differences_adapter`` where these vary.
        metric: That was ranked by.
        between: What the differences are between.
    """
    board = found["leaderboard"]
    shown = [
        str(name) for name in board if name not in _NO_CONDITION and not str(name).startswith((metric, *_F1, _MAP))
    ]
    blocks = _blocks(board, shown)
    ends = blocks[:1] + blocks[1:][-1:]
    said = [_best(block, conditions, metric) for conditions, block in ends]
    rivals = [_rival(found["differences"], conditions, block, metric) for conditions, block in reversed(ends)]
    rival = [one for one in rivals if one][:1]
    said += rival
    for choice in ("head", "adapter"):
        if choice != between and len(table := found.get(f"differences_{choice}", pd.DataFrame())):
            said.append(_counted(table, metric, choice))
    if len(found["differences"]) > len(rival):  # of one pair all is said
        said.append(_counted(found["differences"], metric, between))
    contrary = disagreement(_rows(found["differences"]), "differences")
    return [*said[: _MOST - bool(contrary)], *([contrary] if contrary else [])]


def gains_that_disagree(found: Tables) -> str:
    """A sentence where gains in F1 are none in mean average precision; empty where there are none such.

    Args:
        found: ``gains_f1_micro`` and so on.
    """
    return disagreement(_rows_of_gains(found), "gains")


def disagreement(rows: Iterator[dict[str, Any]], what: str) -> str:
    """A sentence on differences that are significant in F1 and of other sign, or absent, in mean average precision.

    Absent is a difference in mean average precision whose interval holds zero. Where it does not hold the difference in
    F1, what moved is the threshold; else it cannot be told whether the ranking did.

    Args:
        rows: Each with ``label, metric``, ``value, low, high`` in F1 and ``p`` adjusted, and ``of_map, map_low,
            map_high``.
        what: The rows are, in words.
    """
    checked = list(rows)
    contrary = [row for row in checked if row["p"] < LEVEL and _why(row)]
    if not contrary:
        return ""
    # what is sure before what is not, and large differences before small ones
    worst = max(contrary, key=lambda row: (_why(row) != _UNSURE, abs(row["value"])))
    return (
        f"F1 and mAP disagree in {len(contrary)} of {len(checked)} {what}: {worst['label']}: {NAMES[worst['metric']]} "
        f"{_interval(worst['value'], worst['low'], worst['high'], '+')}, but mAP "
        f"{_interval(worst['of_map'], worst['map_low'], worst['map_high'], '+')}: {_why(worst)}."
    )


def _why(row: dict[str, Any]) -> str:
    """What it means that mean average precision says something else; empty where it says the same."""
    if row["map_low"] <= 0 <= row["map_high"]:
        return _UNSURE if row["map_low"] <= row["value"] <= row["map_high"] else "the threshold moved, not the ranking"
    return "the ranking moved the other way" if row["of_map"] * row["value"] < 0 else ""


def _blocks(board: pd.DataFrame, shown: list[str]) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Those of real documents alone where there are any, of them those with the most classifiers."""
    if board.empty:
        return []
    if "arm" in board and (board["arm"] == REAL_ONLY).any():
        board = board[board["arm"] == REAL_ONLY]
    parts = [(dict(zip(shown, key, strict=True)), part)
             for key, part in board.groupby(shown, dropna=False, sort=False)]  # fmt: skip
    most = max(len(part) for _, part in parts)
    return [(conditions, part) for conditions, part in parts if len(part) == most]


def _best(block: pd.DataFrame, conditions: Mapping[str, Any], metric: str) -> str:
    first = block[block["standing"].isin([BEST, ALONE])]
    where = _where(conditions, block)
    if first.empty:
        return f"{where} no classifier has a mean {NAMES.get(metric, metric)}."
    best = first.iloc[0]
    score = f"{NAMES.get(metric, metric)} {_interval(best[metric], best[f'{metric}_low'], best[f'{metric}_high'])}"
    if best["standing"] == ALONE:
        return f"{where} {best['classifier']}, the one classifier, has {score}."
    said = f"{where} {best['classifier']} is best with {score}"
    for standing, words in (
        (AHEAD, ("is ahead of it over fewer seeds", "are ahead of it over fewer seeds")),
        (AS_GOOD, ("is not distinguishable from it", "are not distinguishable from it")),
        (UNKNOWN, ("cannot be told from it", "cannot be told from it")),
    ):
        names = [
            f"{row['classifier']} ({_number(row[metric])})"
            for _, row in block[block["standing"] == standing].iterrows()
        ]
        if names:
            said += f"; {_listed(names)} {words[len(names) > 1]}"
            if standing == UNKNOWN and (block["seeds"] < 2).any():
                said += " by one seed"
    worse = int((block["standing"] == WORSE).sum())
    if worse:
        rest = len(block) - 1
        others = "the other is" if worse == rest == 1 else "all others are" if worse == rest else f"{worse} other"
        others += "" if worse == rest else "s are" if worse > 1 else " is"
        said += f"; {others} worse (p < {_number(LEVEL, 2)}, Holm)"
    return f"{said}."


def _rival(table: pd.DataFrame, conditions: Mapping[str, Any], block: pd.DataFrame, metric: str) -> str:
    """The best against the closest of those that the differences hold it against."""
    best = block[block["standing"] == BEST]
    if table.empty or best.empty:
        return ""
    rows = table[(table["first"] == best["classifier"].iloc[0]) & table[metric].notna()]
    for name, value in conditions.items():
        if name in rows:
            rows = rows[rows[name].map(str) == str(value)]
    if rows.empty:
        return ""
    row = rows.iloc[int(rows[metric].abs().to_numpy().argmin())]
    return f"{_label(row, table)}: {NAMES.get(metric, metric)} {_told(row, metric)}."


def _counted(table: pd.DataFrame, metric: str, between: str) -> str:
    """How many pairs differ, and the one that does most clearly."""
    known = table[table[metric].notna()]
    name, among = NAMES.get(metric, metric), _AMONG.get(between, f"values of {between}")
    if known.empty:
        return f"Between {among} no difference in {name} can be told."
    differ = int((known[f"{metric}_p_holm"] < LEVEL).sum())
    row = known.assign(size=-known[metric].abs()).sort_values([f"{metric}_p", "size"], kind="stable").iloc[0]
    return (
        f"Between {among} {name} differs in {differ} of {len(table)} pairs at level {_number(LEVEL, 2)} (Holm); the "
        f"clearest: {_label(row, table)}, {_told(row, metric)}."
    )


def _told(row: pd.Series, metric: str) -> str:
    p = row[f"{metric}_p_holm"]
    said = _interval(row[metric], row[f"{metric}_low"], row[f"{metric}_high"], "+")
    if np.isnan(p):
        return f"{said} ({row['sentence']})" if row["sentence"] else said
    alone = " over seeds alone" if row["over"] == "seeds" else ""
    return f"{said}, p {'< .001' if p < 0.001 else f'= {_number(p, 3 if p < 0.1 else 2)}'} (Holm){alone}"


def _rows(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Differences for :func:`disagreement`."""
    for _, row in table.iterrows():
        for metric in _F1:
            if metric in table and _MAP in table:
                yield {
                    "label": _label(row, table), "metric": metric, "value": row[metric], "low": row[f"{metric}_low"],
                    "high": row[f"{metric}_high"], "p": row[f"{metric}_p_holm"], "of_map": row[_MAP],
                    "map_low": row[f"{_MAP}_low"], "map_high": row[f"{_MAP}_high"],
                }  # fmt: skip


def _rows_of_gains(found: Tables) -> Iterator[dict[str, Any]]:
    """Gains for :func:`disagreement`: the tables of all metrics have the same rows in the same order."""
    of_map = found.get(f"gains_{_MAP}", pd.DataFrame())
    for metric in _F1 if len(of_map) else ():
        for (_, row), (_, precision) in zip(found[f"gains_{metric}"].iterrows(), of_map.iterrows(), strict=True):
            label = (
                f"{NAMES.get(str(row['contrast']), row['contrast'])} of {row['arm']} ({row['model']}, {row['regime']})"
            )
            yield {
                "label": label, "metric": metric, "value": row["mean"], "low": row["low"], "high": row["high"],
                "p": row["p_holm"], "of_map": precision["mean"], "map_low": precision["low"],
                "map_high": precision["high"],
            }  # fmt: skip


def _label(row: pd.Series, table: pd.DataFrame) -> str:
    """The pair, and the conditions that tell its row from others."""
    names = [str(name) for name in table]
    varying = [name for name in names[: names.index("first")] if len(table[name].map(str).unique()) > 1]
    conditions = [name for name in varying if row[name] is not None and str(row[name]) not in ("", "nan")]
    where = ", ".join(_condition(name, row[name]) for name in conditions)
    return f"{row['first']} against {row['second']}" + (f" ({where})" if where else "")


def _where(conditions: Mapping[str, Any], block: pd.DataFrame) -> str:
    regime = str(conditions["regime"])
    told = [(name, value) for name, value in conditions.items() if name not in ("data", "regime")]
    more = [_condition(name, value) for name, value in told if value != REAL_ONLY and not pd.isna(value)]
    alone = " on real documents alone" if any(value == REAL_ONLY for _, value in told) else ""
    seeds = sorted({int(n) for n in block["seeds"]})
    count = f"{seeds[0]} seed{'s' if seeds[0] != 1 else ''}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    return f"At {', '.join([regime, *more])}{alone} ({count})"


def _condition(name: str, value: Any) -> str:
    said = f"{value:g}" if isinstance(value, float) else str(value)
    return (
        said
        if name in ("regime", "data", "arm", "classifier")
        else f"{name.rpartition('.')[2].replace('_', ' ')} {said}"
    )


def _listed(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _interval(value: float, low: float, high: float, sign: str = "") -> str:
    ends = "" if np.isnan(low) else f" [{_number(low, sign=sign)}, {_number(high, sign=sign)}]"
    return f"{_number(value, sign=sign)}{ends}"


def _number(value: float, digits: int = 3, sign: str = "") -> str:
    """As papers print shares: without the zero before the point."""
    return f"{value:{sign}.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:{sign}.{digits}f}"
