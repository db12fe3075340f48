"""``python -m patentlab.run``: one experiment, or with ``-m`` a sweep of them."""

from __future__ import annotations

import signal
import sys
from typing import Any

import hydra
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from patentlab.config import config_folder, register
from patentlab.console.command_line import run_command
from patentlab.console.overrides import read_arguments
from patentlab.protocols import Silent
from patentlab.sweep.job import carry_out, register_folders
from patentlab.sweep.start import Refused, Start

register()
register_folders()  # when imported, so that it holds in the processes of launchers too

_start: Start | None = None  # None in the processes of launchers


class SweepCallback(Callback):
    """Told by Hydra, in the process that the user started, that a sweep begins."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Open the sweep."""
        if _start is not None:
            _start.open_sweep(config)


def job(composed: DictConfig) -> None:
    """What Hydra calls for each job, here or in a launcher's process."""
    entry = carry_out(composed, _start.progress if _start is not None else Silent())
    if _start is not None:
        if _start.journal is None:
            _start.single = entry
        _start.look()


def main() -> int:
    """Compose, hand over to the jobs, and sum up.

    Returns:
        An exit code.

    Raises:
        RequestError: The request was wrong; in a sweep, all that was wrong with it.
    """
    global _start
    arguments = read_arguments(sys.argv[1:])
    start = _start = Start(sys.argv[1:], arguments)
    sys.argv[1:] = start.for_hydra
    signal.signal(signal.SIGTERM, _interrupt)
    command = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")(job)
    try:
        command()
        if start.needs_second_pass():
            command()
    except Refused as refused:
        assert refused.__cause__ is not None
        raise refused.__cause__ from None
    except BaseException:
        start.end(stopped=True)
        raise
    return start.end(stopped=False)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt("terminated")


if __name__ == "__main__":
    # under `-m` this file is the module __main__; Hydra finds the job in the imported module
    from patentlab import run

    sys.exit(run_command(run.main))
