"""What every command shares: the shorthand for numbers, one-line errors, exit codes.

A failed composition must answer at once, so nothing heavy is imported here.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString, RangeSweep
from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from patentlab.config import REGIME_PATTERN, ExperimentConfig, RequestError, config_folder, from_hydra, register

DONE, FAILED, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130

# group → the setting that a number stands for
SHORTHAND = {"regime": "regime.keep", "mix": "mix.real_share"}
_SHORTHAND_TOKEN = re.compile(r"(regime|mix)=(.+)", re.DOTALL)


def options(group: str) -> list[str]:
    """The options of a config group, by the files that it has.

    Args:
        group: A folder of ``conf/``.

    Returns:
        The sorted names.
    """
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


def expand_shorthand(arguments: Sequence[str]) -> list[str]:
    """Rewrite ``regime=1:10`` and ``mix=0.2`` to the settings that they stand for, sweeps included.

    Args:
        arguments: Command-line arguments, overrides and flags alike.

    Returns:
        The arguments, with ``regime=`` and ``mix=`` rewritten where they carry numbers.

    Raises:
        RequestError: A value is neither an option of the group nor a number that it takes, or both kinds are mixed.
    """
    return [_expand(argument) if _SHORTHAND_TOKEN.fullmatch(argument) else argument for argument in arguments]


def _expand(argument: str) -> str:
    group, _, text = argument.partition("=")
    try:
        override = OverridesParser.create().parse_override(argument)
    except HydraException as error:
        raise RequestError(f"{argument}: {_one_line(error)}") from error
    number = "1:N with a whole number N ≥ 1, as in 1:10" if group == "regime" else "a number from 0 to 1"
    allowed = f"allowed are {number}, or one of the options: {', '.join(options(group))}"
    if isinstance(override.value(), RangeSweep):
        if group == "mix":
            return f"{SHORTHAND[group]}={text}"
        raise RequestError(f"{argument}: a range is not a {group}; {allowed}")
    values = _values(override)
    if values is None:  # glob(…), or a form that Hydra judges itself
        return argument
    named = [value for value in values if value in options(group)]
    if len(named) == len(values):
        return argument
    # names that are no options here may lie in a folder of the user's own: Hydra knows
    wrong = [value for value in values if value not in named and _is_numeric(value) and not _is_number(group, value)]
    numbers = [value for value in values if _is_number(group, value)]
    if not wrong and not numbers:
        return argument
    if wrong:
        raise RequestError(f"{argument}: {', '.join(wrong)} is not a {group}; {allowed}")
    if len(numbers) < len(values):
        raise RequestError(f"{argument}: numbers and options cannot be swept together; {allowed}")
    return f"{SHORTHAND[group]}={text}"


def _values(override: Override) -> list[str] | None:
    """The single values that an override names, as text; None where they cannot be listed."""
    value = override.value()
    if isinstance(value, ChoiceSweep):
        elements = list(value.list)
    elif override.is_sweep_override() or isinstance(value, list | dict):
        return None
    else:
        elements = [value]  # type: ignore[list-item]
    return [element.text if isinstance(element, QuotedString) else str(element) for element in elements]


def _is_numeric(value: str) -> bool:
    """Whether a value was meant as a number, right or wrong."""
    return re.match(r"[-+.]?[0-9]", value) is not None or value.lower() in (
        "nan",
        "inf",
        "-inf",
        "true",
        "false",
        "none",
    )


def _is_number(group: str, value: str) -> bool:
    if group == "regime":
        return REGIME_PATTERN.fullmatch(value) is not None
    try:
        return 0 <= float(value) <= 1
    except ValueError:
        return False


def compose(*overrides: str) -> ExperimentConfig:
    """Compose a configuration in a notebook or a test, with the command line's shorthand.

    Args:
        *overrides: As on the command line: ``"model=minilm"``, ``"regime=1:10"``.

    Returns:
        The checked configuration.

    Raises:
        RequestError: An override is unknown or contradicts another.
    """
    register()
    expanded = expand_shorthand(overrides)
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            return from_hydra(hydra_compose("config", overrides=expanded))
    except (HydraException, OmegaConfBaseException) as error:
        raise RequestError(describe(error)) from error


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
