"""Contrasts: pairs of runs that differ in named choices and in nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from patentlab.analysis.replicates import effective_seeds
from patentlab.analysis.strategies import augmented, properties

_ANY_SETTING_OF = ("settings.strategy.", "settings.generator.", "settings.loss.")  # follow from the choices
_ORDER = ("choices.ordering", "settings.mix.ordering", "settings.mix.agreement")  # of nothing, for real documents alone
_SEEDS = ("choices.seed", "settings.seed")  # choices.seeds and settings.seeds.… too
_RUN_ONLY = ("settings.tracking.", "settings.data.path", "settings.model.path", "settings.trainer.save_model",
             "settings.loss.teacher", "settings.model.merge.runs")  # fmt: skip


@dataclass(frozen=True)
class Contrast:
    """What an augmented run is held against.

    Attributes:
        name: For tables.
        strategy: Of the twin.
        loss: Of the twin; None for that of the run itself.
        controls: Whether it is to show what generation alone adds: it says nothing of a run whose generator was shown
            real documents that the twin does not have.
        same_sources: Whether run and twin have the same ``strategy.sources``, and these more than the run's own
            documents.
    """

    name: str
    strategy: str
    loss: str | None = None
    controls: bool = False
    same_sources: bool = False


CONTRASTS = (
    Contrast("gain", "none"),
    Contrast("controlled_gain", "duplicate", controls=True),
    Contrast("step_matched_gain", "step_matched", controls=True),
    Contrast("gain_over_reweighting", "none", "focal"),
    Contrast("over_reveal", "reveal", same_sources=True),
)


def distinct(matrix: pd.DataFrame) -> pd.DataFrame:
    """The finished runs, each once.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`, or several of them, one below the other.

    Returns:
        The first of those with the same key and choices: a choice without an effect, as the loss of a linear
        classifier, is in no key.
    """
    return matrix[matrix["status"] == "finished"].drop_duplicates(told_by(matrix)).reset_index(drop=True)


def told_by(matrix: pd.DataFrame) -> list[str]:
    """The columns in which two rows are equal that are one run. The key has the seeds that count, however given."""
    names = map(str, matrix)
    return ["key", *(name for name in names if name.startswith("choices.") and not name.startswith(_SEEDS))]


def find_twins(matrix: pd.DataFrame, contrast: Contrast) -> pd.DataFrame:
    """Each augmented run and its twin.

    A twin has the strategy and loss that the contrast names. All else is equal: data, regime, model, head, adapter,
    share, budget, ordering, and every setting, but for those of strategy, generator and loss; the test set, and the
    seeds that the twin draws on: one run on real documents alone is the twin of runs with several seeds of generation.
    A setting that a record lacks is equal to one that is null: options know their own settings alone.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`; runs that did not finish are left out.
        contrast: What to hold them against.

    Returns:
        A row per augmented run: ``run``, ``twin`` (None where there is none, or more than one), ``why`` there is none,
        the choices of the run, and ``metrics.test.…`` of the run, of the twin (``twin.…``) and their differences
        (``gain.…``).
    """
    finished = distinct(matrix)
    left_out = () if properties(contrast.strategy).adds else _ORDER
    equal = [name for name in _compared(finished, contrast) if name not in left_out]
    drawn = effective_seeds(finished, contrast.strategy)
    compared = pd.concat([finished[equal], drawn], axis=1)
    groups = compared.groupby([*equal, *drawn], dropna=False, sort=False).ngroup()
    finished = pd.concat([finished, groups.rename("equal")], axis=1)
    runs = finished[augmented(finished["choices.strategy"])]
    if contrast.same_sources:
        runs = runs[shown_beyond_own(runs) > 0]
    twins = finished[finished["choices.strategy"] == contrast.strategy]
    if contrast.loss is not None:
        twins = twins[twins["choices.loss"] == contrast.loss]
    found = (
        twins.drop_duplicates(["equal", "key"])
        .groupby("equal")
        .agg(position=("run", lambda names: names.index[0]), size=("run", "size"))
    )
    sizes = runs["equal"].map(found["size"]).fillna(0).astype(int).to_numpy()
    places = runs["equal"].map(found["position"]).where(sizes == 1)
    twin = finished.reindex(places).reset_index(drop=True)  # rows of nothing where there is none
    run = runs.reset_index(drop=True)

    names = [str(name) for name in finished]
    pairs = run[["run", *(name for name in names if name.startswith("choices."))]].copy()
    loss = run["choices.loss"] if contrast.loss is None else pd.Series(contrast.loss, index=run.index)
    what = f"strategy={contrast.strategy} loss=" + loss.astype(str)
    why = pd.Series(None, index=run.index, dtype=object)
    why[sizes == 0] = "no run with " + what[sizes == 0]
    why[sizes > 1] = pd.Series(sizes, index=run.index)[sizes > 1].astype(str) + " runs with " + what[sizes > 1]
    one = pd.Series(sizes == 1, index=run.index)
    why[one] = _unmatched(run[one], twin[one], contrast)
    pairs.insert(1, "twin", twin["run"].where(why.isna(), None).astype(object))
    pairs.insert(2, "why", why)
    matched = pairs["twin"].notna()
    values: dict[str, Any] = {}
    for name in (name for name in names if name.startswith("metrics.test.")):
        short = name.removeprefix("metrics.test.")
        own, its = run[name].where(matched).astype(float), twin[name].where(matched).astype(float)
        values |= {name: own, f"twin.{short}": its, f"gain.{short}": own - its}
    return pd.concat([pairs, pd.DataFrame(values, index=pairs.index)], axis=1)


def _unmatched(run: pd.DataFrame, twin: pd.DataFrame, contrast: Contrast) -> pd.Series:
    """Why a twin does not control what it is there for: another volume, or a generator that saw more than it has."""
    why = pd.Series(None, index=run.index, dtype=object)
    if run.empty:
        return why
    added, its = run["counts.synthetic"], twin["counts.synthetic"]
    if contrast.strategy in ("duplicate", "reveal"):
        other = added != its
        why[other] = [f"{a:.0f} added documents against {b:.0f}" for a, b in zip(added[other], its[other], strict=True)]
    if contrast.strategy == "step_matched":
        wanted = run["synthesis.requested"].fillna(added) if "synthesis.requested" in run else added
        other = added != wanted
        why[other] = [
            f"{a:.0f} added documents, and as many steps as with {b:.0f}"
            for a, b in zip(added[other], wanted[other], strict=True)
        ]
    if contrast.controls:
        beyond = shown_beyond_own(run)
        why[beyond > 0] = [
            f"no control: the generator was shown {count:.0f} real documents that the twin does not have "
            "(strategy.sources)"
            for count in beyond[beyond > 0]
        ]
    return why


def shown_beyond_own(matrix: pd.DataFrame) -> pd.Series[float]:
    """How many real documents a run's generator was shown, or adapted on, that are none of the run's own.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`; records from before this was counted tell it by
            ``strategy.sources=regime`` and their counts.

    Returns:
        A number a row; 0 where no generator was asked.
    """
    unknown = pd.Series(np.nan, index=matrix.index)
    told = matrix.get("synthesis.shown_beyond_own", unknown).astype(float)
    left_out = (matrix.get("counts.regime", unknown) - matrix.get("counts.real", unknown)).clip(lower=0)
    all_of_it = matrix.get("settings.strategy.sources", unknown).astype(object) == "regime"
    generated = matrix["choices.strategy"].map(lambda name: properties(str(name)).generates)
    return told.fillna(left_out.where(all_of_it & generated)).fillna(0.0)


def _compared(matrix: pd.DataFrame, contrast: Contrast) -> list[str]:
    """Columns in which twins are equal."""
    free = {"choices.strategy", "choices.generator", "choices.adaptation"}
    if contrast.loss is not None:
        free.add("choices.loss")
    names = [str(name) for name in matrix]
    choices = [name for name in names if name.startswith("choices.") and name not in free]
    choices = [name for name in choices if not name.startswith(_SEEDS)]
    settings = [
        name
        for name in names
        if name.startswith("settings.") and not name.startswith((*_ANY_SETTING_OF, *_RUN_ONLY, *_SEEDS))
    ]
    if contrast.same_sources and "settings.strategy.sources" in names:
        settings.append("settings.strategy.sources")
    fingerprints = [f"fingerprints.{name}" for name in ("data", "model", "test", "merged")]
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
