"""Whether what was typed takes effect in any run of the request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from patentlab.config import RequestError
from patentlab.config.options import has_setting, knowing, settings_of
from patentlab.console.hydra_internals import OptionFiles


def refuse_without_effect(settings: Sequence[str], runs: Iterable[Mapping[str, Any]], files: OptionFiles) -> None:
    """Refuse settings that the options of no run know.

    Args:
        settings: Dotted names of those that were typed.
        runs: The option of each group, run by run; no more of them are looked at than it takes.
        files: Of all options that there are.

    Raises:
        RequestError: A line per setting, naming the options that have it.
    """
    left, chosen, names = list(settings), dict[str, list[str]](), dict[str, str]()
    for options in runs:
        if not left:
            return
        for setting in list(left):
            group, _, name = setting.partition(".")
            option = options.get(group)
            # a group that was left to others, or an option whose file is elsewhere: judged once composed
            known = None if option is None else settings_of(group, str(option), files.read)
            if known is not None and has_setting(known, name) and (within := _within(setting, options)) is not None:
                option, name = within
                known = settings_of(group, option, files.read)
            if known is None or has_setting(known, name):
                left.remove(setting)
            elif option not in chosen.setdefault(setting, []):
                chosen[setting].append(str(option))
                names[setting] = name
    if left:
        raise RequestError(*(_line(one, names.get(one, ""), chosen.get(one, []), files) for one in left))


def refuse_idle(settings: Sequence[str], runs: Iterable[Mapping[str, str]]) -> None:
    """Refuse settings that take no effect beside the others of their run, in no run.

    Args:
        settings: Dotted names of those that were typed.
        runs: Such settings of each run, and why; no more runs are looked at than it takes.

    Raises:
        RequestError: A line per setting, with the reasons.
    """
    left = {setting: dict[str, None]() for setting in settings}
    for idle in runs:
        left = {setting: reasons | {idle[setting]: None} for setting, reasons in left.items() if setting in idle}
        if not left:
            return
    if lines := [f"{name}: has no effect: {'; '.join(reasons)}" for name, reasons in left.items() if reasons]:
        raise RequestError(*lines)


def _within(setting: str, options: Mapping[str, Any]) -> tuple[str, str] | None:
    """The option that was chosen for a place inside of another (``data@data.parts.first``), and the setting there."""
    for choice, option in options.items():
        place = f"{choice.partition('@')[2]}."
        if place != "." and setting.startswith(place):
            return str(option), setting.removeprefix(place)
    return None


def _line(setting: str, name: str, chosen: Sequence[str], files: OptionFiles) -> str:
    group = setting.partition(".")[0]
    name = name or setting.partition(".")[2]
    having = [f"{group}={option}" for option in knowing(group, name, files.options(group), files.read)]
    without = " and ".join(f"{group}={option}" for option in chosen)
    if not having:
        return f"{setting}: {without} has no such setting, nor has any other option"
    return f"{setting}: has no effect with {without}; it is a setting of {', '.join(having)}"
