"""``python -m patentlab.run``: one experiment, or with ``-m`` a sweep of them."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from patentlab.command_line import FAILED, run_command
from patentlab.config import RequestError, config_folder, from_hydra, register
from patentlab.overrides import read_arguments


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    folder: Path
    sweeping: bool
    recorded: bool
    error: Exception | None = None


outcomes: list[Outcome] = []  # of the jobs so far, in this process


def job(composed: DictConfig) -> None:
    """Run the experiment that Hydra composed, in the folder that Hydra made for it.

    A failure is kept here and not raised: Hydra would print lines of its own about it, hold on to the frames and with
    them the model until the sweep ends, and then tell of the first failure alone.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    sweeping = HydraConfig.get().mode == RunMode.MULTIRUN
    error: Exception | None = None
    choices: dict[str, Any] = {}
    before = _stamp(folder)
    try:
        config = from_hydra(composed)
        choices = config.choices
        from patentlab.experiment import run_experiment
        from patentlab.terminal import TerminalProgress, report_run

        report_run(run_experiment(config, folder, TerminalProgress()), config)
    except RequestError as wrong:
        error = RequestError(*wrong.problems)  # without the frames that the original holds
        if sweeping and _stamp(folder) == before:
            from patentlab.tracking.record import Record

            Record("", choices, status="failed", error=str(wrong)).write(folder)
        elif not any(folder.iterdir()):
            folder.rmdir()
    except Exception as failure:
        traceback.print_exc()
        traceback.clear_frames(failure.__traceback__)
        error = failure.with_traceback(None)
    outcomes.append(Outcome(folder, sweeping, _stamp(folder) != before, error))


def _stamp(folder: Path) -> int | None:
    """When the record in a folder was written, if there is one: a folder may hold that of an earlier run."""
    path = folder / "result.json"
    return path.stat().st_mtime_ns if path.is_file() else None


def finish() -> None:
    """Tell on stdout what was made: a single run's record, or a sweep's matrix."""
    if not outcomes:
        return
    first = outcomes[0]
    if not first.sweeping:
        if first.recorded:
            print(first.folder / "result.json")
        return
    from patentlab.analysis.matrix import read_matrix, write_matrix
    from patentlab.terminal import report_sweep

    matrix = read_matrix(first.folder.parent)
    report_sweep(matrix)
    print(write_matrix(matrix, first.folder.parent))


def main() -> int | None:
    """Compose, hand over to the job, and sum up.

    Returns:
        An exit code where a job failed.

    Raises:
        RequestError: The request was wrong; in a sweep, all that was wrong with it.
    """
    sys.argv[1:] = read_arguments(sys.argv[1:])
    register()
    try:
        hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")(job)()
    finally:
        finish()
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    wrong = [error for error in errors if isinstance(error, RequestError)]
    if len(wrong) < len(errors):
        return FAILED
    if wrong:
        raise RequestError(*dict.fromkeys(problem for error in wrong for problem in error.problems))
    return None


if __name__ == "__main__":
    # under `-m` this file is the module __main__; Hydra finds the job in the imported module
    from patentlab import run

    sys.exit(run_command(run.main))
