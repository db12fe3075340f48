"""What the predictions of finished runs say: tests on the same documents, calibration, single labels; and all cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from patentlab.analysis.aggregation import (
    Interval,
    bootstrap_probability_of_improvement,
    interquartile_mean,
    probability_of_improvement,
    stratified_bootstrap,
)
from patentlab.analysis.arms import Runs
from patentlab.analysis.significance import (
    Average,
    Labels,
    benjamini_hochberg,
    bootstrap_f1_over_runs,
    holm,
    mcnemar,
    subset_correct,
)
from patentlab.analysis.undecidable import UndecidableError
from patentlab.evaluation.calibration import BINS, expected_calibration_error
from patentlab.protocols import Scores, Targets

REAL_ONLY = "real only"
_AVERAGES: tuple[Average, ...] = ("micro", "macro")
_F1 = [f"f1_{average}{end}" for average in _AVERAGES for end in ("", "_low", "_high", "_p")]
_ACCURACY = ["accuracy", "only_run", "only_twin", "p_exact", "p_mid"]
RARE = 5  # documents of a label; with fewer, intervals of macro-F1 are not what they should be
_NAMED = 5  # cells left out are named up to here


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a run said of its test documents.

    Attributes:
        ids: Of the documents, sorted.
        labels: Their names, in the order of the columns.
        true: Boolean, shape ``(documents, labels)``.
        predicted: As ``true``.
        scores: Probabilities of the same shape.
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    true: Labels
    predicted: Labels
    scores: Scores

    @property
    def single(self) -> bool:
        """Whether each document has one label and was given one, that with the highest score."""
        best = self.predicted[np.arange(len(self.ids)), self.scores.argmax(axis=1)]
        one = [(given.sum(axis=1) == 1).all() for given in (self.true, self.predicted)]
        return bool(best.all() and all(one))


class _Pair(NamedTuple):
    """A run and its twin on the documents of both."""

    ids: tuple[str, ...]
    true: Labels
    run: Labels
    twin: Labels


def read_predictions(folder: Path) -> Predictions:
    """Read ``predictions.parquet`` of a run; ``per_label.csv`` names the columns of its scores.

    Args:
        folder: Of the run.

    Raises:
        UndecidableError: The folder lacks one of them, they do not fit together, or there are no test documents.
    """
    labels = tuple(_read_labels(folder)["label"])
    table = pd.read_parquet(
        _existing(folder, "predictions.parquet"),
        columns=["id", "labels", "predicted", "scores"],
        filters=[("set", "==", "test")],
    ).sort_values("id")
    if table.empty:
        raise UndecidableError("no test documents")
    if set(table["scores"].map(len)) != {len(labels)}:
        raise UndecidableError("predictions.parquet and per_label.csv differ in the number of labels")
    true, predicted = (_encode(table[name], labels) for name in ("labels", "predicted"))
    return Predictions(tuple(table["id"].astype(str)), labels, true, predicted, np.stack(table["scores"].tolist()))


def paired_comparisons(pairs: Runs, folders: Mapping[str, Path], resamples: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """Each arm against its twins on the same test documents, over its seeds.

    All of it is conditional on these runs: it says what other test documents would have given, and nothing of other
    seeds (:func:`patentlab.analysis.arms.mean_gains` does). F1 is compared by
    :func:`patentlab.analysis.significance.bootstrap_f1_over_runs`, with percentile intervals. It takes unequal test
    sets of different seeds for independent; where they share documents, its interval is somewhat too narrow.

    Subset accuracy is compared by McNemar's test with documents as its units, so that those in several test sets count
    once: a document speaks for the arm of whose runs more have it right. Where no document is in two test sets, these
    are the discordant counts of all seeds, added up; where all seeds have the same ones, it is a sign test over them.

    A bootstrap's p is not below 1 / (resamples + 1), and Holm's adjusted one not below that times the rows: for those
    to go below 0.05, ``resamples`` has to be more than 20 times the rows.

    Args:
        pairs: As of :func:`patentlab.analysis.arms.gains`.
        folders: Of runs and twins, by name. Each is read once, and forgotten after its last use.
        resamples: Of the bootstrap.
        seed: Of the resamples.

    Returns:
        A row per contrast, cell and arm: ``seeds`` compared, distinct test ``documents``, ``rare_labels`` (how many
        labels a test set, the worst of them, has fewer than five documents of: for those the interval of macro-F1 is
        too narrow); the mean difference ``f1_micro`` with ``f1_micro_low, f1_micro_high, f1_micro_p``, likewise
        ``f1_macro``; that of subset ``accuracy``, documents that speak for either (``only_run, only_twin``), ``p_exact,
        p_mid``; ``sentence``: what was left out or could not be told, and why; p-values adjusted over the rows, of each
        measure on its own (``f1_micro_p_holm, f1_micro_p_bh, f1_macro_p_holm, f1_macro_p_bh, p_exact_holm,
        p_exact_bh``).
    """
    keys = ["contrast", *pairs.cell, "arm"]
    groups = list(pairs.table.groupby(keys, dropna=False, sort=False))
    # the arms of a cell share twins: cell by cell, few are held at a time
    cells = pairs.table.groupby(pairs.cell, dropna=False, sort=False).ngroup()
    order = sorted(range(len(groups)), key=lambda number: int(cells[groups[number][1].index[0]]))
    reader = _Reader(folders, [*pairs.table["run"], *pairs.table["twin"]])
    rows: dict[int, dict[str, Any]] = {}
    for number in order:
        key, group = groups[number]
        rows[number] = dict(zip(keys, key, strict=True)) | _comparison(group, reader, resamples, seed)
    columns = [*keys, "seeds", "documents", "rare_labels", *_F1, *_ACCURACY, "sentence"]
    table = pd.DataFrame([rows[number] for number in range(len(groups))], columns=columns)
    for name in ("f1_micro_p", "f1_macro_p", "p_exact"):
        p = table[name].to_numpy(dtype=float)
        table[f"{name}_holm"], table[f"{name}_bh"] = holm(p), benjamini_hochberg(p)
    return table


def seed_aggregates(
    runs: Runs, metric: str = "f1_micro", baseline: str = REAL_ONLY, resamples: int = 2_000, seed: int = 0
) -> pd.DataFrame:
    """Each arm over all cells as one number (Agarwal et al. 2021, NeurIPS).

    Cells are the tasks. Of those in which every arm has as many runs as every other, the ones with the commonest number
    of runs count; ``sentence`` names the rest. Intervals speak of other seeds in these cells, and take the cells for
    independent: where two of them hold the same runs under two names, they are too narrow.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
        metric: Its column.
        baseline: The arm that improvements are over.
        resamples: Of the bootstraps.
        seed: Of the resamples.

    Returns:
        A row per arm: ``cells, seeds`` (runs of an arm in a cell), ``iqm`` (interquartile mean) with its stratified
        bootstrap interval ``low, high``; ``improvement``, the mean probability that a run of it scores above one of the
        baseline, with ``improvement_low, improvement_high``; ``sentence``: cells left out, and what could not be told.
    """
    samples, seeds, left_out = _samples(runs, metric)
    columns = ["cells", "seeds", "iqm", "low", "high", "improvement", "improvement_low", "improvement_high"]
    rows = []
    for arm, scores in samples.items():
        row: dict[str, Any] = {"arm": arm} | dict.fromkeys(columns, np.nan)
        row |= {"cells": scores.shape[1], "seeds": seeds}
        sentences = [left_out] if left_out else []
        if scores.size:
            try:
                found = stratified_bootstrap(scores, interquartile_mean, resamples, seed=seed)
                row |= {"iqm": found.estimate, "low": found.low, "high": found.high}
            except UndecidableError as reason:
                sentences.append(f"interquartile mean: {reason}")
        if scores.size and arm != baseline:
            try:
                found = _improvement(scores, samples.get(baseline), baseline, resamples, seed)
                row |= {"improvement": found.estimate, "improvement_low": found.low, "improvement_high": found.high}
            except UndecidableError as reason:
                sentences.append(f"improvement: {reason}")
        rows.append(row | {"sentence": "; ".join(sentences)})
    return pd.DataFrame(rows, columns=["arm", *columns, "sentence"])


def reliability(runs: pd.DataFrame, folders: Mapping[str, Path], bins: int = BINS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Stated against observed probability, pooled over the seeds of an arm.

    Bins are those of :func:`patentlab.evaluation.calibration.expected_calibration_error`: of equal width, over all
    pairs of document and label; of single-label tasks over the best label of each document. Errors of seeds in opposite
    directions cancel: the pooled ECE is at most the mean of theirs, weighted by documents.

    Args:
        runs: A row per run of one cell: ``run, arm, seed``.
        folders: Of the runs, by name.
        bins: Their number.

    Returns:
        A row per arm and bin that holds something: ``arm, predicted, observed, count``; and a row per arm:
        ``arm, ece, seeds, sentence``, the sentence saying which runs were left out, and why.
    """
    tables, rows = [], []
    for arm, group in runs.groupby("arm", sort=False):
        stated, observed = [np.zeros(0, np.float32)], [np.zeros(0, np.int8)]
        reasons: list[tuple[object, str]] = []
        for seed, run in zip(group["seed"], group["run"], strict=True):
            try:
                found = _stated_and_observed(_read(run, folders))
            except UndecidableError as reason:
                reasons.append((seed, str(reason)))
                continue
            stated.append(found[0])
            observed.append(found[1])
        x, y = np.concatenate(stated), np.concatenate(observed)
        ece = expected_calibration_error(x, y, bins) if len(x) else np.nan
        used = len(group) - len(reasons)
        rows.append({"arm": arm, "ece": ece, "seeds": used, "sentence": _left_out(reasons, len(group), "runs")})
        tables.append(_bins(x, y, bins).assign(arm=arm))
    columns = ["arm", "predicted", "observed", "count"]
    table = pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    return table, pd.DataFrame(rows, columns=["arm", "ece", "seeds", "sentence"])


def per_label(runs: pd.DataFrame, folders: Mapping[str, Path]) -> pd.DataFrame:
    """F1 of each label under each arm, as means over seeds.

    A label that a test set lacks has F1 = 0 there, as in macro-F1.

    Args:
        runs: A row per run of one cell: ``run, arm, seed``.
        folders: Of the runs, by name.

    Returns:
        A row per arm and label: ``label, support, arm, f1, seeds, sentence``; support is the mean number of test
        documents, and the sentence says which runs were left out, and why. An arm without files has one row, without a
        label.
    """
    tables = []
    for arm, group in runs.groupby("arm", sort=False):
        read: list[pd.DataFrame] = []
        reasons: list[tuple[object, str]] = []
        for seed, run in zip(group["seed"], group["run"], strict=True):
            try:
                read.append(_read_labels(_folder(run, folders)))
            except UndecidableError as reason:
                reasons.append((seed, str(reason)))
        if read:
            means = pd.concat(read).groupby("label", sort=False)[["support", "f1"]].mean().reset_index()
        else:
            means = pd.DataFrame({"label": [None], "support": [np.nan], "f1": [np.nan]})
        tables.append(means.assign(arm=arm, seeds=len(read), sentence=_left_out(reasons, len(group), "runs")))
    columns = ["label", "support", "arm", "f1", "seeds", "sentence"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


class _Reader:
    """Reads each run once, and forgets it after its last use."""

    def __init__(self, folders: Mapping[str, Path], uses: Iterable[str]) -> None:
        self._folders, self._left = folders, Counter(uses)
        self._held: dict[str, Predictions | str] = {}

    def __call__(self, run: str) -> Predictions | str:
        """Its predictions, or why there are none."""
        if run not in self._held:
            try:
                self._held[run] = _read(run, self._folders)
            except UndecidableError as reason:
                self._held[run] = str(reason)
        self._left[run] -= 1
        return self._held[run] if self._left[run] else self._held.pop(run)


def _comparison(group: pd.DataFrame, reader: _Reader, resamples: int, seed: int) -> dict[str, Any]:
    found: list[_Pair] = []
    reasons: list[tuple[object, str]] = []
    for of, run, twin in zip(group["seed"], group["run"], group["twin"], strict=True):
        try:
            found.append(_pair(reader(run), reader(twin)))
        except UndecidableError as reason:
            reasons.append((of, str(reason)))
    row: dict[str, Any] = dict.fromkeys([*_F1, *_ACCURACY], np.nan)
    row |= {"seeds": len(found), "documents": len({name for pair in found for name in pair.ids})}
    row["rare_labels"] = max((int((pair.true.sum(axis=0) < RARE).sum()) for pair in found), default=0)
    sentences = [_left_out(reasons, len(group), "pairs")] if reasons else []
    for average in _AVERAGES if found else ():
        name = f"f1_{average}"
        try:
            decisions = [(pair.true, pair.run, pair.twin) for pair in found]
            f1 = bootstrap_f1_over_runs(decisions, average, resamples, seed=seed)
            row |= {name: f1.estimate, f"{name}_low": f1.low, f"{name}_high": f1.high, f"{name}_p": f1.p}
        except UndecidableError as reason:
            sentences.append(f"{name}: {reason}")
    if found:
        row |= _accuracy(found)
    return row | {"sentence": "; ".join(sentences)}


def _accuracy(pairs: list[_Pair]) -> dict[str, float]:
    """Difference of subset accuracy, and McNemar's test over documents."""
    differences = [
        pd.Series(subset_correct(pair.true, pair.run), pair.ids, dtype=int)
        - pd.Series(subset_correct(pair.true, pair.twin), pair.ids, dtype=int)
        for pair in pairs
    ]
    sums = pd.concat(differences).groupby(level=0).sum()
    test = mcnemar(sums > 0, sums < 0)
    return {
        "accuracy": float(np.mean([difference.mean() for difference in differences])),
        "only_run": test.only_first,
        "only_twin": test.only_second,
        "p_exact": test.p_exact,
        "p_mid": test.p_mid,
    }


def _pair(run: Predictions | str, twin: Predictions | str) -> _Pair:
    if isinstance(run, str):
        raise UndecidableError(run)
    if isinstance(twin, str):
        raise UndecidableError(f"twin with {twin}")
    if run.ids != twin.ids:
        raise UndecidableError("different test documents")
    if run.labels != twin.labels or not np.array_equal(run.true, twin.true):
        raise UndecidableError("different labels of the test documents")
    return _Pair(run.ids, run.true, run.predicted, twin.predicted)


def _samples(runs: Runs, metric: str) -> tuple[dict[str, NDArray[np.float64]], int, str]:
    """Scores of each arm, ``(runs, cells)``; how many runs an arm has in a cell; which cells were left out."""
    table = runs.table
    cells = table.groupby(runs.cell, dropna=False, sort=False).ngroup()
    counts = pd.crosstab(cells, table["arm"])
    fewest, most = counts.min(axis=1), counts.max(axis=1)
    even = fewest.eq(most)
    commonest = int(most[even].mode().max()) if even.any() else 0
    kept = even & most.eq(commonest)
    samples = {
        str(arm): np.array([own.loc[cells == number, metric] for number in counts.index[kept]], dtype=float)
        .reshape(int(kept.sum()), commonest)
        .T
        for arm, own in table.groupby("arm", sort=False)
    }
    named = [
        f"{_cell(table[cells == number].iloc[0], table, runs.cell)} ({_span(fewest[number], most[number])} runs an arm)"
        for number in counts.index[~kept]
    ]
    return samples, commonest, _enumerated(named, len(counts)) if named else ""


def _improvement(
    scores: NDArray[np.float64], baseline: NDArray[np.float64] | None, name: str, resamples: int, seed: int
) -> Interval:
    if baseline is None:
        raise UndecidableError(f"no runs with {name}")
    # resamples do not change it, and have no interval
    if (side := probability_of_improvement(scores, baseline)) in (0.0, 1.0):
        raise UndecidableError(f"every run scores {'above' if side else 'below'} all those with {name} in its cell")
    return bootstrap_probability_of_improvement(scores, baseline, resamples, seed=seed)


def _stated_and_observed(run: Predictions) -> tuple[Scores, Targets]:
    """Of each pair of document and label, or of single-label tasks each document: both of shape ``(n,)``."""
    true = run.true.astype(np.int8)
    if not run.single:
        return run.scores.ravel(), true.ravel()
    best = np.arange(len(true)), run.scores.argmax(axis=1)
    return run.scores[best], true[best]


def _bins(stated: Scores, observed: Targets, bins: int) -> pd.DataFrame:
    # in double precision, as those of the error
    probability = stated.astype(np.float64)
    position = np.clip(np.ceil(probability * bins).astype(int) - 1, 0, bins - 1)
    count, x, y = (np.bincount(position, weights, minlength=bins) for weights in (None, probability, observed))
    held = count > 0
    return pd.DataFrame({"predicted": x[held] / count[held], "observed": y[held] / count[held], "count": count[held]})


def _encode(names: pd.Series, labels: tuple[str, ...]) -> Labels:
    lists = names.tolist()
    columns = pd.Index(labels, dtype=object).get_indexer(pd.Index(np.concatenate(lists), dtype=object))
    if (columns < 0).any():
        raise UndecidableError("predictions.parquet has labels that per_label.csv lacks")
    encoded = np.zeros((len(lists), len(labels)), dtype=np.bool_)
    encoded[np.repeat(np.arange(len(lists)), [len(one) for one in lists]), columns] = True
    return encoded


def _read(run: str, folders: Mapping[str, Path]) -> Predictions:
    return read_predictions(_folder(run, folders))


def _read_labels(folder: Path) -> pd.DataFrame:
    # "NA" and "nan" are names
    return pd.read_csv(_existing(folder, "per_label.csv"), dtype={"label": str}, na_filter=False)


def _folder(run: str, folders: Mapping[str, Path]) -> Path:
    if run not in folders:
        raise UndecidableError("no folder")
    return folders[run]


def _existing(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise UndecidableError(f"no {name}")
    return path


def _left_out(reasons: list[tuple[object, str]], n: int, what: str) -> str:
    """Which of n runs or pairs were left out, by their seeds, and why."""
    if not reasons:
        return ""
    parts = []
    for reason in dict.fromkeys(reason for _, reason in reasons):
        seeds = [str(seed) for seed, its in reasons if its == reason]
        parts.append(f"{reason} (seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)})")
    return f"{len(reasons)} of {n} {what} left out: {', '.join(parts)}"


def _cell(row: pd.Series, table: pd.DataFrame, columns: list[str]) -> str:
    """A cell by what tells it from others."""
    varying = [name for name in columns if len(table[name].unique()) > 1]
    return ", ".join(f"{name} {row[name]}" for name in varying) or "the only one"


def _span(fewest: int, most: int) -> str:
    return f"{fewest}" if fewest == most else f"{fewest} to {most}"


def _enumerated(cells: list[str], n: int) -> str:
    more = f", and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
    return f"{len(cells)} of {n} cells left out: {', '.join(cells[:_NAMED])}{more}"
