"""Commands in processes of their own that need not import anything: forked from one that has it all imported.

What starts, is interrupted, or is killed is a process as ``python -m patentlab.<command>`` is one; its imports take
ten times as long as what most tests do with it.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from patentlab.console import command_line
from tests.in_process import Ended

ROOT = Path(__file__).resolve().parents[1]
_FORKS = multiprocessing.get_context("forkserver")


class Forked:
    """A command that was started.

    Args:
        command: A module of ``patentlab`` with a ``main``.
        arguments: Of the command line.
        folder: Where it is started; its output lies beside it.
        environment: Variables of its own.
    """

    def __init__(self, command: str, arguments: tuple[str, ...], folder: Path, environment: dict[str, str]) -> None:
        number = len(list(folder.parent.glob(f"{folder.name}.*.out")))
        self.arguments = arguments
        self._written = [folder.with_name(f"{folder.name}.{number}.{end}") for end in ("out", "err")]
        variables = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
        begun = (command, arguments, folder, {**variables, **environment}, *self._written)
        _start_server()
        self._process = _FORKS.Process(target=_carry_out, args=begun)
        self._process.start()

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait(self, timeout: float = 300) -> Ended:
        """Exit code, stdout and stderr, once it has ended."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            raise subprocess.TimeoutExpired(list(self.arguments), timeout)
        shown, told = (path.read_text() if path.is_file() else "" for path in self._written)
        return subprocess.CompletedProcess(self.arguments, code, shown, told)


def _start_server() -> None:
    """With the checkout among the folders of modules, whatever the folder is that tests are in just now."""
    from multiprocessing import forkserver

    _FORKS.set_forkserver_preload(["tests.preloaded"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _carry_out(
    command: str, arguments: tuple[str, ...], folder: Path, environment: dict[str, str], *written: Path
) -> None:
    for number, path in enumerate(written, start=1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    module: Any = importlib.import_module(f"patentlab.{command}")
    sys.argv = [str(module.__file__), *arguments]
    sys.exit(command_line.run_command(module.main))
