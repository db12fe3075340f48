"""Combinations that a sweep leaves out, by an expression over settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simpleeval import EvalWithCompoundTypes, InvalidExpression

from patentlab.config import ExperimentConfig, RequestError

_EXAMPLE = "write for example model == 'minilm' and mix < 0.5, or trainer.epochs > 3"


class _Option(str):
    """The option of a group, which compares as text and has the group's settings as attributes."""


class _Number(float):
    """As :class:`_Option`, where the choice is a number."""


def is_excluded(config: ExperimentConfig, left_out: Mapping[str, Any] | None = None) -> bool:
    """Whether a run is left out by ``exclude``.

    Args:
        config: Checked. The expression knows every choice by its name (``regime == '1:10'``, ``mix < 0.5``) and every
            setting by its dotted one (``trainer.learning_rate > 1e-4``).
        left_out: Settings that were given and that the run's options do not know, by dotted name: they are compared
            as they were given.

    Returns:
        What the expression says.

    Raises:
        RequestError: It cannot be read, or names what there is not.
    """
    if config.exclude is None:
        return False
    try:
        found = EvalWithCompoundTypes(names=_names(config, left_out or {})).eval(config.exclude)
    except (InvalidExpression, SyntaxError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        reason = " ".join(str(error).split("\n")[0].split())
        raise RequestError(f"exclude={config.exclude}: {reason}; {_EXAMPLE}") from error
    if not isinstance(found, bool):
        raise RequestError(f"exclude={config.exclude}: is neither true nor false; {_EXAMPLE}")
    return found


def _names(config: ExperimentConfig, left_out: Mapping[str, Any]) -> dict[str, Any]:
    settings, choices = config.settings, config.choices
    for name, value in left_out.items():
        *path, last = name.split(".")
        section = settings
        for part in path:
            section = section.get(part) or section.setdefault(part, {})
        section[last] = value
    names: dict[str, Any] = {}
    for name in dict.fromkeys([*settings, *choices]):
        value = choices.get(name, settings.get(name))
        inner = settings.get(name)
        if value is None and isinstance(inner, Mapping):
            value = inner["name"]  # of a group that takes no effect
        if isinstance(inner, Mapping) and isinstance(value, str | float):
            option = _Option(value) if isinstance(value, str) else _Number(value)
            vars(option).update(inner)
            value = option
        names[name] = value
    return names
