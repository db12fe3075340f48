"""What finished runs predicted: read from their folders; calibration and single labels, pooled over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
from numpy.typing import NDArray

from patentlab.evaluation import multi_label
from patentlab.evaluation.calibration import BINS, expected_calibration_error
from patentlab.evaluation.tagging import EntityCounts, count_entities
from patentlab.protocols import Targets
from patentlab.statistics.arrays import Labels
from patentlab.statistics.bootstrap import Counts
from patentlab.statistics.significance import subset_correct
from patentlab.statistics.undecidable import UndecidableError
from patentlab.tasks.documents import MultiLabel
from patentlab.tracking.record import read_record

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TagPredictions:
    """What a run said of the words of its test documents.

    Attributes:
        ids: Of the documents, sorted.
        labels: Types of entities.
        entities: Counted by document and type.
        right: Which documents have all tags right, shape ``(documents,)``.
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    entities: EntityCounts
    right: NDArray[np.bool_]

    @property
    def true(self) -> NDArray[np.int64]:
        """Entities that there are, shape ``(documents, types)``."""
        return self.entities.true

    def f1_counts(self, metric: str) -> Counts:
        """What F1 is of: entities given rightly, and those that there are or were given, added up."""
        return self.entities.right, self.entities.true + self.entities.given

    @property
    def ranked(self) -> None:
        """Nothing is ranked: each word has one tag."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a run said of its test documents.

    Attributes:
        ids: Of the documents, sorted.
        labels: Their names, in the order of the columns.
        true: Boolean, shape ``(documents, labels)``.
        predicted: As ``true``.
        scores: Probabilities of the same shape.
        thresholds: At which single metrics are measured, by name; those of the labels given where there are none.
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    true: Labels
    predicted: Labels
    scores: Probabilities
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which documents have exactly their labels, shape ``(documents,)``."""
        return subset_correct(self.true, self.predicted)

    @property
    def ranked(self) -> Probabilities:
        """What documents are ranked by for each label."""
        return self.scores

    def f1_counts(self, metric: str) -> Counts:
        """What a metric is of: labels given rightly, and those that there are or were given, added up."""
        given = self.decided(metric)
        return self.true & given, self.true.astype(np.float32) + given

    def decided(self, metric: str) -> Labels:
        """The labels that a metric is measured on, as ``true``."""
        if metric not in self.thresholds:
            return self.predicted
        return multi_label.decide(self.scores, self.thresholds[metric]).astype(np.bool_)

    @property
    def single(self) -> bool:
        """Whether each document has one label and was given one, that with the highest score."""
        best = self.predicted[np.arange(len(self.ids)), self.scores.argmax(axis=1)]
        one = [(given.sum(axis=1) == 1).all() for given in (self.true, self.predicted)]
        return bool(best.all() and all(one))


Judged = Predictions | TagPredictions
"""What was said of test documents, or of their words."""


def read_predictions(folder: Path) -> Judged:
    """Read ``predictions.parquet`` of a run; ``per_label.csv`` names the columns of its scores, or types of entities.

    Args:
        folder: Of the run.

    Raises:
        UndecidableError: The folder lacks one of them, they do not fit together, or there are no test documents.
    """
    labels = tuple(_read_labels(folder)["label"])
    path = _existing(folder, "predictions.parquet")
    names = pyarrow.parquet.read_schema(path).names
    if "part" in names and len(set(pd.read_parquet(path, columns=["part"])["part"])) > 1:
        raise UndecidableError("several tasks: their scores are means over these")
    if {"tags", "labels"} <= set(names):
        raise UndecidableError("labels and tags at once: their scores are means of both")
    truth = "tags" if "tags" in names else "labels"
    table = pd.read_parquet(
        path, columns=["id", truth, "predicted", "scores"], filters=[("set", "==", "test")]
    ).sort_values("id")
    if table.empty:
        raise UndecidableError("no test documents")
    if truth == "tags":
        return _of_tags(table, labels)
    if set(table["scores"].map(len)) != {len(labels)}:
        raise UndecidableError("predictions.parquet and per_label.csv differ in the number of labels")
    true, predicted = (_encode(table[name], labels) for name in ("labels", "predicted"))
    scores = np.stack(table["scores"].tolist())
    return Predictions(tuple(table["id"].astype(str)), labels, true, predicted, scores, read_thresholds(folder))


def _of_tags(table: pd.DataFrame, types: tuple[str, ...]) -> TagPredictions:
    true, given = ([list(tags) for tags in table[name]] for name in ("tags", "predicted"))
    right = np.array([own == other for own, other in zip(true, given, strict=True)])
    return TagPredictions(tuple(table["id"].astype(str)), types, count_entities(true, given, types), right)


def read_thresholds(folder: Path) -> dict[str, float]:
    """The thresholds at which single metrics of a run are measured; of earlier runs, as validation documents have them.

    Args:
        folder: Of the run.

    Returns:
        By the metric's name; nothing of single labels, and where it cannot be told.
    """
    record = read_record(folder)
    if record is None or record.threshold is None or record.thresholds:
        return {} if record is None else record.thresholds
    try:
        targets, scores = _read_scores(folder, "validation")
    except UndecidableError:
        return {}
    return {name: multi_label.choose_threshold(targets, scores, name) for name in MultiLabel.monitors}


def measure_again(folder: Path) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """What an earlier record has at one threshold for all metrics, measured at their own.

    Args:
        folder: Of the run.

    Returns:
        The thresholds, and metrics by set; nothing where they cannot be told.
    """
    thresholds = read_thresholds(folder)
    metrics = {}
    for name in ("validation", "test") if thresholds else ():
        targets, scores = _read_scores(folder, name)
        metrics[name] = multi_label.evaluate(targets, scores, thresholds["f1_micro"], thresholds)
    return thresholds, metrics


def _read_scores(folder: Path, of: str) -> tuple[Targets, Probabilities]:
    table = pd.read_parquet(
        _existing(folder, "predictions.parquet"), columns=["labels", "scores"], filters=[("set", "==", of)]
    )
    if table.empty:
        raise UndecidableError(f"no {of} documents")
    labels = _encode(table["labels"], tuple(_read_labels(folder)["label"]))
    return labels.astype(np.int8), np.stack(table["scores"].tolist())


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
                read_one = read_run(run, folders)
                if isinstance(read_one, TagPredictions):
                    raise UndecidableError("words have tags, not documents labels")
                found = _stated_and_observed(read_one)
            except UndecidableError as reason:
                reasons.append((seed, str(reason)))
                continue
            stated.append(found[0])
            observed.append(found[1])
        x, y = np.concatenate(stated), np.concatenate(observed)
        ece = expected_calibration_error(x, y, bins) if len(x) else np.nan
        used = len(group) - len(reasons)
        rows.append({"arm": arm, "ece": ece, "seeds": used, "sentence": left_out(reasons, len(group), "runs")})
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
        tables.append(means.assign(arm=arm, seeds=len(read), sentence=left_out(reasons, len(group), "runs")))
    columns = ["label", "support", "arm", "f1", "seeds", "sentence"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _stated_and_observed(run: Predictions) -> tuple[Probabilities, NDArray[np.int8]]:
    """Of each pair of document and label, or of single-label tasks each document: both of shape ``(n,)``."""
    true = run.true.astype(np.int8)
    if not run.single:
        return run.scores.ravel(), true.ravel()
    best = np.arange(len(true)), run.scores.argmax(axis=1)
    return run.scores[best], true[best]


def _bins(stated: Probabilities, observed: NDArray[np.int8], bins: int) -> pd.DataFrame:
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


def read_run(run: str, folders: Mapping[str, Path]) -> Judged:
    """:func:`read_predictions` of a run by its name.

    Args:
        run: Its name.
        folders: Of runs, by name.

    Raises:
        UndecidableError: As for :func:`read_predictions`, or there is no folder.
    """
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


def left_out(reasons: list[tuple[object, str]], n: int, what: str) -> str:
    """Which of n runs or pairs were left out, by their seeds, and why: a sentence, or nothing.

    Args:
        reasons: Seed and reason of each.
        n: Of all.
        what: They are, in words.
    """
    if not reasons:
        return ""
    parts = []
    for reason in dict.fromkeys(reason for _, reason in reasons):
        seeds = [str(seed) for seed, its in reasons if its == reason]
        parts.append(f"{reason} (seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)})")
    return f"{len(reasons)} of {n} {what} left out: {', '.join(parts)}"
