"""``python -m patentlab.run``: one experiment, or with ``-m`` a sweep of them."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from patentlab.config import ExperimentConfig, config_folder, register
from patentlab.console.command_line import run_command
from patentlab.console.overrides import read_arguments
from patentlab.protocols import Progress, Silent
from patentlab.sweep.job import execute_job, register_folders
from patentlab.sweep.journal import Entry
from patentlab.sweep.launch import Launch, Refused
from patentlab.tracking.mirror import SweepRun
from patentlab.tracking.record import Record

register()
register_folders()  # when imported, so that it holds in the processes of launchers too

_launch: Launch | None = None  # None in the processes of launchers


class SweepCallback(Callback):
    """Told by Hydra, in the process that the user started, that a sweep begins."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Open the sweep."""
        if _launch is not None:
            _launch.open_sweep(config)


def job(composed: DictConfig) -> None:
    """What Hydra calls for each job, here or in a launcher's process."""
    if _launch is not None and _launch.journal is None and composed.register is not None:
        problem = f"claims={composed.register}: are registered with a sweep, and this is a single run; -m makes a sweep"
        _launch.single = Entry(0, [], "", problems=[problem])
        return
    entry = execute_job(composed, _launch.progress if _launch is not None else Silent(), _execute)
    if _launch is not None:
        if _launch.journal is None:
            _launch.single = entry
        _launch.refresh()


def _execute(config: ExperimentConfig, folder: Path, progress: Progress, sweep: SweepRun | None) -> Record:
    from patentlab.experiment import run_experiment  # what is not executed loads no torch

    return run_experiment(config, folder, progress, sweep)


def _write_matrix(sweep: Path) -> None:
    from patentlab.analysis.matrix import read_matrix, write_matrix  # pandas is slow to import

    write_matrix(read_matrix(sweep), sweep)


def _find_claims(name: str) -> Path:
    from patentlab.analysis.claims import claims_file, read_claims

    path = claims_file(name)
    read_claims(path)
    return path


def main() -> int:
    """Compose, hand over to the jobs, and sum up.

    Returns:
        An exit code.

    Raises:
        RequestError: The request was wrong; in a sweep, all that was wrong with it.
    """
    global _launch
    arguments = read_arguments(sys.argv[1:])
    launch = _launch = Launch(sys.argv[1:], arguments, _write_matrix, _find_claims)
    sys.argv[1:] = launch.for_hydra
    signal.signal(signal.SIGTERM, _interrupt)
    command = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")(job)
    try:
        command()
        if launch.needs_second_pass():
            command()
    except Refused as refused:
        assert refused.__cause__ is not None
        raise refused.__cause__ from None
    except BaseException:
        launch.end(stopped=True)
        raise
    return launch.end(stopped=False)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt("terminated")


if __name__ == "__main__":
    # under `-m` this file is the module __main__; Hydra finds the job in the imported module
    from patentlab import run

    sys.exit(run_command(run.main))
