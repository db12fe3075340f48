"""Runs in the words of tables: what was compared (arms), under which conditions (cells), with which score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, total_ordering
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from patentlab.analysis.compared import ARM_SETTINGS, compared_settings, varying
from patentlab.analysis.contrasts import CONTRASTS, Contrast, distinct, find_twins
from patentlab.analysis.losses import LOSS_SETTINGS, plain
from patentlab.analysis.replicates import effective_seeds, independent_levels, replicate_names, set_apart, speaks_of
from patentlab.analysis.strategies import augmented, properties
from patentlab.config import UNLABELLED_POOL
from patentlab.statistics.multiple_testing import benjamini_hochberg, holm, max_t_quantile
from patentlab.statistics.undecidable import UndecidableError
from patentlab.statistics.variance import shared_mean

CELL = ["data", "model", "head", "adapter", "ordering", "regime", "mix", "budget"]
_SOURCES = "settings.strategy.sources"
_CORPUS = ("fingerprints.data", "settings.data.corpus_seed")  # of a made corpus, the first is how it is made
_INPUTS = ("fingerprints.data", "fingerprints.model", "fingerprints.unlabelled")  # what paths stand for
_TEACHER = "settings.loss.teacher"  # a path, and of each seed another: students are told apart by its name without
_TASK = "settings.data.task"
_UNLABELLED = "settings.data.unlabelled"  # pool, or a path
_VERBALISER = "settings.head.verbaliser"  # a word, or a path
_TABLE = "fingerprints.verbaliser"
_MEASURED = ("fidelity.", "retrieval.", "counts.", "parameters.", "latency.")
_CONTROLS = {
    "none": "real only",
    "duplicate": "duplicates to match",
    "step_matched": "real only, as many steps",
    "oversample": "random oversampling",
    "reveal": "what the generator saw",
}
TAMPERED = ("test_under.", "transfer.", "recalibrated.", "hostile.")
"""What the names of metrics begin with that ``evaluate`` asks for."""

_OF_SETS = ("metrics.validation.", "metrics.test.", "metrics.test_at_")
_DIGITS = 12  # of a fingerprint, to be told by


@total_ordering
@dataclass(frozen=True)
class Arm:
    """What was compared: where added documents come from, and what was minimised. ``str`` is its caption.

    Attributes:
        strategy: As the record names it.
        generator: That was asked; None where none is.
        adapted: Whether the generator was trained on the real documents.
        loss: None for that of the task, or of the head where it has one of its own.
        settings: Of strategy, generator and loss (a teacher's name among them), under their dotted names with their
            values: those that tell arms of a matrix apart, where the arm has them.
    """

    strategy: str
    generator: str | None = None
    adapted: bool = False
    loss: str | None = None
    settings: tuple[tuple[str, Any], ...] = ()

    def without(self, setting: str) -> Arm:
        """The arm that those which differ in a setting alone have in common.

        Args:
            setting: Its dotted name.
        """
        return replace(self, settings=tuple(one for one in self.settings if one[0] != setting))

    @cached_property
    def caption(self) -> str:
        """Its name for tables and figures, as ``smollm2_135m, label-conditioned, temperature 1.2``."""
        said = [(name.startswith(LOSS_SETTINGS), f"{name.rpartition('.')[2].replace('_', ' ')} {_short(value)}")
                for name, value in self.settings]  # fmt: skip
        words = [self.generator, _CONTROLS.get(self.strategy, self.strategy.replace("_", "-"))]
        words += ["adapted" if self.adapted else None, *(setting for of_loss, setting in said if not of_loss)]
        words.append(f"{self.loss.replace('_', ' ')} loss" if self.loss else None)
        return ", ".join(filter(None, [*words, *(setting for of_loss, setting in said if of_loss)]))

    def __str__(self) -> str:
        return self.caption

    def __lt__(self, other: Arm) -> bool:
        return self.caption < other.caption


REAL_ONLY = Arm("none")


@dataclass(frozen=True)
class Runs:
    """Finished runs, or their gains, with short column names.

    Attributes:
        table: A row per run: ``run, key, arm`` (an :class:`Arm`), ``seed`` (what tells replicates apart: the seed or,
            in words, those that differ), ``seeds.split`` and so on, the columns of ``cell``, ``strategy, loss,
            generator, adaptation``, ``cluster`` (the generator, adapted or not; where none was asked, the strategy),
            ``test_set`` (a fingerprint), ``overlap`` (see :func:`overlap_of`),
            test metrics under their own names, those of ``evaluate`` as ``test_under.base64.recall``, and ``fidelity.…,
            retrieval.…, counts.…, parameters.…, latency.…, timing.total``.
        cell: The columns in which runs under the same conditions are equal: :data:`CELL`, and every other setting that
            differs between runs of the same choices, seeds apart, under its dotted name; so do the first digits of the
            fingerprints of data and model.
        unmatched: Of gains: augmented runs without a twin, ``run, arm, contrast, why``.
    """

    table: pd.DataFrame
    cell: list[str]
    unmatched: pd.DataFrame | None = None


def arms(matrix: pd.DataFrame) -> Runs:
    """The distinct finished runs of a matrix.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`.
    """
    runs = distinct(matrix)
    if _UNLABELLED in runs:
        named = runs[_UNLABELLED].where(runs[_UNLABELLED].isna() | (runs[_UNLABELLED] == UNLABELLED_POOL), "file")
        runs = runs.assign(**{_UNLABELLED: named})
    if _TABLE in runs:  # is told by what it holds
        told = runs[_VERBALISER].where(runs[_TABLE].isna(), "table " + runs[_TABLE].str[:_DIGITS])
        runs = runs.assign(**{_VERBALISER: told})
    names = [str(name) for name in runs]
    choices = _choices(names)
    renamed = {name: name.removeprefix("choices.") for name in names if name.startswith("choices.")}
    renamed |= {name: name.removeprefix("metrics.test.") for name in names if name.startswith("metrics.test.")}
    further = (name for name in names if name.startswith("metrics.") and not name.startswith(_OF_SETS))
    renamed |= {name: name.removeprefix("metrics.") for name in further}
    kept = [name for name in names if name.startswith(_MEASURED)]
    kept += [name for name in names if name == "timing.total"]
    extra = varying(runs, choices, compared_settings(runs))
    if _TASK in runs and _TASK not in extra and len(set(runs[_TASK].dropna())) > 1:
        extra.append(_TASK)  # its losses tell such runs apart, and yet they answer different questions
    inputs = varying(runs, choices, [name for name in names if name in _INPUTS])
    table = runs[["run", "key", *renamed, *kept]].rename(columns=renamed)
    budget = runs.get("settings.mix.budget", np.nan)
    seeds = effective_seeds(runs)
    table = table.drop(columns="seeds", errors="ignore").assign(
        budget=budget,
        arm=_identities(runs),
        test_set=runs.get("fingerprints.test"),
        overlap=_overlap(runs),
        **{name.removeprefix("settings."): runs[name] for name in extra},
        **{name: runs[name].str[:_DIGITS] for name in inputs},
        **seeds,
        seed=replicate_names(seeds),
    )
    adapted = table["adaptation"].fillna("none").ne("none")
    cluster = table["generator"].where(~adapted, table["generator"].astype(str) + ", adapted")
    table["cluster"] = cluster.where(cluster.notna() | ~augmented(table["strategy"]), table["strategy"])
    more = ["parts"] if "parts" in table else []  # of unions: others of them answer other questions
    if "evaluate" in table:
        table["evaluate"] = table["evaluate"].fillna("none")
    more += ["evaluate"] if "evaluate" in table and len(table["evaluate"].unique()) > 1 else []
    return Runs(table, [*CELL, *more, *(name.removeprefix("settings.") for name in extra), *inputs])


def scores(runs: Runs, metric: str = "f1_micro") -> pd.DataFrame:
    """Mean score of each arm in each cell, with Student's t interval over seeds.

    Args:
        runs: As of :func:`arms`.
        metric: Its column.

    Returns:
        A row per cell and arm: ``mean, low, high, n, sentence`` (why there is no interval: too few values, values
        missing, a seed there twice; or what it does not speak of).
    """
    return _means(runs.table, [*runs.cell, "arm"], metric).drop(columns=["p", "error"])


def gains(matrix: pd.DataFrame, runs: Runs, contrasts: Iterable[Contrast] = CONTRASTS) -> Runs:
    """Each augmented run, its twins, and what it gained.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`.
        runs: As of :func:`arms`, of the same matrix.
        contrasts: What to hold runs against.

    Returns:
        A row per contrast and augmented run that has a twin, with ``contrast, twin`` and ``gain.f1_micro`` and so on.
    """
    matched, unmatched = [], []
    for contrast in contrasts:
        pairs = find_twins(matrix, contrast)
        columns = ["run", "twin", "why", *(name for name in pairs if str(name).startswith("gain."))]
        joined = runs.table.merge(pairs[columns], on="run").assign(contrast=contrast.name)
        matched.append(joined[joined["twin"].notna()].drop(columns="why"))
        unmatched.append(joined.loc[joined["twin"].isna(), ["run", "arm", "contrast", "why"]])
    return Runs(pd.concat(matched, ignore_index=True), runs.cell, pd.concat(unmatched, ignore_index=True))


def mean_gains(pairs: Runs, metric: str = "f1_micro") -> pd.DataFrame:
    """Mean gain of each arm in each cell over seeds, with Student's t interval and its p-value.

    Args:
        pairs: As of :func:`gains`.
        metric: The gain in which.

    Returns:
        A row per contrast, cell and arm: ``mean, low, high, n, p, sentence, p_holm, p_bh``; ``together_low,
        together_high``, intervals that hold all means of a contrast at once (max-T, see
        :func:`patentlab.statistics.multiple_testing.max_t_quantile`), where they are over the same seeds. The adjusted
        p-values are over all rows of the table.
    """
    keys = ["contrast", *pairs.cell, "arm"]
    table = _means(pairs.table, keys, f"gain.{metric}")
    number = pairs.table.groupby(keys, dropna=False, sort=False).ngroup()  # of the row of the table
    values = pairs.table.assign(number=number).pivot_table(f"gain.{metric}", "seed", "number", dropna=False)
    quantiles = []
    for _, part in table.groupby("contrast", sort=False):
        told = part.index[part["error"].notna()]
        try:
            quantile = max_t_quantile(values[told].dropna(how="all").to_numpy(dtype=float)) if len(told) else np.nan
        except UndecidableError:
            quantile = np.nan
        quantiles.append(pd.Series(quantile, part.index))
    half = table.pop("error") * (pd.concat(quantiles) if quantiles else np.nan)
    table = table.assign(together_low=table["mean"] - half, together_high=table["mean"] + half)
    p = table["p"].to_numpy(dtype=float)
    return table.assign(p_holm=holm(p), p_bh=benjamini_hochberg(p))


def overlap_of(table: pd.DataFrame) -> float:
    """How far scores of several seeds are those of one corpus: the correlation that a standard error allows for.

    Where seeds split one corpus anew, it is the share of the corpus that is in the test set, or in the training set
    where that is smaller; none where all seeds have one test set, of which alone intervals then speak, or each a
    corpus of its own.

    Args:
        table: Rows of :attr:`Runs.table`.
    """
    return float(table["overlap"].mean()) if len(table["test_set"].dropna().unique()) > 1 else 0.0


def _overlap(runs: pd.DataFrame) -> pd.Series:
    none = pd.Series(np.nan, runs.index)
    names = ("real", "pool", "validation", "test")
    train, pool, validation, test = (pd.to_numeric(runs.get(f"counts.{name}", none)) for name in names)
    share: pd.Series = train.clip(upper=test) / (pool + validation + test)
    corpus = [name for name in _CORPUS if name in runs]
    if corpus and "choices.seed" in runs:
        apart = runs.get("choices.seeds", none).astype(object).where(lambda one: one.notna(), "").astype(str)
        drawn = runs["choices.seed"].astype(str) + " " + apart
        share = share.mask(drawn.groupby([runs[name] for name in corpus], dropna=False).transform("nunique").eq(1), 0.0)
    return share.fillna(0.0).clip(0, 0.5)


def _means(table: pd.DataFrame, keys: list[str], column: str, confidence: float = 0.95) -> pd.DataFrame:
    """Means of groups with Student's t interval, as :func:`patentlab.statistics.aggregation.t_interval` for each.

    Where seeds were set apart, runs share some of what was drawn: there it is that of :func:`shared_mean`.
    """
    values = table[column].astype(float).replace([np.inf, -np.inf], np.nan)
    wanted = [*keys, "value", "seed", "overlap", "test_set"]
    groups = table.assign(value=values)[wanted].groupby(keys, dropna=False, sort=False)
    statistics = groups["value"].agg(mean="mean", sd="std", n="count", size="size", low="min", high="max")
    found = pd.DataFrame(statistics).assign(seeds=groups["seed"].nunique(dropna=False))
    anew = groups["test_set"].nunique().gt(1)
    found = found.assign(overlap=groups["overlap"].mean().where(anew, 0.0)).reset_index()
    n, missing = found["n"], found["size"] - found["n"]
    constant = (found["high"] - found["low"]) <= 8 * np.finfo(float).eps * found[["low", "high"]].abs().max(axis=1)
    sentence = pd.Series("", index=found.index)
    sentence[constant] = "the values do not vary"
    sentence[n < 2] = "needs at least 2 values, has " + n[n < 2].astype(str)
    sentence[missing > 0] = (
        missing[missing > 0].astype(str) + " of " + found["size"].astype(str) + " values are missing"
    )
    sentence[found["seeds"] < found["size"]] = "a seed is there twice"
    told = sentence == ""
    error = (found["sd"] * np.sqrt(1 / n + found["overlap"] / (1 - found["overlap"]))).where(told)
    half = error * stats.t.ppf((1 + confidence) / 2, (n - 1).clip(lower=1))
    found["mean"] = found["mean"].where(missing == 0)
    found["low"], found["high"] = found["mean"] - half, found["mean"] + half
    found["p"] = 2 * stats.t.sf((found["mean"] / error).abs(), (n - 1).clip(lower=1))
    if (apart := set_apart(table)).any():
        numbers = groups.ngroup()
        for number in numbers[apart].unique():
            row, own = found.index[number], numbers == number
            if not told[row]:
                continue
            try:
                over = shared_mean(values[own], list(independent_levels(table[own]).values()))
                found.loc[row, ["low", "high", "p"]] = [*over.interval(confidence), over.p()]
                sentence[row] = speaks_of(table[own])
            except UndecidableError as reason:
                found.loc[row, ["low", "high", "p"]], sentence[row] = np.nan, str(reason)
            error[row] = np.nan  # simultaneous intervals are of seeds that are drawn together
    return found.assign(sentence=sentence, error=error)[[*keys, "mean", "low", "high", "n", "p", "error", "sentence"]]


def _identities(runs: pd.DataFrame) -> pd.Series:
    """The arm of each run."""
    added = augmented(runs["choices.strategy"])
    shown_sources = runs["choices.strategy"].map(lambda name: properties(str(name)).uses_sources).astype(bool)
    names = [str(name) for name in runs]
    of_arm, of_sources, of_loss = (
        varying(part, _choices(names), [name for name in names if name.startswith(settings) and name != _TEACHER])
        for part, settings in (
            (runs[added], ARM_SETTINGS),
            (runs[shown_sources & ~added], _SOURCES),
            (runs, LOSS_SETTINGS),
        )
    )
    of_arm = list(dict.fromkeys([*of_arm, *of_sources]))
    shown = runs[[*of_arm, *of_loss]].astype(object)
    shown.loc[~added, [name for name in of_arm if name not in of_sources]] = None
    shown.loc[~(added | shown_sources), of_sources] = None
    told = zip(shown.to_numpy().tolist(), shown.notna().to_numpy().tolist(), strict=True)
    generator = runs["choices.generator"].where(added)
    adapted = runs["choices.adaptation"].fillna("none").ne("none") & added
    loss = runs["choices.loss"].where(~plain(runs))
    known: dict[Arm, Arm] = {}  # one object an arm, so that its caption is made once
    found = []
    for strategy, writer, was_adapted, minimised, (values, there) in zip(
        runs["choices.strategy"], generator, adapted, loss, told, strict=True
    ):
        settings = zip([*of_arm, *of_loss], values, there, strict=True)
        arm = Arm(
            strategy,
            writer if isinstance(writer, str) else None,
            was_adapted,
            minimised if isinstance(minimised, str) else None,
            tuple((name, value) for name, value, has in settings if has),
        )
        found.append(known.setdefault(arm, arm))
    return pd.Series(found, runs.index, dtype=object)


def _choices(names: Iterable[object]) -> list[str]:
    """The columns in which runs of one arm in one cell are equal: choices but seeds, and what a setting says too."""
    apart = ("choices.seed", "choices.merge")
    return [name for name in map(str, names) if name.startswith("choices.") and not name.startswith(apart)]


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
