"""Losses of runs: which settings are theirs, and which of them goes without saying."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from patentlab.config.experiment import loss_of
from patentlab.config.registry import HEADS, TASKS

LOSS_SETTINGS = ("settings.loss.", "training.teacher")
"""What the names of their columns begin with."""

_PLAIN = ("bce", "cross_entropy")  # of a task that is not known


def plain(runs: pd.DataFrame) -> pd.Series:
    """Whether the loss of a run is the one that ``loss=null`` means there: that of the head, or of the task.

    Args:
        runs: Rows of a matrix, with ``choices.head``, ``choices.loss`` and, if it is known, ``settings.data.task``.
    """
    named = runs[["choices.head", "choices.loss"]].assign(task=runs.get("settings.data.task"))
    known = named[["task", "choices.head", "choices.loss"]].astype(object)
    means = {
        (task, head): _meant(task, head)
        for task, head in known[["task", "choices.head"]].drop_duplicates().itertuples(index=False)
    }
    found = [loss in means[task, head] for task, head, loss in known.itertuples(index=False)]
    return pd.Series(found, runs.index)


def _meant(task: str, head: str) -> Sequence[str]:
    if task in TASKS:
        return (loss_of(task, head),)
    own = HEADS.get(head).default_loss if head in HEADS else None
    return _PLAIN if own is None else (own,)
