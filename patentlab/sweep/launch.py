"""One launch of a sweep or a run, as the process sees it that the user started: what it shows, and how it ends."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from patentlab.config import LAYER_SETTINGS, RequestError, TrackingConfig, from_hydra
from patentlab.console.command_line import DONE as EXIT_DONE
from patentlab.console.command_line import FAILED as EXIT_FAILED
from patentlab.console.effect import refuse_idle, refuse_without_effect
from patentlab.console.hydra_internals import OptionFiles, jobs_beside, options_of_jobs, scope_of
from patentlab.console.overrides import overrides_of, settings_of
from patentlab.console.terminal import TerminalProgress, say
from patentlab.protocols import Progress
from patentlab.storage import held, is_held
from patentlab.sweep.display import SweepDisplay, report_plan, report_single, report_sweep
from patentlab.sweep.journal import (
    ELSEWHERE,
    EXCLUDED,
    OPEN,
    RUNNING,
    START_VARIABLE,
    Entry,
    Journal,
    current_runs,
    new_start,
)
from patentlab.sweep.naming import sweep_name
from patentlab.sweep.progress import Watch
from patentlab.sweep.registration import REGISTERED, register, registrations
from patentlab.sweep.resume import DONE, FAILED, MISSING
from patentlab.tracking.mirror import SweepRun
from patentlab.tracking.record import FILE_NAME, lock_of, read_record


class Refused(BaseException):
    """A wrong request, found in a callback, where Hydra passes over whatever is an ``Exception``; see its cause."""


class Launch:
    """From the command to its exit code.

    Args:
        typed: The command's arguments.
        arguments: The same for Hydra, shorthand rewritten.
        write_matrix: Writes the matrix of a sweep into its folder.
        find_claims: Finds a claims file by its name or path, and sees that it is one.
    """

    def __init__(
        self,
        typed: Sequence[str],
        arguments: Sequence[str],
        write_matrix: Callable[[Path], None],
        find_claims: Callable[[str], Path],
    ) -> None:
        self._write_matrix = write_matrix
        self._find_claims = find_claims
        self.typed = list(typed)
        self.arguments = list(arguments)
        self.identifier = new_start()
        self.progress: Progress = TerminalProgress()
        self.single: Entry | None = None
        self.journal: Journal | None = None
        self._sweep: DictConfig | None = None
        self._jobs: int | None = None
        self._watch: Watch | None = None
        self._shown = ExitStack()
        self._lock = ExitStack()

    @property
    def for_hydra(self) -> list[str]:
        """The arguments with what jobs are to know of this start: its journal, and a name for a sweep without one."""
        name = sweep_name(overrides_of(self.arguments))
        extra = [f"++hydra.job.env_set.{START_VARIABLE}={self.identifier}"]
        if not any(argument.lstrip("+").startswith("hydra.job.name=") for argument in self.arguments):
            extra.append(f"hydra.job.name='{name}'")
        # beside the other overrides: argparse takes them in one piece
        last = max((self.arguments.index(override) + 1 for override in overrides_of(self.arguments)), default=0)
        return [*self.arguments[:last], *extra, *self.arguments[last:]]

    def open_sweep(self, composed: DictConfig) -> None:
        """Open the journal, and begin to show progress.

        Args:
            composed: What Hydra composed for the sweep, its ``hydra`` node included.
        """
        if self.journal is not None:
            return  # a second pass
        if (jobs := options_of_jobs(composed)) is not None:
            try:
                typed = settings_of(overrides_of(self.arguments))
                refuse_without_effect(typed, jobs, OptionFiles.of(composed.hydra))
                doubtful = [one for one in typed if one.startswith("seeds.") or one in LAYER_SETTINGS]
                refuse_idle(doubtful, _idle(composed) if doubtful else [])
            except RequestError as wrong:
                raise Refused from wrong
        try:
            claims = None if composed.register is None else self._find_claims(str(composed.register))
        except RequestError as wrong:
            raise Refused from wrong
        scope = scope_of(composed)
        self._sweep, self._jobs = composed, scope.jobs
        self.journal = Journal(Path(composed.hydra.sweep.dir).resolve(), self.identifier)
        self._lock.enter_context(held(self.journal.lock, wait=True))
        if not composed.plan:
            if claims is not None:
                say(f"claims={composed.register}: {register(self.journal.sweep, claims)}")
            display = self.progress = self._shown.enter_context(SweepDisplay(scope.swept))
            self._watch = self._shown.enter_context(Watch(self.journal, scope.jobs, display))

    def refresh(self) -> None:
        """Show what has changed."""
        if self._watch is not None:
            self._watch.refresh()

    def needs_second_pass(self) -> bool:
        """Whether other processes held runs; from now on jobs wait for them."""
        if self.journal is None or not any(entry.state == ELSEWHERE for entry in self.journal.entries()):
            return False
        self.journal.mark("wait")
        return True

    def end(self, *, stopped: bool) -> int:
        """Sum up: tables and messages on stderr, the path of what was made on stdout.

        Args:
            stopped: Whether the user, or an error, ended it before its time.

        Returns:
            An exit code.

        Raises:
            RequestError: All that was asked for was wrong.
        """
        if self.journal is None:
            return EXIT_DONE if self.single is None else self._end_single(self.single)
        self._shown.close()
        entries = self.journal.entries()
        try:
            if self._sweep is not None and self._sweep.plan:
                self._end_plan(entries, self.journal)
            else:
                self._end_sweep(entries, self.journal, stopped)
        finally:
            shutil.rmtree(self.journal.folder, ignore_errors=True)
            self._lock.close()
            self.journal.lock.unlink(missing_ok=True)
        ended = [entry for entry in entries if entry.state != EXCLUDED]
        if ended and all(entry.refused for entry in ended) and not stopped:
            raise RequestError(*dict.fromkeys(problem for entry in ended for problem in entry.problems))
        failed = [entry for entry in ended if entry.state == FAILED]
        if self._sweep is not None and self._sweep.plan:  # what failed before is told of, and is no failure of a plan
            failed = [entry for entry in failed if entry.refused]
        return EXIT_FAILED if failed else EXIT_DONE

    def _end_single(self, entry: Entry) -> int:
        folder = Path(entry.folder)
        if entry.settings is not None:
            self._show_plan([entry])
            return EXIT_DONE
        if entry.refused:
            raise RequestError(*entry.problems)
        record = read_record(folder)
        if record is not None:
            if record.status == "finished":
                report_single(record, entry.executed)
            print(folder / FILE_NAME)
        return EXIT_FAILED if entry.state == FAILED else EXIT_DONE

    def _end_plan(self, entries: list[Entry], journal: Journal) -> None:
        """Show the plan, and leave no trace of it."""
        self._show_plan(entries)
        if not any(journal.sweep.glob(f"*/{FILE_NAME}")) and not (journal.sweep / ".sweep" / "requests").is_dir():
            shutil.rmtree(journal.sweep, ignore_errors=True)

    def _show_plan(self, entries: list[Entry]) -> None:
        from patentlab.sweep.plan import plan_runs

        report_plan(plan_runs(entries, (Path("multirun"), Path("outputs"))))

    def _end_sweep(self, entries: list[Entry], journal: Journal, stopped: bool) -> None:
        for entry in entries:
            if entry.state == RUNNING:
                _mark_killed(entry)
        if ended := [entry for entry in entries if entry.state != EXCLUDED]:
            report_sweep(journal.sweep.name, ended)
        begun = {state: sum(entry.state == state for entry in entries) for state in (DONE, FAILED, EXCLUDED)}
        left = sum(entry.state in OPEN for entry in entries) + max((self._jobs or 0) - len(entries), 0)
        parts = [f"{begun[DONE]} finished", f"{begun[FAILED]} failed", f"{left} missing"]
        parts += [f"{begun[EXCLUDED]} excluded"] if begun[EXCLUDED] else []
        say(f"{', '.join(parts)}; {sum(entry.executed for entry in entries)} executed now")
        if begun[FAILED] or left:
            again = [argument for argument in self.typed if not argument.startswith(("rerun=", "plan="))]
            failed = ["rerun=failed"] if begun[FAILED] else []
            say(f"what is left: {shlex.join(['python', '-m', 'patentlab.run', *again, *failed])}")
        made = journal.sweep / "matrix.csv"
        if any(entry.executed or entry.refused for entry in entries) or not made.is_file():
            self._write_matrix(journal.sweep)
        if any(entry.executed for entry in entries):
            self._mirror(entries, journal.sweep, made, left > 0 or stopped)
        print(made)

    def _mirror(self, entries: list[Entry], sweep: Path, matrix: Path, unfinished: bool) -> None:
        """Bring the sweep's run in MLflow up to date."""
        assert self._sweep is not None
        chosen = OmegaConf.to_container(
            self._sweep.tracking, resolve=True
        )  # of the whole, which it names its data from
        tracking = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(TrackingConfig), chosen))
        if not isinstance(tracking, TrackingConfig) or not tracking.uri:
            return
        counts = {f"runs.{state}": sum(entry.state == state for entry in entries) for state in (DONE, FAILED, MISSING)}
        status = "KILLED" if unfinished else "FAILED" if counts[f"runs.{FAILED}"] else "FINISHED"
        claims = {f"claims.{one.name}": f"{one}; sha256 {one.sha256}" for one in registrations(sweep / REGISTERED)}
        name = self._sweep.name or self._sweep.hydra.job.name
        runs = {folder.name: record for folder in current_runs(sweep) if (record := read_record(folder)) is not None}
        SweepRun(sweep, name).finish(tracking, status, {**counts, **claims}, runs, [matrix])


def _idle(composed: DictConfig) -> Iterator[Mapping[str, str]]:
    """The settings without effect of each run of a sweep; of runs that cannot be, which are told of later, none."""
    for job in jobs_beside(composed, "seed") or ():
        files, options = OptionFiles.of(job.hydra), dict(job.hydra.runtime.choices)
        with open_dict(job):
            del job["hydra"]
        with suppress(RequestError, OmegaConfBaseException):
            yield from_hydra(job, options, files.read).idle


def _mark_killed(entry: Entry) -> None:
    """Mark a run whose process was ended together with its sweep."""
    folder = Path(entry.folder)
    record = read_record(folder)
    if record is not None and record.status == "running" and not is_held(lock_of(folder)):
        record.status, record.error = "failed", f"{KeyboardInterrupt.__name__}: ended together with its sweep"
        record.write(folder)
        entry.state = MISSING
