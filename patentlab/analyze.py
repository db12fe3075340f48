"""``python -m patentlab.analyze``: from runs to claims.

``sweep=FOLDER``                 a report of a sweep: tables, figures, one HTML page; several with commas between them,
                                 or a matrix.parquet or matrix.csv that was kept of one
  ``table=csv``                  nothing but the run matrix, a row a run; or parquet, or csv,parquet
  ``claims=NAME``                claims to check: a file of conf/claims/, or a path
  ``metric=f1_macro``            of gains and figures; f1_micro by default
  ``fidelity=frechet``           measure of it; mmd2 by default
  ``source=mlflow``              from MLflow alone, sweep=NAME; tracking.uri=… names another database or server than the
                                 default, experiment=NAME MLflow's experiment, where several have a sweep of this name
  ``out=FOLDER``                 where to write; by default report/ in the sweep's folder, the matrix beside its runs

``fisher r=.95,-.73 n=14,14``    do two correlations of separate samples differ?
``power n=14,14``                the smallest difference of correlations that so many points show
``power r=.6,-.2``               how many points it takes to tell these apart
``power sd=.015 n=3``            the smallest gain that so many seeds show; sd: of the gain, between seeds
``power sd=.015 difference=.02`` how many seeds it takes to show this gain
``power sweep=FOLDER``           both, for each gain of a sweep
``published``                    what papers print, recomputed; with sweep=FOLDER, ours beside it
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from patentlab.config import RequestError, closest, config_folder
from patentlab.console.command_line import compose, read_settings, run_command

if TYPE_CHECKING:
    import pandas as pd

Settings = Mapping[str, str | None]
_READ = {"sweep": None, "source": "records", "experiment": None, "tracking.uri": None}


def main() -> None:
    """Do what the first word says; without one, report."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return
    name = arguments.pop(0) if arguments and "=" not in arguments[0] else "report"
    written = {"out": None, "metric": "f1_micro", "fidelity": "mmd2"}
    planned = {"n": None, "r": None, "sd": None, "difference": None, "level": "0.05", "power": "0.8"}
    commands: dict[str, tuple[Callable[[Settings], None], dict[str, str | None]]] = {
        "report": (report, {**_READ, "table": None, "claims": None, **written}),
        "fisher": (fisher, {"r": None, "n": None, "level": "0.05"}),
        "power": (power, {**_READ, **planned}),
        "published": (published, {**_READ, "out": None}),
    }
    if name not in commands:
        raise RequestError(f"{closest(name, commands)}: no such analysis; allowed are {', '.join(commands)}")
    command, known = commands[name]
    command(read_settings(arguments, known))


def report(settings: Settings) -> None:
    """Tables, figures and a page; or the matrix alone."""
    from patentlab.analysis.matrix import FORMATS, write_matrix

    formats = str(settings["table"]).split(",") if settings["table"] else []
    if wrong := [name for name in formats if name not in FORMATS]:
        raise RequestError(f"table={','.join(wrong)}: allowed are {', '.join(FORMATS)}")
    matrix, folders = _matrix(settings)
    place = Path(str(settings["sweep"]).partition(",")[0])
    place = place.parent if place.is_file() else place
    if formats:
        out = Path(settings["out"] or place)
        out.mkdir(parents=True, exist_ok=True)
        paths = write_matrix(matrix, out, formats)
        print((paths[0] if len(paths) == 1 else out).resolve())
        return
    from patentlab.analysis.claims import read_claims
    from patentlab.analysis.contrasts import distinct
    from patentlab.report import make_report, sentences

    family = read_claims(_claims_file(settings["claims"])) if settings["claims"] else None
    out = Path(settings["out"] or place / "report")
    names = [Path(one).stem for one in str(settings["sweep"]).split(",")]
    title = f"{', '.join(names)}: {len(matrix)} runs"
    found = make_report(title, matrix, folders, family, str(settings["metric"]), str(settings["fidelity"]), out)
    for sentence in sentences(found, len(distinct(matrix))):
        print(sentence, file=sys.stderr)
    if family is not None:
        for row in found["claims"].itertuples():
            print(f"{row.verdict}: {row.says} ({row.sentence})", file=sys.stderr)
    print(out.resolve())


def fisher(settings: Settings) -> None:
    """Two correlations by hand."""
    from patentlab.analysis.published import tanh_interval
    from patentlab.statistics.correlation import fisher_interval
    from patentlab.statistics.correlation_difference import compare_independent
    from patentlab.statistics.power import smallest_correlation_difference
    from patentlab.statistics.undecidable import UndecidableError

    r, n = _numbers(settings, "r", 2), [round(one) for one in _numbers(settings, "n", 2)]
    level = _numbers(settings, "level", 1)[0]
    confidence = 1 - level
    try:
        found = compare_independent(r[0], n[0], r[1], n[1], confidence)
        low, high = tanh_interval(r[0], n[0], r[1], n[1], confidence)
        smallest = smallest_correlation_difference(n[0], n[1], level=level)
        for one, size in zip(r, n, strict=True):
            ends = fisher_interval(one, size, confidence)
            print(f"r = {one:+.3f}  n = {size}  {confidence:.0%} interval [{ends[0]:+.3f}, {ends[1]:+.3f}] (Fisher)")
    except UndecidableError as reason:
        raise RequestError(f"r={settings['r']} n={settings['n']}: {reason}") from reason
    print(f"z = {found.z:+.2f}  p = {found.p:.2g} (Fisher's test of separate samples)")
    share = f"{confidence:.0%} interval"
    print(f"difference = {found.difference:+.3f}  {share} [{found.low:+.3f}, {found.high:+.3f}] (Zou 2007)")
    print(f"tanh of the {share} on Δz: [{low:+.3f}, {high:+.3f}], which is no interval on the difference")
    print(f"smallest difference that these n show with power 0.8: {smallest:.3f} (around zero, where it is largest)")


def power(settings: Settings) -> None:
    """What a planned matrix could show."""
    from patentlab.statistics.undecidable import UndecidableError

    level, wanted = _numbers(settings, "level", 1)[0], _numbers(settings, "power", 1)[0]
    if not (0 < level < 1 and level < wanted < 1):
        raise RequestError(f"level={level:g} power={wanted:g}: must be between 0 and 1, and the power above the level")
    try:
        if settings["sweep"] is not None:
            _power_of_sweep(settings, level, wanted)
        else:
            print(_planned(settings, level, wanted), f"at level {level:g} with power {wanted:g}")
    except UndecidableError as reason:
        raise RequestError(f"power: {reason}") from reason


def _planned(settings: Settings, level: float, wanted: float) -> str:
    from patentlab.statistics.power import (
        points_for_correlations,
        seeds_for_difference,
        smallest_correlation_difference,
        smallest_mean_difference,
    )

    given = {name for name in ("n", "r", "sd", "difference") if settings[name] is not None}
    if given == {"n"}:
        one, two = (round(n) for n in _numbers(settings, "n", 2))
        smallest = smallest_correlation_difference(one, two, level=level, power=wanted)
        return f"{one} and {two} points show correlations that are {smallest:.3f} apart, around zero,"
    if given == {"r"}:
        r_1, r_2 = _numbers(settings, "r", 2)
        if not max(abs(r_1), abs(r_2)) < 1:
            raise RequestError(f"r={settings['r']}: correlations lie between -1 and 1")
        return (
            f"correlations of {r_1:g} and {r_2:g} need {points_for_correlations(r_1, r_2, level, wanted)} points each"
        )
    if given == {"sd", "n"}:
        sd, seeds = _numbers(settings, "sd", 1)[0], round(_numbers(settings, "n", 1)[0])
        return f"{seeds} seeds show a gain of {smallest_mean_difference(sd, seeds, level, wanted):.4f}"
    if given == {"sd", "difference"}:
        sd, difference = _numbers(settings, "sd", 1)[0], _numbers(settings, "difference", 1)[0]
        return f"a gain of {difference:g} needs {seeds_for_difference(difference, sd, level, wanted)} seeds"
    raise RequestError("power: give n=14,14 or r=.6,-.2 or sd=… n=… or sd=… difference=… or sweep=FOLDER")


def published(settings: Settings) -> None:
    """Papers' numbers, recomputed and beside ours."""
    from patentlab.analysis.published import beside_published, read_published, recomputed
    from patentlab.analysis.quantities import Evidence
    from patentlab.report import readable, write_table

    papers = read_published(config_folder() / "published")
    evidence = Evidence(_matrix(settings)[0]) if settings["sweep"] else None
    tables = {"recomputed": recomputed(papers), "published": beside_published(papers, evidence)}
    for table in tables.values():
        print(readable(table).to_markdown(index=False, disable_numparse=True), end="\n\n")
    if settings["out"]:
        Path(settings["out"]).mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            write_table(table, Path(settings["out"]) / name)


def _power_of_sweep(settings: Settings, level: float, wanted: float) -> None:
    from patentlab.analysis.quantities import Evidence
    from patentlab.analysis.tables import detectable_gains
    from patentlab.report import readable

    table = detectable_gains(Evidence(_matrix(settings)[0]), level, wanted)
    if table.empty:
        raise RequestError(f"sweep={settings['sweep']}: no run has a twin")
    print(readable(table).to_markdown(index=False, disable_numparse=True))


def _matrix(settings: Settings) -> tuple[pd.DataFrame, dict[str, Path]]:
    """The run matrix, and the folders of its runs, where they are at hand."""
    import pandas as pd

    from patentlab.analysis.matrix import read_kept_matrix, read_matrix, read_matrix_from_mlflow

    if settings["sweep"] is None:
        raise RequestError("sweep: must be given; write sweep=multirun/NAME")
    sweeps = [Path(one) for one in str(settings["sweep"]).split(",")]
    if settings["source"] == "mlflow":
        uri = settings["tracking.uri"] or compose("tracking=mlflow").tracking.uri
        found = [read_matrix_from_mlflow(str(uri), sweep.name, settings["experiment"]) for sweep in sweeps]
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


def _claims_file(name: str) -> Path:
    known = {path.stem: path for path in (config_folder() / "claims").glob("*.yaml")}
    if name in known:
        return known[name]
    if not Path(name).is_file():
        raise RequestError(f"claims={closest(name, known)}: no such file; conf/claims/ has {', '.join(sorted(known))}")
    return Path(name)


def _numbers(settings: Settings, name: str, count: int) -> list[float]:
    text = settings[name]
    try:
        values = [float(part) for part in str(text).split(",")]
    except ValueError:
        values = []
    if text is None or len(values) != count:
        what = "a number" if count == 1 else f"{count} numbers with a comma between them"
        raise RequestError(f"{name}={text or ''}: must be {what}")
    return values


if __name__ == "__main__":
    sys.exit(run_command(main))
