"""Arms against their twins on the same test documents: paired tests of what both predicted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from patentlab.analysis.arms import Runs
from patentlab.analysis.predictions import Judged, left_out, read_run
from patentlab.analysis.scored import Scored, ScoredRuns, check_same_documents
from patentlab.statistics.bootstrap import Average, Counts, bootstrap_f1_of_counts, resampled_difference
from patentlab.statistics.multiple_testing import benjamini_hochberg, holm
from patentlab.statistics.significance import mcnemar
from patentlab.statistics.undecidable import UndecidableError

_AVERAGES: tuple[Average, ...] = ("micro", "macro")
_F1 = [f"f1_{average}{end}" for average in _AVERAGES for end in ("", "_low", "_high", "_p")]
_MAP = ["map_macro", "map_macro_low", "map_macro_high", "map_macro_p"]
_ACCURACY = ["accuracy", "only_run", "only_twin", "p_exact", "p_mid"]
RARE = 5  # documents of a label; with fewer, intervals of macro-F1 are not what they should be


class _Pair(NamedTuple):
    """A run and its twin on the documents of both."""

    run: Judged
    twin: Judged

    @property
    def ids(self) -> tuple[str, ...]:
        return self.run.ids

    @property
    def true(self) -> NDArray[Any]:
        return self.run.true

    def counted(self, metric: str) -> tuple[Hashable, Counts, Counts]:
        """What tells the test documents from others, and what a metric of both is of."""
        return (self.true.shape, self.true.tobytes()), self.run.f1_counts(metric), self.twin.f1_counts(metric)


def paired_comparisons(
    pairs: Runs, folders: Mapping[str, Path], resamples: int = 2_000, seed: int = 0, scored: ScoredRuns | None = None
) -> pd.DataFrame:
    """Each arm against its twins on the same test documents, over its seeds.

    All of it is conditional on these runs: it says what other test documents would have given, and nothing of other
    seeds (:func:`patentlab.analysis.arms.mean_gains` does). F1 is compared by
    :func:`patentlab.statistics.bootstrap.bootstrap_f1_of_counts`, with percentile intervals. It takes unequal test
    sets of different seeds for independent; where they share documents, its interval is somewhat too narrow. Mean
    average precision is resampled by :class:`patentlab.analysis.scored.ScoredRuns`, which draws documents that seeds
    share together; so few resamples are no basis for adjusted p-values, and it has none.

    Each F1 is of the labels that score at least its own threshold, as the record has it.

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
        scored: Test scores of the runs; read from the folders where none are given.

    Returns:
        A row per contrast, cell and arm: ``seeds`` compared, distinct test ``documents``, ``rare_labels`` (how many
        labels a test set, the worst of them, has fewer than five documents of: for those the interval of macro-F1 is
        too narrow); the mean difference ``f1_micro`` with ``f1_micro_low, f1_micro_high, f1_micro_p``, likewise
        ``f1_macro`` and ``map_macro``; that of subset ``accuracy``, documents that speak for either (``only_run,
        only_twin``), ``p_exact, p_mid``; ``sentence``: what was left out or could not be told, and why; p-values
        adjusted over the rows, of each measure on its own (``f1_micro_p_holm, f1_micro_p_bh, f1_macro_p_holm,
        f1_macro_p_bh, p_exact_holm, p_exact_bh``).
    """
    keys = ["contrast", *pairs.cell, "arm"]
    groups = list(pairs.table.groupby(keys, dropna=False, sort=False))
    # the arms of a cell share twins: cell by cell, few are held at a time
    cells = pairs.table.groupby(pairs.cell, dropna=False, sort=False).ngroup()
    order = sorted(range(len(groups)), key=lambda number: int(cells[groups[number][1].index[0]]))
    reader = _Reader(folders, [*pairs.table["run"], *pairs.table["twin"]])
    scores = ScoredRuns(folders) if scored is None else scored
    rows: dict[int, dict[str, Any]] = {}
    for number in order:
        key, group = groups[number]
        rows[number] = dict(zip(keys, key, strict=True)) | _comparison(group, reader, scores, resamples, seed)
    columns = [*keys, "seeds", "documents", "rare_labels", *_F1, *_MAP, *_ACCURACY, "sentence"]
    table = pd.DataFrame([rows[number] for number in range(len(groups))], columns=columns)
    for name in ("f1_micro_p", "f1_macro_p", "p_exact"):
        p = table[name].to_numpy(dtype=float)
        table[f"{name}_holm"], table[f"{name}_bh"] = holm(p), benjamini_hochberg(p)
    return table


class _Reader:
    """Reads each run once, and forgets it after its last use."""

    def __init__(self, folders: Mapping[str, Path], uses: Iterable[str]) -> None:
        self._folders, self._left = folders, Counter(uses)
        self._held: dict[str, Judged | str] = {}

    def __call__(self, run: str) -> Judged | str:
        """Its predictions, or why there are none."""
        if run not in self._held:
            try:
                self._held[run] = read_run(run, self._folders)
            except UndecidableError as reason:
                self._held[run] = str(reason)
        self._left[run] -= 1
        return self._held[run] if self._left[run] else self._held.pop(run)


def _comparison(group: pd.DataFrame, reader: _Reader, scored: ScoredRuns, resamples: int, seed: int) -> dict[str, Any]:
    found: list[_Pair] = []
    both: list[tuple[Scored, Scored]] = []
    reasons: list[tuple[object, str]] = []
    for of, run, twin in zip(group["seed"], group["run"], group["twin"], strict=True):
        try:
            read = reader(run), reader(twin)
            found.append(_pair(*read))
            both.append((scored(run, read[0]), scored(twin, read[1])))
        except UndecidableError as reason:
            reasons.append((of, str(reason)))
    row: dict[str, Any] = dict.fromkeys([*_F1, *_MAP, *_ACCURACY], np.nan)
    row |= {"seeds": len(found), "documents": len({name for pair in found for name in pair.ids})}
    row["rare_labels"] = max((int((pair.true.sum(axis=0) < RARE).sum()) for pair in found), default=0)
    sentences = [left_out(reasons, len(group), "pairs")] if reasons else []
    for average in _AVERAGES if found else ():
        name = f"f1_{average}"
        try:
            f1 = bootstrap_f1_of_counts([pair.counted(name) for pair in found], average, resamples, seed=seed)
            row |= {name: f1.estimate, f"{name}_low": f1.low, f"{name}_high": f1.high, f"{name}_p": f1.p}
        except UndecidableError as reason:
            sentences.append(f"{name}: {reason}")
    if found and all("map_macro" in one.score for pair in both for one in pair):
        try:
            value = float(np.mean([run.score["map_macro"] - twin.score["map_macro"] for run, twin in both]))
            drawn = np.mean([run.resampled["map_macro"] - twin.resampled["map_macro"] for run, twin in both], axis=0)
            precision = resampled_difference(value, drawn)
            row |= dict(zip(_MAP, (precision.estimate, precision.low, precision.high, precision.p), strict=True))
        except UndecidableError as reason:
            sentences.append(f"map_macro: {reason}")
    if found:
        accuracy = documents_right([(run.ids, run.right, twin.right) for run, twin in both])
        row |= dict(zip(_ACCURACY, accuracy, strict=True))
    return row | {"sentence": "; ".join(sentences)}


class Right(NamedTuple):
    """Difference of subset accuracy, and McNemar's test over documents."""

    accuracy: float
    only_first: int
    only_second: int
    p_exact: float
    p_mid: float


def documents_right(pairs: Iterable[tuple[Sequence[str], NDArray[np.bool_], NDArray[np.bool_]]]) -> Right:
    """Who has more documents wholly right, over pairs of runs; a document counts once, whatever pairs it is in.

    Args:
        pairs: Of each the documents' ids, and which of them the first and the second run have right.

    Returns:
        The mean difference of subset accuracy; how many documents speak for either; McNemar's p-values.
    """
    differences = [pd.Series(first.astype(int) - second, list(ids)) for ids, first, second in pairs]
    sums = pd.concat(differences).groupby(level=0).sum()
    test = mcnemar(sums > 0, sums < 0)
    accuracy = float(np.mean([difference.mean() for difference in differences]))
    return Right(accuracy, test.only_first, test.only_second, test.p_exact, test.p_mid)


def _pair(run: Judged | str, twin: Judged | str) -> _Pair:
    if isinstance(run, str):
        raise UndecidableError(run)
    if isinstance(twin, str):
        raise UndecidableError(f"twin with {twin}")
    check_same_documents(run, twin)
    return _Pair(run, twin)
