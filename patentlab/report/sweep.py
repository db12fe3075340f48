"""A run matrix, analysed and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patentlab.analysis.aggregates import seed_aggregates
from patentlab.analysis.claims import Claims, check_claims
from patentlab.analysis.classifiers import check_between
from patentlab.analysis.comparisons import paired_comparisons
from patentlab.analysis.contrasts import distinct
from patentlab.analysis.differences import differences
from patentlab.analysis.leaderboard import leaderboard
from patentlab.analysis.matrix import write_matrix
from patentlab.analysis.scored import ScoredRuns
from patentlab.analysis.tables import metrics_of, tables
from patentlab.analysis.variance import summed_up
from patentlab.config import RequestError, closest
from patentlab.report.answers import answers, gains_that_disagree
from patentlab.report.captions import NAMES
from patentlab.report.page import write_report
from patentlab.report.pictures import Tables, pictures, prediction_pictures
from patentlab.report.request import evidence_of
from patentlab.statistics.power import LEVEL

_TOLD = 3  # arms whose spread is told of at the beginning


def make_report(
    title: str,
    matrix: pd.DataFrame,
    folders: Mapping[str, Path],
    family: Claims | None,
    metric: str,
    fidelity: str,
    folder: Path,
    between: str = "model",
    registered: str = "",
) -> dict[str, pd.DataFrame]:
    """Analyse a matrix and write its report.

    Args:
        title: Of the page.
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`.
        folders: Of its runs, where they are at hand.
        family: Claims to check.
        metric: Of leaderboard, gains and figures.
        fidelity: Measure of it.
        folder: Where to.
        between: The choice whose values are compared in pairs.
        registered: Whether the claims were told beforehand, in words.

    Returns:
        The tables.

    Raises:
        RequestError: No run finished, or none has the metric or measure, or there is no such choice.
    """
    evidence = evidence_of(matrix, metric)
    runs = evidence.runs.table
    measures = [str(name).removeprefix("fidelity.") for name in runs if str(name).startswith("fidelity.")]
    if measures and fidelity not in measures:
        raise RequestError(f"fidelity={closest(fidelity, measures)}: allowed are {', '.join(measures)}")
    check_between(evidence.runs, between)
    scored, metrics = ScoredRuns(folders), metrics_of(evidence.runs, metric)
    found = tables(evidence, metric, fidelity)
    found["leaderboard"] = leaderboard(evidence.runs, scored, metrics)
    found["differences"] = differences(evidence.runs, scored, metrics, between)
    for choice in ("head", "adapter"):
        if between == "model":
            found[f"differences_{choice}"] = differences(evidence.runs, scored, metrics, choice)
    # a bootstrap's p is at least 1 / (resamples + 1), which Holm multiplies by the number of rows
    resamples = min(max(2_000, 40 * len(found["gains_f1_micro"])), 10_000)
    found["comparisons"] = paired_comparisons(evidence.pairs, folders, resamples, scored=scored)
    found["aggregates"] = seed_aggregates(evidence.runs, metric)
    if family is not None:
        found["claims"] = check_claims(evidence, family).assign(registered=registered)
    drawn = [*pictures(found, evidence.runs.cell, metric, fidelity), *prediction_pictures(evidence.runs, folders)]
    said = [*answers(found, metric, between), *sentences(found, len(runs))]
    write_report(title, found, drawn, said, folder)
    return found


def sentences(found: Tables, finished: int) -> list[str]:
    """What a report begins with.

    Args:
        found: The tables.
        finished: Distinct finished runs.

    Returns:
        A sentence each.
    """
    counts = found["problems"]["problem"].value_counts()
    said = [f"{finished} finished runs are analysed" + "".join(f"; {n} {what}" for what, n in counts.items()) + "."]
    if without := len(found["without_twin"]):
        said.append(f"{without} comparisons lack a twin; they are listed, and in no mean.")
    gains = found["gains_f1_micro"]
    for contrast, part in gains.groupby("contrast", sort=False):
        better, worse = ((part["p_holm"] < LEVEL) & (sign * part["mean"] > 0) for sign in (1, -1))
        said.append(
            f"{NAMES[str(contrast)].capitalize()}: micro-F1 is higher in {better.sum()} and lower in {worse.sum()} of "
            f"{len(part)} rows at level {LEVEL} (Holm over all of them); mean {part['mean'].mean():+.3f}."
        )
    if contrary := gains_that_disagree(found):
        said.append(contrary)
    if told := summed_up(found["variance_components"]):
        said += [*told[:_TOLD], *([f"and {len(told) - _TOLD} more, in variance_components"] * (len(told) > _TOLD))]
        said.append(
            "Seeds were drawn apart, and runs share some of what was drawn: intervals of scores, gains and claims "
            "allow for it; those of comparisons, aggregates, shares and correlations take seeds for independent, and "
            "are too narrow."
        )
    if "claims" in found:
        verdicts = found["claims"]["verdict"].value_counts()
        registered = "".join(f"; {words}" for words in found["claims"]["registered"].unique() if words)
        said.append("Claims: " + ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items()) + f"{registered}.")
    return said


def summary(found: Tables, matrix: pd.DataFrame, metric: str, between: str) -> list[str]:
    """What a report says, in lines for a terminal: its sentences, and the verdict on each claim.

    Args:
        found: The tables.
        matrix: That they are of.
        metric: That they were made for.
        between: What their differences are between.
    """
    claims = found.get("claims", pd.DataFrame())
    verdicts = [_verdict(row) for row in claims.to_dict("records")]
    return [*answers(found, metric, between), *sentences(found, len(distinct(matrix))), *verdicts]


def _verdict(row: Mapping[Any, Any]) -> str:
    """What became of a claim, with its number, and what it would take where that is undecided."""
    told = "" if pd.isna(row["value"]) else f" {row['value']:+.3f}"
    told += "" if pd.isna(row["low"]) else f" [{row['low']:+.3f}, {row['high']:+.3f}]"
    takes = f"; to decide it: {row['takes']}" if row["takes"] else ""
    return f"{row['verdict']}: {row['says']}{told} ({row['sentence']}{takes})"


def keep_matrix(matrix: pd.DataFrame, folder: Path, formats: Sequence[str]) -> Path:
    """Write the matrix and nothing else.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`.
        folder: Where to; made if need be.
        formats: Of ``csv`` and ``parquet``.

    Returns:
        The file, or the folder where there are several.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = write_matrix(matrix, folder, formats)
    return paths[0] if len(paths) == 1 else folder
