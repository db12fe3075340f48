"""What the jobs of a sweep tell the process that started them, whatever launcher runs them: a small file each.

In a sweep's folder, ``.sweep/starts/START/NUMBER.json`` says how a job of one start stands, and
``.sweep/requests/DIGEST.json`` which run a combination of choices stands for at present.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from patentlab.storage import write_atomically
from patentlab.sweep.naming import request_digest
from patentlab.sweep.resume import MISSING

START_VARIABLE = "PATENTLAB_START"
RUNNING, ELSEWHERE, EXCLUDED, STOPPED = "running", "elsewhere", "excluded", "stopped"
OPEN = (MISSING, RUNNING, ELSEWHERE, STOPPED)
"""States of runs that have no result yet."""


@dataclass
class Entry:
    """How a job stands.

    Attributes:
        number: Of the job in its sweep.
        overrides: What makes it this job.
        folder: Of its run.
        name: Of its run, for people.
        key: Of its run; empty where a wrong request has none.
        state: ``done``, ``failed``, ``missing``; ``running``; ``elsewhere``, held by another process; ``excluded``;
            ``stopped``, not begun because another failed.
        executed: Whether this start executed it.
        problems: What is wrong with what was asked for, a line each.
        error: Why it failed, in one line.
        seconds: That it took, in this start or an earlier one.
        settings: All of them, where the sweep is only planned.
        metrics: Of the test set.
        counts: Of documents.
        fallback: What fine-tuning and its probe reached, where there was one.
        left_out: Settings that were given and that the options of this run do not know.
    """

    number: int
    overrides: list[str]
    folder: str
    name: str = ""
    key: str = ""
    state: str = MISSING
    executed: bool = False
    problems: list[str] = field(default_factory=list)
    error: str | None = None
    seconds: float | None = None
    settings: dict[str, Any] | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    fallback: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether it failed because of what was asked for."""
        return bool(self.problems)


def new_start() -> str:
    """A name for one start of a sweep."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{socket.gethostname().split('.')[0]}-{os.getpid()}"


class Journal:
    """The journal of one start.

    Args:
        sweep: The sweep's folder.
        start: As of :func:`new_start`.
    """

    def __init__(self, sweep: Path, start: str) -> None:
        self.sweep = sweep
        self.starts = sweep / ".sweep" / "starts"
        self.folder = self.starts / start
        self.lock = self.starts / f"{start}.lock"

    def write(self, entry: Entry) -> None:
        """Replace a job's entry."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / f"{entry.number}.json", json.dumps(asdict(entry)))

    def read(self, number: int) -> Entry | None:
        """A job's entry, if it has one."""
        path = self.folder / f"{number}.json"
        return Entry(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def entries(self) -> list[Entry]:
        """All entries, by number."""
        numbers = sorted(int(path.stem) for path in self.folder.glob("[0-9]*.json"))
        return [entry for entry in map(self.read, numbers) if entry is not None]

    def mark(self, what: str) -> None:
        """Leave a mark for jobs to come: ``stop``, or ``wait`` for what other processes hold."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / what).touch()

    def is_marked(self, what: str) -> bool:
        """Whether there is such a mark."""
        return (self.folder / what).exists()

    def point(self, entry: Entry) -> None:
        """Note which run a combination of choices stands for now; an earlier one drops out of the matrix."""
        path = self.sweep / ".sweep" / "requests" / f"{request_digest(entry.overrides)}.json"
        content = json.dumps({"overrides": entry.overrides, "run": Path(entry.folder).name, "number": entry.number})
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)


def current_runs(sweep: Path) -> Iterator[Path]:
    """The folders of the runs that a sweep consists of, in the order of its jobs.

    Args:
        sweep: Its folder. One that keeps no requests, as sweeps of other tools, has every run in it.

    Yields:
        Folders that hold a record, each once.
    """
    pointers = [json.loads(p.read_text(encoding="utf-8")) for p in (sweep / ".sweep" / "requests").glob("*.json")]
    if pointers:
        pointers.sort(key=lambda pointer: (pointer["number"], pointer["run"]))
        names = list(dict.fromkeys(str(pointer["run"]) for pointer in pointers))
    else:
        names = sorted((path.parent.name for path in sweep.glob("*/result.json")), key=lambda name: (len(name), name))
    for name in names:
        if (sweep / name / "result.json").is_file():
            yield sweep / name
