"""``python -m patentlab.analyze``: from runs to claims.

``sweep=FOLDER``                 a report of a sweep: which classifier is best, differences in pairs, tables, figures,
                                 one HTML page; several with commas between them, or a matrix.parquet or matrix.csv
                                 that was kept of one
  ``between=head``               what is compared in pairs: model (whole classifiers, by default), head, adapter, loss,
                                 strategy, generator, regime, mix, ordering, data, or a setting that varies, as
                                 trainer.learning_rate; all else is equal
  ``table=csv``                  nothing but the run matrix, a row a run; or parquet, or csv,parquet
  ``claims=NAME``                claims to check: a file of conf/claims/, or a path; verdicts say whether the sweep was
                                 started with this file (patentlab.run claims=NAME)
  ``metric=f1_macro``            of leaderboard, gains and figures; f1_micro by default
  ``fidelity=frechet``           measure of it; mmd2 by default
  ``source=mlflow``              from MLflow alone, sweep=NAME; tracking.uri=… names another database or server than the
                                 default, experiment=NAME MLflow's experiment, where several have a sweep of this name
  ``out=FOLDER``                 where to write; by default report/ in the sweep's folder, the matrix beside its runs

``fisher r=.95,-.73 n=14,14``    do two correlations of separate samples differ?
``power n=14,14``                the smallest difference of correlations that so many points show
``power r=.6,-.2``               how many points it takes to tell these apart
``power sd=.015 n=3``            the smallest gain that so many seeds show; sd: of the gain, between seeds
``power sd=.015 difference=.02`` how many seeds it takes to show this gain
  ``sd_from=3``                  seeds that the sd was estimated from: the answer is an interval then, and a wide one
``power sweep=FOLDER``           both, for each gain of a sweep
``worth sweep=FOLDER``           how many labelled documents the added ones are worth, read off the learning curve on
                                 real documents alone (four regimes or more); what labelling more would bring
  ``more=50``                    so many more
  ``price.label=2 price.document=.01``  what a label and a generated document cost; without, the seconds that generation
                                 took are told for each label that they stand for
``published``                    what papers print, recomputed; with sweep=FOLDER, ours beside it
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from patentlab.config import RequestError, closest, config_folder
from patentlab.console.command_line import compose, read_settings, run_command

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
    planned = {"n": None, "r": None, "sd": None, "difference": None, "sd_from": None, "level": "0.05", "power": "0.8"}
    commands: dict[str, tuple[Callable[[Settings], None], dict[str, str | None]]] = {
        "report": (report, {**_READ, "table": None, "claims": None, "between": "model", **written}),
        "fisher": (fisher, {"r": None, "n": None, "level": "0.05"}),
        "power": (power, {**_READ, **planned}),
        "worth": (
            worth,
            {**_READ, "metric": "f1_micro", "out": None, "more": "50", "price.label": None, "price.document": None},
        ),
        "published": (published, {**_READ, "out": None}),
    }
    if name not in commands:
        raise RequestError(f"{closest(name, commands)}: no such analysis; allowed are {', '.join(commands)}")
    command, known = commands[name]
    command(read_settings(arguments, known))


def report(settings: Settings) -> None:
    """Tables, figures and a page; or the matrix alone."""
    from patentlab.report.request import claims_of, formats_of, place_of, read_sweeps
    from patentlab.report.sweep import keep_matrix, make_report, summary

    formats = formats_of(settings)
    matrix, folders = read_sweeps(settings, _uri)
    if formats:
        print(keep_matrix(matrix, Path(settings["out"] or place_of(settings)), formats).resolve())
        return
    family, registered = claims_of(settings) or (None, "")
    out = Path(settings["out"] or place_of(settings) / "report")
    names = [Path(one).stem for one in str(settings["sweep"]).split(",")]
    title = f"{', '.join(names)}: {len(matrix)} runs"
    metric, between = str(settings["metric"]), str(settings["between"])
    found = make_report(title, matrix, folders, family, metric, str(settings["fidelity"]), out, between, registered)
    print(*summary(found, matrix, metric, between), sep="\n", file=sys.stderr)
    print(out.resolve())


def fisher(settings: Settings) -> None:
    """Two correlations by hand."""
    from patentlab.report.planning import compare_by_hand

    print(*compare_by_hand(settings), sep="\n")


def power(settings: Settings) -> None:
    """What a planned matrix could show, or each gain of a sweep."""
    from patentlab.report.planning import level_and_power, planned

    if settings["sweep"] is None:
        print(planned(settings))
        return
    level, wanted = level_and_power(settings)
    from patentlab.analysis.quantities import Evidence
    from patentlab.analysis.tables import detectable_gains
    from patentlab.report.printing import as_markdown
    from patentlab.report.request import read_sweeps

    table = detectable_gains(Evidence(read_sweeps(settings, _uri)[0]), level, wanted)
    if table.empty:
        raise RequestError(f"sweep={settings['sweep']}: no run has a twin")
    print(as_markdown(table))


def worth(settings: Settings) -> None:
    """What added documents are worth."""
    from patentlab.analysis.worth import Prices
    from patentlab.report.request import numbers_of, place_of, read_sweeps
    from patentlab.report.worth import make_worth_report

    prices = (
        None if settings[name] is None else numbers_of(settings, name, 1)[0]
        for name in ("price.label", "price.document")
    )
    [more] = numbers_of(settings, "more", 1)
    if more < 1 or more != round(more):
        raise RequestError(f"more={settings['more']}: must be a whole number from 1")
    wanted = Prices(*prices)
    if any(price is not None and price <= 0 for price in (wanted.label, wanted.document)):
        raise RequestError("price: must be above 0")
    matrix, _ = read_sweeps(settings, _uri)
    out = Path(settings["out"] or place_of(settings) / "worth")
    names = [Path(one).stem for one in str(settings["sweep"]).split(",")]
    said = make_worth_report(
        f"What documents are worth: {', '.join(names)}", matrix, str(settings["metric"]), int(more), wanted, out
    )
    print(*said, sep="\n", file=sys.stderr)
    print(out.resolve())


def published(settings: Settings) -> None:
    """Papers' numbers, recomputed and beside ours."""
    from patentlab.analysis.published import beside_published, read_published, recomputed
    from patentlab.analysis.quantities import Evidence
    from patentlab.report.printing import as_markdown, write_table
    from patentlab.report.request import read_sweeps

    papers = read_published(config_folder() / "published")
    evidence = Evidence(read_sweeps(settings, _uri)[0]) if settings["sweep"] else None
    tables = {"recomputed": recomputed(papers), "published": beside_published(papers, evidence)}
    for table in tables.values():
        print(as_markdown(table), end="\n\n")
    if settings["out"]:
        Path(settings["out"]).mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            write_table(table, Path(settings["out"]) / name)


def _uri() -> str:
    """Of MLflow, where the command line names none."""
    return str(compose("tracking=mlflow").tracking.uri)


if __name__ == "__main__":
    sys.exit(run_command(main))
