"""Which settings tell runs apart, beside their choices."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from patentlab.analysis.losses import LOSS_SETTINGS

ARM_SETTINGS = ("settings.strategy.", "settings.generator.")
"""Those of what is added; what the names of their columns begin with."""

MERGED = "training.merged"
"""What was merged, without seeds; its folders are of each seed others."""

# what the arm's name says, what choices, budget and fingerprints say, and what does not change a run
_NOT_COMPARED = (*ARM_SETTINGS, *LOSS_SETTINGS, "settings.tracking.", "settings.data.path", "settings.model.path",
                 "settings.model.merge.runs", "settings.trainer.save_model", "settings.seed", "settings.regime.",
                 "settings.mix.real_share", "settings.mix.budget", "settings.mix.ordering",
                 "settings.evaluate.transfer", "settings.evaluate.name")  # fmt: skip
_PATH_OF_PART = re.compile(r"settings\.data\.parts\.\w+\.path")
_CORPUS_SEED = "settings.data.corpus_seed"


def compared_settings(runs: pd.DataFrame) -> list[str]:
    """The columns of settings in which runs under the same conditions are equal.

    Args:
        runs: Rows of a matrix.

    Returns:
        Their names; what arms, choices and fingerprints say is left out, and so is the seed of a corpus that is made
        anew for each seed.
    """
    names = [str(name) for name in runs]
    found = [name for name in names if name.startswith("settings.") and not name.startswith(_NOT_COMPARED)]
    if _CORPUS_SEED in found and (runs[_CORPUS_SEED].fillna(runs["choices.seed"]) == runs["choices.seed"]).all():
        found.remove(_CORPUS_SEED)
    return [name for name in [*found, MERGED] if name in names and _PATH_OF_PART.fullmatch(name) is None]


def varying(runs: pd.DataFrame, within: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Columns with several values among runs that are equal otherwise.

    Args:
        runs: Rows of a matrix.
        within: The columns that these are equal in.
        columns: To be looked at; most have a single value, and are quickly out.
    """
    several = [name for name in columns if len(runs[name].unique()) > 1]
    if not several:
        return []
    counts = runs.groupby(list(within), dropna=False, sort=False)[several].nunique(dropna=False).max()
    return [name for name in several if counts[name] > 1]
