"""How far a sweep is, as the process sees it that started it: it reads the journal, whoever writes there."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

from patentlab.console.terminal import duration
from patentlab.sweep.journal import EXCLUDED, RUNNING, Entry, Journal
from patentlab.sweep.resume import DONE, FAILED

_INTERVAL = 0.5  # seconds between two looks at the journal


class Display(Protocol):
    """What shows a sweep's progress."""

    def show(self, line: str) -> None:
        """Replace the line on how far the sweep is."""
        ...

    def tell(self, entry: Entry, line: str) -> None:
        """Say how a run ended, and how far the sweep is."""
        ...


def headline(entries: Sequence[Entry], total: int | None) -> str:
    """How far a sweep is: ``7/24, 2 failed, about 14 min left``.

    Args:
        entries: Of all jobs that began.
        total: Jobs, those included that are left out.

    Returns:
        The time left is the mean time of the runs that were executed, times those to come, shared among as many as
        run side by side.
    """
    ended = [entry for entry in entries if entry.state in (DONE, FAILED)]
    failed = sum(entry.state == FAILED for entry in ended)
    parts = [str(len(ended))]
    if total is not None:
        total -= sum(entry.state == EXCLUDED for entry in entries)
        parts = [f"{len(ended)}/{total}"]
    if failed:
        parts.append(f"{failed} failed")
    seconds = [entry.seconds for entry in ended if entry.executed and entry.seconds is not None]
    if total is not None and seconds and len(ended) < total:
        side_by_side = max(sum(entry.state == RUNNING for entry in entries), 1)
        left = sum(seconds) / len(seconds) * (total - len(ended)) / side_by_side
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)


class Watch(AbstractContextManager["Watch"]):
    """Looks at the journal of a start now and then, and shows what has changed.

    Args:
        journal: Of the start.
        total: Jobs, None where that is not known.
        display: Shows it.
    """

    def __init__(self, journal: Journal, total: int | None, display: Display) -> None:
        self.journal = journal
        self.total = total
        self.display = display
        self._told: set[int] = set()
        self._turn = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._refresh_now_and_then, name="sweep-progress", daemon=True)

    def __enter__(self) -> Watch:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, after a last look."""
        self._over.set()
        self._thread.join()
        self.refresh()

    def refresh(self) -> None:
        """Look now: tell of every run that ended since."""
        with self._turn:
            entries = self.journal.entries()
            line = headline(entries, self.total)
            self.display.show(line)
            for entry in entries:
                if entry.executed and entry.state in (DONE, FAILED) and entry.number not in self._told:
                    self._told.add(entry.number)
                    self.display.tell(entry, line)

    def _refresh_now_and_then(self) -> None:
        while not self._over.wait(_INTERVAL):
            self.refresh()
