"""A command in the tests' own process: a start of Python with its imports costs seconds, and is not what is tested."""

from __future__ import annotations

import importlib
import io
import logging
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from patentlab.console import command_line

Ended = subprocess.CompletedProcess[str]
# what Python itself leaves unsaid (docs.python.org, "Default Warning Filter"); pytest shows more of it
_UNSAID = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def start(command: str, arguments: tuple[str, ...], folder: Path, environment: dict[str, str]) -> Ended:
    """Do what ``python -m patentlab.<command> <arguments>`` does.

    Args:
        command: A module of ``patentlab`` with a ``main``.
        arguments: Of the command line.
        folder: Where it is started.
        environment: Variables of its own.

    Returns:
        Exit code, stdout and stderr, as of a process.
    """
    module = importlib.import_module(f"patentlab.{command}")
    shown, told = io.StringIO(), io.StringIO()
    with _as_found(module), chdir(folder), redirect_stdout(shown), redirect_stderr(told), _warnings_told():
        os.environ.update(environment)
        sys.argv = [str(module.__file__), *arguments]
        try:
            code = command_line.run_command(module.main)
        except SystemExit as end:  # as after --help
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(arguments, code, shown.getvalue(), told.getvalue())


@contextmanager
def _as_found(module: ModuleType) -> Iterator[None]:
    """Put back what a command takes for its process alone."""
    environment, arguments, hook = dict(os.environ), sys.argv, sys.unraisablehook
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    names, composed = dict(vars(module)), HydraConfig.instance().cfg
    named = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    loggers: list[tuple[logging.Logger, int, bool, bool, list[logging.Handler]]]
    loggers = [(one, one.level, one.propagate, one.disabled, list(one.handlers)) for one in (logging.root, *named)]
    try:
        yield
    finally:
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = composed
        vars(module).update(names)
        for added in set(logging.root.handlers) - set(loggers[0][-1]):
            added.close()
        for logger, level, propagate, disabled, held in loggers:
            logger.setLevel(level)
            logger.propagate, logger.disabled, logger.handlers = propagate, disabled, held
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.argv, sys.unraisablehook = arguments, hook
        os.environ.clear()
        os.environ.update(environment)


@contextmanager
def _warnings_told() -> Iterator[None]:
    """Warnings on stderr, as without pytest, which collects them."""

    def tell(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))

    with warnings.catch_warnings():
        warnings.resetwarnings()
        for category in _UNSAID:
            warnings.simplefilter("ignore", category)
        warnings.showwarning = tell
        yield
