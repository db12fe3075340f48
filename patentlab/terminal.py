"""What a user sees, all of it on stderr: progress bars, tables, warnings."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from patentlab.config import ExperimentConfig
from patentlab.protocols import Advance
from patentlab.tracking.mlflow import run_name, ui_hint
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
}
console = Console(stderr=True, highlight=False)


class LogHandler(RichHandler):
    """Log lines above the progress bars instead of through them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING, console, show_time=False, show_path=False, markup=False)

    def emit(self, record: logging.LogRecord) -> None:
        """One line, however long."""
        say(f"{record.levelname}: {record.getMessage()}")


class TerminalProgress:
    """Progress bars; where stderr is no terminal, a line at the end of each task."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """A bar for as long as the context is open.

        Args:
            description: A word or two.
            total: Steps.

        Yields:
            What moves the bar on.
        """
        bars = Bars(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        last = ""
        with bars:
            task = bars.add_task(description, total=total, note="")

            def advance(steps: int, note: str = "") -> None:
                nonlocal last
                last = note or last
                bars.update(task, advance=steps, note=last)

            yield advance
        if not console.is_terminal:
            seconds = bars.tasks[0].elapsed or 0.0
            console.print(f"{description}: done in {seconds:.1f} s{', ' + last if last else ''}", soft_wrap=True)


def say(line: str) -> None:
    """One line, as it is, never folded."""
    console.print(line, markup=False, soft_wrap=True)


def report_run(record: Record, config: ExperimentConfig) -> None:
    """The metrics of a finished run, what it was trained on, and how to compare it with others.

    Args:
        record: Finished.
        config: Of the run.
    """
    table = Table(title=run_name(record.choices), title_justify="left")
    table.add_column("metric")
    for column in record.metrics:
        table.add_column(column, justify="right")
    for name in next(iter(record.metrics.values())):
        table.add_row(name, *(f"{values[name]:.3f}" for values in record.metrics.values()))
    console.print(table)
    counts = record.counts
    threshold = "" if record.threshold is None else f", threshold {record.threshold:.3f} chosen on validation"
    say(
        f"{counts['train']} training documents ({counts['real']} real, {counts['synthetic']} added; share of real "
        f"{counts['achieved_share']:.3f}), {record.parameters['trained']:,} trained parameters, "
        f"{record.timing['total']:.0f} s{threshold}"
    )
    left_out = [f"{counts[name]} {text}" for name, text in _LEFT_OUT.items() if counts.get(name)]
    drawn = [name for name in ("validation", "test") if counts.get(f"{name}_drawn_from_train")]
    if drawn:
        say(f"drawn from the training documents, since the source gives none: {' and '.join(drawn)} set")
    if left_out:
        say(f"left out: {', '.join(left_out)}")
    if config.tracking.uri is not None:
        say(f"MLflow: {ui_hint(config.tracking.uri)}")


def report_sweep(matrix: pd.DataFrame) -> None:
    """A row a run of a sweep, and how many ended how.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`.
    """
    varied = [c for c in matrix if str(c).startswith("choices.") and len(set(matrix[c].dropna().astype(str))) > 1]
    shown = {"status": "status", "counts.train": "train", "counts.achieved_share": "share of real"}
    shown |= {str(column): str(column).removeprefix("choices.") for column in varied}
    shown |= {f"metrics.test.{name}": f"test {name}" for name in ("f1_micro", "f1_macro")}
    table = Table(title="sweep", title_justify="left")
    table.add_column("run")
    present = [column for column in shown if column in matrix]
    for column in present:
        table.add_column(shown[column], justify="right")
    for _, row in matrix.iterrows():
        table.add_row(str(row["run"]), *(_cell(row[column]) for column in present))
    console.print(table)
    counts = matrix["status"].value_counts()
    say(", ".join(f"{count} {status}" for status, count in counts.items()))
    for _, row in matrix[matrix["status"] == "failed"].iterrows():
        say(f"run {row['run']} failed: {row['error']}")


def _cell(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
