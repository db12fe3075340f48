"""What every command shares: composing, one-line errors, exit codes.

A failed composition must answer at once, so nothing heavy is imported here.
"""

from __future__ import annotations

import _thread
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import open_dict
from omegaconf.errors import OmegaConfBaseException

from patentlab.config import Composition, ExperimentConfig, RequestError, closest, config_folder, from_hydra, register
from patentlab.console.effect import refuse_idle, refuse_without_effect
from patentlab.console.hydra_internals import OptionFiles
from patentlab.console.overrides import read_arguments, settings_of

DONE, FAILED, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130


def compose(*overrides: str) -> ExperimentConfig:
    """Compose a configuration in a notebook or a test, with the command line's shorthand.

    Args:
        *overrides: As on the command line: ``"model=minilm"``, ``"regime=1:10"``.

    Returns:
        The checked configuration.

    Raises:
        RequestError: An override is unknown, contradicts another, or has no effect.
    """
    return compose_run(overrides, alone=True).config


def compose_run(overrides: Sequence[str], *, alone: bool) -> Composition:
    """Compose one run of a request.

    Args:
        overrides: As on the command line.
        alone: There is no other run that could use what this one leaves out.

    Returns:
        The checked configuration, and what it leaves out.

    Raises:
        RequestError: An override is unknown or contradicts another, or has no effect where the run is alone.
    """
    register()
    expanded = read_arguments(overrides)
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            composed = hydra_compose("config", overrides=expanded, return_hydra_config=True)
            options, files = dict(composed.hydra.runtime.choices), OptionFiles.of(composed.hydra)
            with open_dict(composed):
                del composed["hydra"]
            found = from_hydra(composed, options, files.read)
            if alone:
                refuse_without_effect(settings_of(expanded), [found.options], files)
                refuse_idle(settings_of(expanded), [found.idle])
            return found
    except (HydraException, OmegaConfBaseException) as error:
        raise RequestError(describe(error)) from error


def read_settings(arguments: Sequence[str], known: Mapping[str, str | None]) -> dict[str, str | None]:
    """The arguments of a command that composes no configuration.

    Args:
        arguments: ``NAME=VALUE`` each.
        known: The names that there are, and their defaults.

    Returns:
        A value for each name.

    Raises:
        RequestError: An argument is none of these.
    """
    settings = dict(known)
    problems = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or name not in known:
            problems.append(f"{closest(name, known)}: no such setting; allowed are {', '.join(known)}")
        settings[name] = value
    if problems:
        raise RequestError(*problems)
    return settings


def describe(error: BaseException) -> str:
    """One line for a mistake that Hydra or OmegaConf found.

    Args:
        error: What was raised; the reason is often in its cause.

    Returns:
        What was wrong and, where known, what is allowed.
    """
    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}={choice}: no such option; allowed are {', '.join(sorted(error.options))}"
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        return f"{_one_line(error)} {_one_line(cause)}"
    return _one_line(error)


def _one_line(error: BaseException) -> str:
    text = re.sub(r"\s*(full_key|object_type|reference_type)[:=].*", "", str(error))
    return " ".join(text.split())


def run_command(main: Callable[[], int | None]) -> int:
    """Run a command's main function and turn what it raises into messages on stderr and an exit code.

    Args:
        main: The command; returns an exit code, or None for success.

    Returns:
        0 done, 1 something failed, 2 the request was wrong, 130 interrupted.
    """
    os.environ.setdefault(
        "TQDM_DISABLE", "1"
    )  # read when tqdm is imported: the bars of libraries would cut through ours
    # it tells at every import of kernels that only 4-bit weights on a CPU would use
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    sys.unraisablehook = _keep_interrupts
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints its errors itself, over nine lines, and exits with 1
    try:
        return main() or DONE
    except RequestError as error:
        for problem in error.problems:
            print(f"patentlab: {problem}", file=sys.stderr)
        return WRONG_REQUEST
    except (HydraException, OmegaConfBaseException) as error:
        print(f"patentlab: {describe(error)}", file=sys.stderr)
        return WRONG_REQUEST
    except KeyboardInterrupt:
        print("patentlab: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception:
        traceback.print_exc()
        return FAILED


def _keep_interrupts(unraisable: sys.UnraisableHookArgs) -> None:
    """Ctrl-C during a callback, as of a weak reference in a garbage collection, is ignored by Python: send it again."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        # a moment later: here it would be raised inside this function, and ignored again
        threading.Timer(0.05, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(unraisable)
