"""Contrasts: pairs of runs that differ in named choices and in nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from patentlab.config import GENERATED, UNMIXED

_ANY_SETTING_OF = ("settings.strategy.", "settings.generator.", "settings.loss.")  # follow from the choices
_ORDER = ("choices.ordering", "settings.mix.ordering", "settings.mix.agreement")  # of nothing, for real documents alone
_RUN_ONLY = ("settings.tracking.", "settings.data.path", "settings.model.path", "settings.trainer.save_model")


@dataclass(frozen=True)
class Contrast:
    """What an augmented run is held against.

    Attributes:
        name: For tables.
        strategy: Of the twin.
        loss: Of the twin; None for that of the run itself.
    """

    name: str
    strategy: str
    loss: str | None = None


CONTRASTS = (
    Contrast("gain", "none"),
    Contrast("controlled_gain", "duplicate"),
    Contrast("step_matched_gain", "step_matched"),
    Contrast("gain_over_reweighting", "none", "focal"),
)


def find_twins(matrix: pd.DataFrame, contrast: Contrast) -> pd.DataFrame:
    """Each augmented run and its twin.

    A twin has the strategy and loss that the contrast names. All else is equal: data, regime, model, head, adapter,
    share, budget, ordering, seed, and every setting, but for those of strategy, generator and loss; and the test set.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`; runs that did not finish are left out.
        contrast: What to hold them against.

    Returns:
        A row per augmented run: ``run``, ``twin`` (None where there is none, or more than one), ``why`` there is none,
        the choices of the run, and ``metrics.test.…`` of the run, of the twin (``twin.…``) and their differences
        (``gain.…``).
    """
    finished = matrix[matrix["status"] == "finished"]
    augmented = finished[finished["choices.strategy"].isin(GENERATED)]
    columns = _compared(finished)
    names = [str(name) for name in finished]
    metrics = [name for name in names if name.startswith("metrics.test.")]
    rows = []
    for _, run in augmented.iterrows():
        loss = run["choices.loss"] if contrast.loss is None else contrast.loss
        found = finished[(finished["choices.strategy"] == contrast.strategy) & (finished["choices.loss"] == loss)]
        without_order = contrast.strategy in UNMIXED
        for column in columns:
            if without_order and column in _ORDER:
                continue
            same = found[column].isna() if pd.isna(run[column]) else found[column] == run[column]
            found = found[same]
        found = found.drop_duplicates("key")
        row: dict[str, Any] = {"run": run["run"], "twin": None, "why": None}
        row |= {name: run[name] for name in names if name.startswith("choices.")}
        missing = _unmatched(run, found.iloc[0], contrast) if len(found) == 1 else None
        if missing is not None:
            row["why"] = missing
        elif len(found) == 1:
            twin = found.iloc[0]
            row["twin"] = twin["run"]
            for name in metrics:
                short = name.removeprefix("metrics.test.")
                row |= {name: run[name], f"twin.{short}": twin[name], f"gain.{short}": run[name] - twin[name]}
        else:
            what = f"strategy={contrast.strategy} loss={loss}"
            row["why"] = f"no run with {what}" if found.empty else f"{len(found)} runs with {what}"
        rows.append(row)
    return pd.DataFrame(rows)


def _unmatched(run: pd.Series, twin: pd.Series, contrast: Contrast) -> str | None:
    """Why a twin does not control what it is there for: it has another volume than the run."""
    added, wanted = run["counts.synthetic"], run.get("synthesis.requested", run["counts.synthetic"])
    if contrast.strategy == "duplicate" and added != twin["counts.synthetic"]:
        return f"{added:.0f} added documents against {twin['counts.synthetic']:.0f}"
    if contrast.strategy == "step_matched" and added != wanted:
        return f"{added:.0f} added documents, and as many steps as with {wanted:.0f}"
    return None


def _compared(matrix: pd.DataFrame) -> list[str]:
    """Columns in which twins are equal."""
    free = {"choices.strategy", "choices.loss", "choices.generator", "choices.adaptation"}
    names = [str(name) for name in matrix]
    choices = [name for name in names if name.startswith("choices.") and name not in free]
    settings = [
        name for name in names if name.startswith("settings.") and not name.startswith((*_ANY_SETTING_OF, *_RUN_ONLY))
    ]
    fingerprints = [f"fingerprints.{name}" for name in ("data", "model", "test")]
    return [*choices, *settings, *(name for name in fingerprints if name in names)]


def summary(matrix: pd.DataFrame, by: tuple[str, ...] = ("choices.regime", "choices.mix")) -> pd.DataFrame:
    """Mean differences of all contrasts.

    Args:
        matrix: As for :func:`find_twins`.
        by: Choices that rows are told apart by.

    Returns:
        A row per contrast and combination: pairs, and the mean difference of micro- and macro-F1.
    """
    parts = []
    for contrast in CONTRASTS:
        pairs = find_twins(matrix, contrast)
        if pairs.empty or pairs["twin"].isna().all():
            continue
        keys = ["choices.strategy", *by]
        grouped = pairs.dropna(subset=["twin"]).groupby(keys)
        table = grouped[["gain.f1_micro", "gain.f1_macro"]].mean()
        table.insert(0, "pairs", grouped.size())
        parts.append(table.reset_index().assign(contrast=contrast.name))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
