"""What is asked of a report, as the command line has it: which runs, which claims, which numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from patentlab.analysis.arms import TAMPERED
from patentlab.analysis.claims import Claims, claims_file, read_claims
from patentlab.analysis.matrix import FORMATS, read_kept_matrix, read_matrix, read_matrix_from_mlflow
from patentlab.analysis.quantities import Evidence
from patentlab.config import RequestError, closest
from patentlab.sweep.registration import REGISTERED, standing

Settings = Mapping[str, str | None]


def read_sweeps(settings: Settings, default_uri: Callable[[], str]) -> tuple[pd.DataFrame, dict[str, Path]]:
    """The run matrix, and the folders of its runs, where they are at hand.

    Args:
        settings: ``sweep`` (folders or kept matrices, with commas between them; of MLflow, names), ``source``
            (``records`` or ``mlflow``), ``experiment``, ``tracking.uri``.
        default_uri: Tells of MLflow's database or server where none is named.

    Raises:
        RequestError: No sweep is named, or one is not there or has no runs, or the source is none.
    """
    if settings["sweep"] is None:
        raise RequestError("sweep: must be given; write sweep=multirun/NAME")
    sweeps = [Path(one) for one in str(settings["sweep"]).split(",")]
    if settings["source"] == "mlflow":
        uri = settings["tracking.uri"] or default_uri()
        found = [read_matrix_from_mlflow(uri, sweep.name, settings["experiment"]) for sweep in sweeps]
        return pd.concat(found, ignore_index=True), {}
    if settings["source"] != "records":
        raise RequestError(f"source={settings['source']}: allowed are records, mlflow")
    parts: list[pd.DataFrame] = []
    folders: dict[str, Path] = {}
    for sweep in sweeps:
        if sweep.is_file():
            parts.append(read_kept_matrix(sweep))
            continue
        if not sweep.is_dir():
            raise RequestError(f"sweep={sweep}: no such folder")
        parts.append(read_matrix(sweep))
        if parts[-1].empty:
            raise RequestError(f"sweep={sweep}: no runs in it")
        folders |= {str(run): sweep / str(run) for run in parts[-1]["run"]}
    return pd.concat(parts, ignore_index=True), folders


def evidence_of(matrix: pd.DataFrame, metric: str) -> Evidence:
    """A matrix to be analysed by a metric.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`.
        metric: Of the test set.

    Raises:
        RequestError: No run finished, or none has the metric, or it is of documents that were tampered with.
    """
    evidence = Evidence(matrix)
    runs = evidence.runs.table
    if runs.empty:
        raise RequestError("sweep: no run finished")
    if metric not in runs:
        raise RequestError(f"metric={closest(metric, map(str, runs))}: runs have no such metric")
    if metric.startswith(TAMPERED):
        raise RequestError(f"metric={metric}: stands in the table of tampered documents; give a metric of the test set")
    return evidence


def place_of(settings: Settings) -> Path:
    """The folder beside which things are written unless told otherwise: that of the first sweep."""
    place = Path(str(settings["sweep"]).partition(",")[0])
    return place.parent if place.is_file() else place


def formats_of(settings: Settings) -> list[str]:
    """Formats of the matrix that is asked for in place of a report.

    Raises:
        RequestError: One is none.
    """
    formats = str(settings["table"]).split(",") if settings["table"] else []
    if wrong := [name for name in formats if name not in FORMATS]:
        raise RequestError(f"table={','.join(wrong)}: allowed are {', '.join(FORMATS)}")
    return formats


def claims_of(settings: Settings) -> tuple[Claims, str] | None:
    """The claims to check, if any, and whether each sweep was started with them.

    Args:
        settings: ``claims``, a file of ``conf/claims/`` by its name, or a path; ``sweep``.

    Raises:
        RequestError: There is no such file, or it has something else.
    """
    if not settings["claims"]:
        return None
    path = claims_file(settings["claims"])
    if settings["source"] == "mlflow":  # where it is a tag of the sweep's run
        return read_claims(path), "whether they were registered beforehand is not read from MLflow"
    told = {}
    for sweep in map(Path, str(settings["sweep"]).split(",")):
        place = sweep.with_suffix(f".{REGISTERED}") if sweep.is_file() else sweep / REGISTERED
        told[sweep.stem] = standing(place, path)
    same = len(set(told.values())) == 1
    words = next(iter(told.values())) if same else "; ".join(f"{name}: {what}" for name, what in told.items())
    return read_claims(path), words


def numbers_of(settings: Settings, name: str, count: int) -> list[float]:
    """Numbers with commas between them.

    Args:
        settings: With the name.
        name: Of the setting.
        count: How many there must be.

    Raises:
        RequestError: It has another count, or none, or something else.
    """
    text = settings[name]
    try:
        values = [float(part) for part in str(text).split(",")]
    except ValueError:
        values = []
    if text is None or len(values) != count:
        what = "a number" if count == 1 else f"{count} numbers with a comma between them"
        raise RequestError(f"{name}={text or ''}: must be {what}")
    return values
