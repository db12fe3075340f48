"""What a user typed, before Hydra reads it: the shorthand for numbers, and every mistake that can be seen by itself.

Hydra stops at the first mistake, and tells of some in many lines. Nothing heavy is imported here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString, RangeSweep
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from patentlab.config import ON_ERROR, REGIME_PATTERN, RERUN, ExperimentConfig, RequestError, config_folder
from patentlab.config.options import field_types, group_names, options, schemas, without_none
from patentlab.console.hydra_internals import split_arguments

# group → the setting that a number stands for
SHORTHAND = {"regime": "regime.keep", "mix": "mix.real_share"}
_NUMBERS = {"regime": "1:N with a whole number N ≥ 1, as in 1:10", "mix": "a number from 0 to 1"}
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", list: "a list: [a,b]"}
# settings of a sweep, which are better refused once than in each of its jobs
_WORDS = {"rerun": RERUN, "on_error": ON_ERROR}
_NO_GROUPS = ("hydra", "claims", "published", "words")  # folders whose files are no options
_CLAIMS = "claims"  # of analyses the name of a file; in a sweep what registers it
_FOLLOWING = ("loss",)  # groups that may be null, and then follow other choices
# settings that have another name now, where they are given a value of earlier days
_EARLIER_VALUES = ("sdpa", "eager")
_RENAMED = {
    "model.attention": "model.attn_implementation",
    "generator.attention": "generator.attn_implementation",
}
_OWN_FOLDERS = ("--config-dir", "-cd", "--config-path", "-cp", "hydra.searchpath")


def groups() -> list[str]:
    """The config groups, by the folders that there are."""
    return sorted(path.name for path in config_folder().iterdir() if path.is_dir() and path.name not in _NO_GROUPS)


def read_arguments(arguments: Sequence[str]) -> list[str]:
    """Check command-line arguments, and rewrite those that are short for others: ``regime=1:10``, ``claims=NAME``.

    Args:
        arguments: Overrides and flags alike.

    Returns:
        The arguments, for Hydra.

    Raises:
        RequestError: Flags, groups, options or settings are unknown, or values are of a wrong kind; all of them.
    """
    overrides, unknown_flags = split_arguments(arguments)
    problems = [f"{flag}: no such flag; --help lists them" for flag in unknown_flags if flag.startswith("-")]
    # an option inside of another (data@data.parts.first=massive) is added, unless an experiment has chosen one for it
    added = not any(argument.lstrip("+").startswith("experiment=") for argument in arguments)
    own_folders = any(argument.lstrip("+").startswith(_OWN_FOLDERS) for argument in arguments)
    rewritten = {}
    for text in overrides:
        found, rewritten[text] = _read(text, own_folders)
        if added and re.match(rf"({'|'.join(groups())})@[^=]+=", text):
            rewritten[text] = f"+{text}"
        problems += found
    if problems:
        raise RequestError(*problems)
    return _last_words([rewritten.get(argument, argument) for argument in arguments])


def _last_words(arguments: list[str]) -> list[str]:
    """Of a group that was left to others and chosen too, what was said last: Hydra would delete what was chosen."""
    for group in _FOLLOWING:
        said = [place for place, one in enumerate(arguments) if one == f"~{group}" or one.startswith(f"{group}=")]
        if any(arguments[place] == f"~{group}" for place in said):
            arguments = [one for place, one in enumerate(arguments) if place not in said[:-1]]
    return arguments


def settings_of(overrides: Sequence[str]) -> list[str]:
    """The dotted names of the settings that overrides give, each once."""
    names = [text.lstrip("+~").partition("=")[0] for text in overrides]
    return [name for name in dict.fromkeys(names) if name.partition(".")[0] in group_names() and "." in name]


def overrides_of(arguments: Sequence[str]) -> list[str]:
    """Those of command-line arguments that are overrides, and no flags."""
    return split_arguments(arguments)[0]


def _read(text: str, own_folders: bool) -> tuple[list[str], str]:
    """What is wrong with one override, and the override for Hydra."""
    if "=" not in text and not text.startswith("~"):
        return [f"{text}: not GROUP=OPTION or SETTING=VALUE"], text
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        return [f"{text}: {' '.join(str(error).split())}; put quotes around what has braces, commas or colons"], text
    key = override.key_or_group
    if key == _CLAIMS:
        return _read(f"register={text.partition('=')[2]}", own_folders)
    if key == "experiment" and not override.is_add():
        return _read(f"+{text}", own_folders)
    if override.is_delete() or re.split("[./]", key)[0] == "hydra" or override.package is not None:
        return [], text  # Hydra judges
    if own_folders and (key not in groups() and "." not in key and key not in _names(ExperimentConfig)):
        return [], text  # a group of the user's own
    if key not in groups():
        return list(_setting_problems(override, key)), text
    if key in _FOLLOWING and override.value() is None:
        return [], f"~{key}"  # Hydra knows no group that is null, but one that is left out
    if key in SHORTHAND:
        found, rewritten = _expand(override, key, text)
        if found or rewritten != text:
            return found, rewritten
    if own_folders:
        return [], text
    return list(_option_problems(override, key)), text


def _option_problems(override: Override, group: str) -> Iterator[str]:
    allowed = f"allowed are {', '.join(options(group))}"
    if override.value() is None:
        yield f"{group}=null: must name an option; {allowed}"
        return
    for value in _values(override) or ():
        if value not in options(group) and "${" not in value:
            similar = difflib.get_close_matches(value, options(group), n=1)
            meant = f" (did you mean {similar[0]}?)" if similar else ""
            yield f"{group}={value}{meant}: no such option; {allowed}"


def _setting_problems(override: Override, key: str) -> Iterator[str]:
    if key in _RENAMED and override.value() in _EARLIER_VALUES:
        yield f"{key}={override.value()}: is called {_RENAMED[key]} now"
        return
    kinds: list[Any] = [ExperimentConfig]
    owner: Any = None
    kind: Any = None
    prefix = part = ""
    path = key.split(".")
    for part, following in zip(path, [*path[1:], ""], strict=True):
        if not all(is_dataclass(kind) for kind in kinds):
            return  # inside a mapping: Hydra judges
        names = list(dict.fromkeys(name for kind in kinds for name in _names(kind)))
        owner = next((kind for kind in kinds if part in _names(kind)), None)
        if owner is None:
            what = "setting" if prefix or override.is_add() else "group or setting"
            allowed = ", ".join(prefix + name for name in names)
            yield f"{_meant(part, prefix, names)}: no such {what}; allowed are {allowed}"
            return
        kind = field_types(owner)[part]
        kinds = schemas(part, following) if not prefix and part in group_names() else [without_none(kind)]
        prefix += f"{part}."
    if is_dataclass(without_none(kind)):
        yield f"{key}: is a section; set {key}.NAME=… for one of {', '.join(_names(without_none(kind)))}"
        return
    for element in _elements(override):
        if isinstance(element, str) and "${" in element:
            continue
        try:
            OmegaConf.update(OmegaConf.structured(owner), part, element)
        except OmegaConfBaseException:
            yield f"{key}={element}: must be {_kind(kind)}"
            continue
        if key in _WORDS and element not in _WORDS[key]:
            yield f"{key}={element}: allowed are {', '.join(_WORDS[key])}"


def _names(kind: Any) -> list[str]:
    """Settings of a dataclass."""
    return [field.name for field in fields(kind)]


def _meant(part: str, prefix: str, names: Sequence[str]) -> str:
    """A setting that is not known, with those that look like it: of the same group, else of any."""
    similar = [prefix + name for name in difflib.get_close_matches(part, names, n=2)]
    if not similar:
        everywhere = list(_settings(ExperimentConfig))
        ends = difflib.get_close_matches(part, {name.rpartition(".")[2] for name in everywhere}, n=2, cutoff=0.8)
        similar = [name for name in everywhere if name.rpartition(".")[2] in ends][:3]
    meant = f" (did you mean {' or '.join(similar)}?)" if similar else ""
    return f"{prefix}{part}{meant}"


def _settings(kind: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of all settings of a dataclass."""
    hints = field_types(kind)
    for field in fields(kind):
        inner = without_none(hints[field.name])
        if is_dataclass(inner):
            yield from _settings(inner, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def _kind(kind: Any) -> str:
    inner = without_none(kind)
    name = "a mapping" if is_dataclass(inner) else _KINDS.get(getattr(inner, "__origin__", inner), "a mapping")
    return f"{name}, or null" if type(None) in get_args(kind) else name


def _expand(override: Override, group: str, text: str) -> tuple[list[str], str]:
    """Rewrite a group that carries numbers; the override as it is where Hydra is to judge it."""
    allowed = f"allowed are {_NUMBERS[group]}, or one of the options: {', '.join(options(group))}"
    rewritten = f"{SHORTHAND[group]}={text.partition('=')[2]}"
    if isinstance(override.value(), RangeSweep):
        return ([], rewritten) if group == "mix" else ([f"{text}: a range is not a {group}; {allowed}"], text)
    values = _values(override)
    if values is None:  # glob(…), or a form that Hydra judges itself
        return [], text
    named = [value for value in values if value in options(group)]
    # names that are no options here may lie in a folder of the user's own: Hydra knows
    wrong = [value for value in values if value not in named and _is_numeric(value) and not _is_number(group, value)]
    numbers = [value for value in values if _is_number(group, value)]
    if wrong:
        return [f"{text}: {', '.join(wrong)} is not a {group}; {allowed}"], text
    if numbers and len(numbers) < len(values):
        return [f"{text}: numbers and options cannot be swept together; {allowed}"], text
    return [], rewritten if numbers else text


def _elements(override: Override) -> list[Any]:
    """The single values that an override names; none where they cannot be listed."""
    value = override.value()
    if isinstance(value, ChoiceSweep):
        elements: list[Any] = list(value.list)
    elif override.is_sweep_override():
        return []
    else:
        elements = [value]
    return [element.text if isinstance(element, QuotedString) else element for element in elements]


def _values(override: Override) -> list[str] | None:
    """The single values that an override names, as text; None where they cannot be listed, or are no names."""
    elements = _elements(override)
    if not elements or any(isinstance(element, list | dict) for element in elements):
        return None
    return [str(element) for element in elements]


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
