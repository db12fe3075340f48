"""``python -m patentlab.run``: one experiment, or with ``-m`` a sweep of them."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from patentlab.command_line import expand_shorthand, run_command
from patentlab.config import RequestError, config_folder, from_hydra, register

folders: list[Path] = []  # of the jobs so far, in this process


def job(composed: DictConfig) -> None:
    """Run the experiment that Hydra composed, in the folder that Hydra made for it."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    sweeping = HydraConfig.get().mode == RunMode.MULTIRUN
    folders.append(folder)
    try:
        config = from_hydra(composed)
        from patentlab.experiment import run_experiment
        from patentlab.terminal import TerminalProgress, report_run

        report_run(run_experiment(config, folder, TerminalProgress()), config)
    except RequestError as error:
        _clean_up(folder, str(error), sweeping)
        raise


def _clean_up(folder: Path, error: str, sweeping: bool) -> None:
    """After a wrong request: in a sweep the failure is recorded, a single run leaves nothing behind."""
    if sweeping and not (folder / "result.json").is_file():
        from patentlab.tracking.record import Record

        Record("", {}, status="failed", error=error).write(folder)
    elif not sweeping and not any(folder.iterdir()):
        folder.rmdir()


def finish() -> None:
    """Print what was made: the path of a single run's record, or of a sweep's matrix."""
    if not folders:
        return
    if "-m" not in sys.argv and "--multirun" not in sys.argv:
        if (folders[0] / "result.json").is_file():
            print(folders[0] / "result.json")
        return
    from patentlab.analysis.matrix import read_matrix, write_matrix
    from patentlab.terminal import report_sweep

    matrix = read_matrix(folders[0].parent)
    report_sweep(matrix)
    print(write_matrix(matrix, folders[0].parent))


def main() -> None:
    """Compose, and hand over to the job."""
    sys.argv[1:] = expand_shorthand(sys.argv[1:])
    register()
    try:
        hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")(job)()
    finally:
        finish()


if __name__ == "__main__":
    # under `-m` this file is the module __main__; the jobs' list must be the one of the imported module
    from patentlab import run

    sys.exit(run_command(run.main))
