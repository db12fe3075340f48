"""Pages of docs/ whose tables come from a run matrix that is kept beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from patentlab.analysis.matrix import read_matrix

_OF_THE_MACHINE = ["synthesis.store", "settings.data.path", "settings.loss.teacher", "machine.platform"]
_OF_THE_MACHINE += ["tracking.uri", "tracking.run_id"]
_BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def keep(folders: Sequence[Path]) -> pd.DataFrame:
    """The finished runs of sweeps in one matrix, without what is only true of the machine they ran on.

    Args:
        folders: Of the sweeps.

    Raises:
        ValueError: A run failed, or none is there.
    """
    matrix = pd.concat([read_matrix(folder) for folder in folders], ignore_index=True)
    if (matrix["status"] != "finished").any():
        raise ValueError(f"runs that did not finish: {', '.join(matrix.loc[matrix['status'] != 'finished', 'run'])}")
    if (table := "fingerprints.verbaliser") in matrix:  # a path elsewhere
        words = matrix["settings.head.verbaliser"]
        matrix["settings.head.verbaliser"] = words.where(matrix[table].isna(), "table")
    empty = [name for name in matrix if not str(name).startswith("choices.") and matrix[name].isna().all()]
    return matrix.drop(columns=[*_OF_THE_MACHINE, *empty], errors="ignore")


def fill(page: str, found: Mapping[str, str]) -> str:
    """A page with its blocks replaced.

    Args:
        page: With lines ``<!-- NAME -->`` and ``<!-- end -->`` around each block.
        found: As of :func:`blocks`.
    """
    return _BLOCK.sub(lambda match: f"{match[1]}\n{found[match[2]]}\n\n{match[3]}", page)
