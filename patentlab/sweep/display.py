"""What a user sees of runs and sweeps, all of it on stderr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from patentlab.console.overrides import SHORTHAND
from patentlab.console.terminal import advance_of, bars, console, duration, say
from patentlab.evaluation.detection import FEWEST_BENIGN
from patentlab.protocols import Advance
from patentlab.sweep.journal import EXCLUDED, Entry
from patentlab.sweep.plan import PlannedRun
from patentlab.sweep.resume import DONE, FAILED, MISSING
from patentlab.tracking.identity import run_name
from patentlab.tracking.mlflow import ui_hint
from patentlab.tracking.record import Record

# what a source or a split did not take → how to say it
_LEFT_OUT = {
    "rows_skipped": "rows that no document can be made of",
    "documents_without_abstract": "documents without an abstract",
    "documents_without_code": "documents without a code",
    "documents_without_claim": "documents without a claim",
    "labels_dropped": "labels",
    "documents_without_label": "documents without a label that was kept",
    "duplicates_removed": "duplicates of held-out documents",
    "unlabelled_removed": "documents without labels that repeat held-out ones",
}
# of the test set
_SCORES = {"f1_micro": "micro-F1", "f1_macro": "macro-F1", "map_macro": "mAP", "recall": "recall"}
_KEPT = {"probe": "probe on frozen layers, not what was fine-tuned", "tuned": "fine-tuned model, not the probe"}
_TOLD = 4  # runs that a line names


class SweepDisplay:
    """One live line for a sweep above the bars of its run; where stderr is no terminal, a line a run.

    Args:
        swept: The settings that differ between runs; others are not shown.
    """

    def __init__(self, swept: Sequence[str]) -> None:
        self.swept = swept
        self._line = ""
        self._bars = bars()
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> SweepDisplay:
        """Begin to show."""
        if console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the terminal clean."""
        if console.is_terminal:
            self._live.stop()

    def _render(self) -> Group:
        return Group(Text(self._line, style="bold"), self._bars)

    def show(self, line: str) -> None:
        """Replace the line on how far the sweep is."""
        self._line = line

    def tell(self, entry: Entry, line: str) -> None:
        """Say how a run ended, and how far the sweep is."""
        if entry.state == FAILED:
            ended = f"failed: {entry.error}"
        else:
            scores = ", ".join(f"test {name} {entry.metrics[name]:.3f}" for name in _SCORES if name in entry.metrics)
            ended = f"finished in {duration(entry.seconds or 0)}; {scores}{_probed(entry)}"
        say(f"{line} | {label(entry, self.swept)} {ended}")

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """A bar below the sweep's line, for as long as the context is open."""
        added = self._bars.add_task(description, total=total, note="")
        try:
            yield advance_of(self._bars, next(task for task in self._bars.tasks if task.id == added))
        finally:
            self._bars.remove_task(added)

    def say(self, line: str) -> None:
        """One line above the sweep's own."""
        say(line)


def _beside_numbers(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Mapping[str, float]]]:
    """Metrics that are no numbers, but have numbers by name once more."""
    return {name: found for name, found in metrics.items() if any(isinstance(one, Mapping) for one in found.values())}


def _columns(title: str, metrics: Mapping[str, Mapping[str, Any]]) -> Table:
    """A column a set, a row a metric."""
    sets = {name: found for name, found in metrics.items() if name not in _beside_numbers(metrics)}
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    for column in sets:
        table.add_column(column, justify="right")
    for name in dict.fromkeys(name for found in sets.values() for name in found):
        table.add_row(name, *(f"{found[name]:.3f}" if name in found else "" for found in sets.values()))
    return table


def _rows(title: str, tampered: Mapping[str, Mapping[str, float]]) -> Table:
    """A row for what became of documents, a column a rate; those with an interval alone, which stands beside them."""
    ends = (name for found in tampered.values() for name in found if name.endswith("_low"))
    rates = list(dict.fromkeys(name.removesuffix("_low") for name in ends))
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in rates:
        table.add_column(column, justify="right")
    for name, found in tampered.items():
        told = (
            f"{found[r]:.3f} [{found[f'{r}_low']:.3f}, {found[f'{r}_high']:.3f}]" if r in found else "" for r in rates
        )
        table.add_row(name, *told)
    return table


def report_single(record: Record, executed: bool) -> None:
    """The metrics of a finished run, what it was trained on, and how to compare it with others.

    Args:
        record: Finished.
        executed: Whether it was executed just now.
    """
    if not executed:
        say("this run is there already; rerun=always executes it again")
    console.print(_columns(run_name(record.choices), record.metrics))
    for name, tampered in _beside_numbers(record.metrics).items():
        console.print(_rows(name, tampered))
    counts = record.counts
    threshold = "" if record.threshold is None else f", threshold {record.threshold:.3f} chosen on validation"
    own = {name: value for name, value in record.thresholds.items() if value != record.threshold}
    threshold += "".join(f", {value:.3f} for {_SCORES.get(name, name)}" for name, value in own.items())
    say(
        f"{counts['train']} training documents ({counts['real']} real, {counts['synthetic']} added; share of real "
        f"{counts['achieved_share']:.3f})"
    )
    if counts.get("validation_benign", FEWEST_BENIGN) < FEWEST_BENIGN:
        say(f"1% false alarms cannot be told well from {counts['validation_benign']} benign validation documents; "
            f"{FEWEST_BENIGN} are wanted")  # fmt: skip
    if record.fallback:
        kept, metric = record.fallback["kept"], record.main_metric or next(iter(_SCORES))
        reached = ((name, record.fallback[name]) for name in ("tuned", "probe"))
        told = (
            f"{name} {sets['validation'][metric]:.3f} (validation), {sets['test'][metric]:.3f} (test)"
            for name, sets in reached
        )
        other = "probe" if kept == "tuned" else "tuned"
        close = record.fallback[other]["validation"][metric] > record.fallback[kept]["validation"][metric]
        why = " (the other is ahead by less than head.fallback_margin)" if close else ""
        say(f"kept the {_KEPT[kept]}{why}; {metric}: {'; '.join(told)}")
    say(f"{record.parameters['trained']:,} trained parameters, {record.timing['total']:.0f} s{threshold}")
    left_out = [f"{counts[name]} {text}" for name, text in _LEFT_OUT.items() if counts.get(name)]
    drawn = [name for name in ("validation", "test") if counts.get(f"{name}_drawn_from_train")]
    if drawn:
        say(f"drawn from the training documents, since the source gives none: {' and '.join(drawn)} set")
    if left_out:
        say(f"left out: {', '.join(left_out)}")
    if record.tracking:
        say(f"MLflow: {ui_hint(record.tracking['uri'])}")


def _probed(entry: Entry) -> str:
    """Said of a run whose numbers are not those of what its name says was fine-tuned."""
    return ", kept the probe" if entry.fallback.get("kept") == "probe" else ""


def label(entry: Entry, swept: Sequence[str]) -> str:
    """What tells a run from the others of its sweep: ``regime.keep=1:10 mix.real_share=0.2``, or its name."""
    values = chosen(entry)
    return " ".join(f"{short(name)}={values[name]}" for name in swept if name in values) or entry.name


def short(setting: str) -> str:
    """A setting as it is typed: ``regime`` for ``regime.keep``."""
    return next((group for group, name in SHORTHAND.items() if name == setting), setting)


def chosen(entry: Entry) -> dict[str, str]:
    """The overrides of a job by setting."""
    parts = [override.lstrip("+").partition("=") for override in entry.overrides]
    return {name: value.replace("\\:", ":") for name, _, value in parts}


def varied(entries: Sequence[Entry]) -> list[str]:
    """The settings in which jobs differ."""
    values = [chosen(entry) for entry in entries]
    names = dict.fromkeys(name for value in values for name in value)
    return [name for name in names if len({value.get(name) for value in values}) > 1]


def report_plan(planned: Sequence[PlannedRun]) -> None:
    """A row a run of a sweep that is planned, and what it would take in all.

    Args:
        planned: Of all jobs.
    """
    entries = [run.entry for run in planned if run.entry.state != EXCLUDED]
    swept = varied(entries)
    table = Table(title="plan", title_justify="left")
    for heading in [*map(short, swept or ["run"]), "key", "state"]:
        table.add_column(heading, no_wrap=True)
    table.add_column("train", justify="right")
    table.add_column("estimate", justify="right")
    for run in planned:
        entry = run.entry
        if entry.state == EXCLUDED:
            continue
        values = chosen(entry)
        table.add_row(
            *([escape(values.get(name, "")) for name in swept] or [entry.name]),
            entry.key,
            "wrong request" if entry.refused and not entry.key else entry.state,
            "" if run.documents is None else str(run.documents),
            "" if run.seconds is None or entry.state == DONE else duration(run.seconds),
        )
    console.print(table)
    for entry in entries:
        if entry.error is not None:
            say(f"{label(entry, swept)}: {entry.error}")
    for setting in dict.fromkeys(name for entry in entries for name in entry.left_out):
        without = [entry for entry in entries if setting in entry.left_out]
        told = ", ".join(dict.fromkeys(label(entry, swept) for entry in without[:_TOLD]))
        more = f" and {len(without) - _TOLD} more" if len(without) > _TOLD else ""
        say(f"{setting}: left out of {told}{more}, which do not know it")
    states = [entry.state for entry in entries]
    say(f"{len(states)} runs: {', '.join(f'{states.count(state)} {state}' for state in (DONE, FAILED, MISSING))}")
    left = [run for run in planned if run.entry.state == MISSING]
    known = [run.seconds for run in left if run.seconds is not None]
    if left and known:
        unknown = f", and {len(left) - len(known)} that no earlier run tells of" if len(known) < len(left) else ""
        say(f"what is missing takes about {duration(sum(known))} on one worker{unknown}")
    elif left:
        say("no earlier run tells what this takes")


def report_sweep(title: str, entries: Sequence[Entry]) -> None:
    """A row a run of a sweep, and how many stand how.

    Args:
        title: Of the table.
        entries: Of all jobs.
    """
    swept = varied(entries)
    table = Table(title=title, title_justify="left")
    for heading in map(short, swept or ["run"]):
        table.add_column(heading, no_wrap=True)
    scores = [name for name in _SCORES if name != "recall" or any(name in entry.metrics for entry in entries)]
    for heading in ("state", "train", "seconds", *(_SCORES[name] for name in scores)):
        table.add_column(heading, justify="right")
    for entry in entries:
        values = chosen(entry)
        table.add_row(
            *([escape(values.get(name, "")) for name in swept] or [entry.name]),
            entry.state + (" before" if entry.state in (DONE, FAILED) and not entry.executed else "") + _probed(entry),
            str(entry.counts.get("train", "")),
            "" if entry.seconds is None else f"{entry.seconds:.0f}",
            *(f"{entry.metrics[name]:.3f}" if name in entry.metrics else "" for name in scores),
        )
    console.print(table)
    for entry in entries:
        if entry.error is not None and entry.state == FAILED:
            say(f"{label(entry, swept)}: {entry.error}")
