"""What a user sees, all of it on stderr: progress bars, tables, warnings."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column

from patentlab.protocols import Advance

_TELL_EVERY = 60  # seconds between lines of a task where there are no bars
console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 160)


class LogHandler(RichHandler):
    """Log lines above the progress bars instead of through them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING, console, show_time=False, show_path=False, markup=False)

    def emit(self, record: logging.LogRecord) -> None:
        """One line, however long."""
        say(f"{record.levelname}: {record.getMessage()}")


def bars(*, disable: bool = False) -> Bars:
    """Progress bars as all commands have them."""
    return Bars(
        TextColumn("{task.description:<24}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=20),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        console=console,
        disable=disable,
    )


class TerminalProgress:
    """Progress bars; where stderr is no terminal, a line a minute and one at the end of each task."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """A bar for as long as the context is open.

        Args:
            description: A word or two.
            total: Steps.

        Yields:
            What moves the bar on.
        """
        shown = bars(disable=not console.is_terminal)
        with shown:
            shown.add_task(description, total=total, note="")
            (task,) = shown.tasks
            yield advance_of(shown, task)
        if not console.is_terminal:
            say(f"{description}: done in {task.elapsed or 0.0:.1f} s{_noted(task)}")

    def say(self, line: str) -> None:
        """One line above the bar."""
        say(line)


def advance_of(bars: Bars, task: Task) -> Advance:
    """What moves a bar on; keeps the last note."""
    told = time.monotonic()

    def advance(steps: int, note: str = "") -> None:
        nonlocal told
        bars.update(task.id, advance=steps, note=note or task.fields["note"])
        if not console.is_terminal and time.monotonic() - told >= _TELL_EVERY:
            told = time.monotonic()
            done, elapsed = task.completed, task.elapsed or 0.0
            left = f", about {duration(elapsed * (task.total - done) / done)} left" if done and task.total else ""
            say(f"{task.description}: {done:.0f} of {task.total:.0f}{_noted(task)}{left}")

    return advance


def _noted(task: Task) -> str:
    return f", {task.fields['note']}" if task.fields["note"] else ""


def duration(seconds: float) -> str:
    """A length of time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def say(line: str) -> None:
    """One line, as it is, never folded."""
    console.print(line, markup=False, soft_wrap=True)
