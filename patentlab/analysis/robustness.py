"""What runs do with documents that somebody has tampered with, beside what they do with documents as they are."""

from __future__ import annotations

from typing import Any

import pandas as pd

from patentlab.analysis.arms import Runs
from patentlab.analysis.classifiers import classified

CLEAN = "as they are"
RATES = ("recall", "false_alarms", "flips", "obeyed")
_OF_TEST = ("recall", "false_alarms")  # that test documents as they are have too
_UNDER = "test_under"


def tampered(runs: Runs) -> pd.DataFrame:
    """Rates by what became of documents.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`; those with ``evaluate`` are looked at.

    Returns:
        A row per classifier, condition, group (``test_under``, ``transfer``, …), what became of documents, and rate:
        ``classifier``, conditions, ``group, what, rate, mean, lowest, highest, n``, over seeds; of one run ``lowest``
        and ``highest`` are the ends of its interval over documents (Wilson). Test documents as they are stand first
        among those of ``test_under``.
    """
    columns = {(group, what, rate): str(name) for name in runs.table for group, what, rate in _told(str(name))}
    if not columns:
        return pd.DataFrame()
    if any(group == _UNDER for group, _, _ in columns):
        clean = {(_UNDER, CLEAN, rate): rate for rate in _OF_TEST if rate in runs.table}
        columns = clean | columns
    found = classified(runs)
    keys = [*found.conditions, "arm", "classifier"]
    shown = ["classifier", *(name for name in found.shown if name not in ("data", "regime")), *_several(found.table)]
    rows: list[dict[str, Any]] = []
    for _, part in found.table.groupby(keys, dropna=False, sort=False):
        own = {name: part[name].iloc[0] for name in shown}
        for (group, what, rate), name in columns.items():
            values = part[name].dropna()
            if values.empty:
                continue
            ends = values.min(), values.max()
            if len(values) == 1 and {f"{name}_low", f"{name}_high"} <= set(part):
                one = part.loc[values.index[0]]
                ends = one[f"{name}_low"], one[f"{name}_high"]
            told = {"mean": values.mean(), "lowest": ends[0], "highest": ends[1], "n": len(values)}
            rows.append(own | {"group": group, "what": what, "rate": rate} | told)
    return pd.DataFrame(rows)


def _told(name: str) -> list[tuple[str, str, str]]:
    """Group, what became of documents and rate, of a column that has one."""
    group, _, rest = name.partition(".")
    what, _, rate = rest.rpartition(".")
    return [(group, what, rate)] if what and rate in RATES else []


def _several(table: pd.DataFrame) -> list[str]:
    return [name for name in ("data", "regime", "arm") if len(table[name].unique()) > 1]
