"""One job of a sweep, or a single run: decided by what is on disk, then executed or left alone.

All of it happens in the function that Hydra calls for a job, so that it holds under every sweeper and launcher. What
is not executed costs milliseconds: torch is imported for runs alone.
"""

from __future__ import annotations

import copy
import gc
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from patentlab.classifiers.saving import MODEL_FOLDER
from patentlab.config import ExperimentConfig, RequestError, from_hydra
from patentlab.console.effect import refuse_idle, refuse_without_effect
from patentlab.console.hydra_internals import OptionFiles
from patentlab.console.overrides import settings_of
from patentlab.protocols import Progress
from patentlab.storage import held
from patentlab.sweep.devices import claim_device
from patentlab.sweep.earlier import folder_of, key_today
from patentlab.sweep.exclusion import is_excluded
from patentlab.sweep.journal import ELSEWHERE, EXCLUDED, RUNNING, START_VARIABLE, STOPPED, Entry, Journal
from patentlab.sweep.naming import refused_folder, run_folder
from patentlab.sweep.resume import DONE, FAILED, MISSING, is_executed, state_of
from patentlab.tracking.identity import input_fingerprints, run_key, run_name
from patentlab.tracking.mirror import SweepRun
from patentlab.tracking.record import Record, lock_of, read_record

Execute = Callable[[ExperimentConfig, Path, Progress, SweepRun | None], Record]
"""Runs an experiment into a folder, as part of a sweep or alone."""


@dataclass(frozen=True)
class Prepared:
    """What a job's configuration comes to.

    Attributes:
        folder: The name of its run's folder in a sweep.
        key: Of the run; empty where there is a problem.
        config: Checked; None where there is a problem.
        problem: Why the run cannot be.
        left_out: Settings that were given and that its options do not know.
    """

    folder: str
    key: str = ""
    config: ExperimentConfig | None = None
    problem: Exception | None = None
    left_out: Mapping[str, Any] = field(default_factory=dict)


_prepared: dict[str, Prepared] = {}  # between Hydra's asking for a job's folder and its calling the job


def register_folders() -> None:
    """Make known to Hydra what a sweep's folder and those of its runs are called."""
    OmegaConf.register_new_resolver("patentlab.sweep_name", _sweep_name, replace=True)
    OmegaConf.register_new_resolver("patentlab.run_folder", _run_folder, replace=True)


def _sweep_name(*, _root_: DictConfig) -> str:
    return str(_root_.name or _root_.hydra.job.name)


def _run_folder(*, _root_: DictConfig) -> str:
    composed = copy.deepcopy(_root_)
    with open_dict(composed):
        del composed["hydra"]
    prepared = prepare(composed, _root_.hydra)
    folder = folder_of(Path(_root_.hydra.sweep.dir).resolve(), prepared.key, prepared.folder)
    _prepared[folder] = prepared
    return folder


def prepare(composed: DictConfig, hydra: Any, *, alone: bool = False) -> Prepared:
    """Check a job's configuration, and find out the key of its run.

    Args:
        composed: What Hydra composed, ``hydra`` node excluded.
        hydra: That node.
        alone: No other run could use what this one leaves out.

    Returns:
        It never raises: Hydra would give up the whole sweep.
    """
    overrides, files = list(hydra.overrides.task), OptionFiles.of(hydra)
    try:
        found = from_hydra(composed, dict(hydra.runtime.choices), files.read)
        if alone:
            refuse_without_effect(settings_of(overrides), [found.options], files)
            refuse_idle(settings_of(overrides), [found.idle])
        key = run_key(found.config, input_fingerprints(found.config))
        return Prepared(run_folder(found.config.choices, key), key, found.config, left_out=found.left_out)
    except Exception as problem:
        traceback.clear_frames(problem.__traceback__)
        return Prepared(refused_folder(overrides), problem=problem)


def execute_job(composed: DictConfig, progress: Progress, execute: Execute) -> Entry:
    """Do what a job stands for, or find that nothing is to be done.

    A failure is noted and not raised: Hydra would print lines of its own about it, hold on to the frames and with
    them the model until the sweep ends, and then tell of the first failure alone.

    Args:
        composed: What Hydra composed, ``hydra`` node excluded.
        progress: Where long steps report.
        execute: Runs an experiment.

    Returns:
        How the job stands.
    """
    hydra = HydraConfig.get()
    folder, overrides = Path(hydra.runtime.output_dir), list(hydra.overrides.task)
    if hydra.mode != RunMode.MULTIRUN:
        entry = Entry(0, overrides, str(folder))
        _try(entry, prepare(composed, hydra, alone=True), progress, execute, None, bool(composed.plan))
        return entry
    journal = Journal(Path(hydra.sweep.dir).resolve(), os.environ[START_VARIABLE])
    entry = Entry(int(hydra.job.num), overrides, str(folder))
    before = journal.read(entry.number)
    if before is not None and before.state != ELSEWHERE:
        return before  # a second pass, for what another process held
    prepared = _prepared.pop(folder.name, None) or prepare(composed, hydra)
    try:
        _try(entry, prepared, progress, execute, journal, bool(composed.plan))
    finally:
        if entry.state != EXCLUDED and not composed.plan:
            journal.point(entry)
        journal.write(entry)
    return entry


def _try(
    entry: Entry, prepared: Prepared, progress: Progress, execute: Execute, journal: Journal | None, planned: bool
) -> None:
    folder = Path(entry.folder)
    try:
        if journal is not None and journal.is_marked("stop"):
            entry.state = STOPPED
        elif prepared.config is not None:
            _execute_if_needed(entry, prepared, progress, execute, journal)
        elif prepared.problem is not None:
            _refuse(entry, prepared.problem)
            if journal is None and not entry.refused:
                traceback.print_exception(prepared.problem)
            if journal is not None and not planned:
                _record_refusal(prepared.problem, entry, folder)
    except RequestError as wrong:  # found out late; a run of a sweep has noted it in its folder
        _refuse(entry, wrong)
    finally:
        # not one that another process is about to write into
        if entry.state != ELSEWHERE and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    if entry.state == FAILED and journal is not None and prepared.config and prepared.config.on_error == "stop":
        journal.mark("stop")


def _refuse(entry: Entry, problem: Exception) -> None:
    entry.state, entry.error = FAILED, _one_line(problem)
    entry.problems = list(problem.problems) if isinstance(problem, RequestError) else []


def _record_refusal(problem: Exception, entry: Entry, folder: Path) -> None:
    """Note in a sweep's folder that a run cannot be."""
    Record("", {}, status="failed", error=entry.error).write(folder)
    if not entry.refused:
        (folder / "traceback.txt").write_text("".join(traceback.format_exception(problem)), encoding="utf-8")


def _one_line(error: Exception | None) -> str:
    text = "; ".join(error.problems) if isinstance(error, RequestError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def _execute_if_needed(
    entry: Entry, prepared: Prepared, progress: Progress, execute: Execute, journal: Journal | None
) -> None:
    assert prepared.config is not None
    folder, config, key = Path(entry.folder), prepared.config, prepared.key
    entry.key, entry.name, entry.left_out = key, run_name(config.choices), sorted(prepared.left_out)
    if is_excluded(config, prepared.left_out):
        entry.state = EXCLUDED
    elif config.plan:
        entry.settings = config.settings
        _refresh(entry, folder, config, key)
    else:
        _refresh(entry, folder, config, key)
        if entry.state == DONE and not is_executed(DONE, config.rerun):
            return
        with held(lock_of(folder), wait=journal is None or journal.is_marked("wait")) as mine:
            _refresh(entry, folder, config, key)
            if not mine:
                entry.state = ELSEWHERE
            elif is_executed(entry.state, config.rerun):
                _execute(entry, config, progress, execute, journal)


def _refresh(entry: Entry, folder: Path, config: ExperimentConfig, key: str) -> None:
    """Read from disk how a run stands."""
    record = read_record(folder)
    lacks_model = config.trainer.save_model == "always" and not (folder / MODEL_FOLDER).is_dir()
    recorded = key_today(record, folder) if record is not None else ""
    entry.state = state_of(record, recorded, key, lacks_model=lacks_model)
    if record is not None and entry.state != MISSING:
        _adopt(entry, record)


def _adopt(entry: Entry, record: Record) -> None:
    entry.error, entry.seconds = record.error, record.timing.get("total")
    entry.metrics, entry.counts, entry.fallback = record.metrics.get("test", {}), record.counts, record.fallback


def _execute(
    entry: Entry, config: ExperimentConfig, progress: Progress, execute: Execute, journal: Journal | None
) -> None:
    entry.state, entry.executed = RUNNING, True
    sweep = None
    if journal is not None:
        journal.point(entry)
        journal.write(entry)
        sweep = SweepRun(journal.sweep, config.name or HydraConfig.get().job.name)
    start = time.perf_counter()
    try:
        claim_device()
        _adopt(entry, execute(config, Path(entry.folder), progress, sweep))
        entry.state = DONE
    except RequestError:
        raise
    except Exception as failure:
        entry.state, entry.error = FAILED, _one_line(failure)
        if journal is None:
            traceback.print_exc()
        _release_frames(failure)
    except BaseException:
        entry.state, entry.executed = MISSING, False
        raise
    finally:
        entry.seconds = time.perf_counter() - start
        from patentlab.training.memory import release_memory

        release_memory()
        gc.freeze()  # what is left are libraries, and collections, two a run, would look at all of them each time


def _release_frames(error: BaseException | None) -> None:
    """Let go of the frames of an error and of those that led to it: they hold the model."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
