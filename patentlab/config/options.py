"""Which settings an option has: those that its YAML lists, and no others.

A sweep over options may give settings that only some of them know (``model=tfidf_linear,minilm
trainer.max_steps=30``): a run leaves out what its options do not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from omegaconf import DictConfig, OmegaConf

from patentlab.config import registry
from patentlab.config.experiment import ExperimentConfig
from patentlab.config.folders import config_folder
from patentlab.config.problems import closest

ReadOption = Callable[[str, str], Mapping[str, Any] | None]
"""Group and option → what the option's file says, its ``defaults`` included; None where there is no such file."""

_REGISTRIES = (
    registry.SOURCES,
    registry.STRATEGIES,
    registry.GENERATORS,
    registry.LOSSES,
    registry.HEADS,
    registry.EVALUATIONS,
)


def options(group: str) -> list[str]:
    """The options of a config group, by the files that it has.

    Args:
        group: A folder of ``conf/``.

    Returns:
        The sorted names.
    """
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


@cache
def field_types(schema: type[Any]) -> Mapping[str, Any]:
    """The type of each setting of a dataclass, worked out once: it is asked for many times a composition."""
    return get_type_hints(schema)


def group_schema(group: str) -> type[Any]:
    """The dataclass of a group."""
    schema: type[Any] = field_types(ExperimentConfig)[group]
    return schema


def schemas(group: str, setting: str) -> list[type[Any]]:
    """The dataclasses that may have a setting of a group.

    Args:
        group: Of ``conf/``.
        setting: The first part of its name.

    Returns:
        The group's alone where it has the setting; else those too that registered options bring.
    """
    own = group_schema(group)
    if setting in {field.name for field in fields(own)}:
        return [own]
    more = [known.settings(name) for known in _REGISTRIES if known.group == group for name in known.names()]
    return [own, *(schema for schema in more if schema is not None)]


def option_schema(group: str, settings: Mapping[str, Any] | DictConfig) -> type[Any]:
    """The dataclass that an option's settings are read into.

    Args:
        group: Of ``conf/``.
        settings: Of the option; one of them names what it is: a loss, a source, …

    Returns:
        The group's dataclass, or one derived from it.
    """
    own = group_schema(group)
    if set(settings) <= {field.name for field in fields(own)}:
        return own
    for known in _REGISTRIES:
        name = settings.get(known.field) if known.group == group else None
        if isinstance(name, str) and name in known:
            return known.settings(name) or own
    return own


@lru_cache(maxsize=256)
def _read_file(path: Path) -> Mapping[str, Any] | None:
    return read_text(path.read_text(encoding="utf-8")) if path.is_file() else None


def read_text(text: str) -> Mapping[str, Any]:
    """What an option's file says."""
    content = yaml.load(text, Loader=yaml.CSafeLoader)
    return content if isinstance(content, dict) else {}


def read_own(group: str, option: str) -> Mapping[str, Any] | None:
    """What a file of ``conf/`` says."""
    return _read_file(config_folder() / group / f"{option}.yaml")


def settings_of(group: str, option: str, read: ReadOption = read_own) -> dict[str, Any] | None:
    """The settings of an option, those of the options included that it builds on.

    Args:
        group: Of ``conf/``.
        option: A file of it.
        read: Finds the file.

    Returns:
        As the files give them; None where there is no such option.
    """
    content = read(group, option)
    if content is None:
        return None
    settings: dict[str, Any] = {}
    for base in content.get("defaults") or ():
        if isinstance(base, str) and base != "_self_":
            settings |= settings_of(group, base, read) or {}
    return settings | {name: value for name, value in content.items() if name != "defaults"}


def leave_out(
    composed: DictConfig, chosen: Mapping[str, Any], read: ReadOption = read_own
) -> tuple[dict[str, Any], list[str]]:
    """Take out of a composed configuration what its options do not know.

    Args:
        composed: Changed in place; its groups hold whatever was given.
        chosen: The option of each group.
        read: Finds options.

    Returns:
        What was taken out, by dotted name, and a line per setting that no option of its group has.
    """
    taken: dict[str, Any] = {}
    problems: list[str] = []
    for group in group_names():
        node, option = composed.get(group), chosen.get(group)
        known = settings_of(group, str(option), read) if option is not None else None
        if known is not None and isinstance(node, DictConfig):
            kinds = {kind for name in node for kind in schemas(group, str(name))}
            problems += _leave_out(node, known, [group_schema(group), *kinds], f"{group}.", taken)
            for place, inner in inner_options(group, node):
                problems += _leave_out_within(group, place, inner, chosen, read, taken)
    for name in composed:
        names = [field.name for field in fields(ExperimentConfig)]
        if name not in names:
            problems.append(f"{closest(str(name), names)}: no such setting; allowed are {', '.join(names)}")
    return taken, problems


def inner_options(group: str, node: Mapping[str, Any] | DictConfig) -> list[tuple[str, Any]]:
    """Options of a group that stand inside of one of its options: the parts of a union.

    Args:
        group: Of ``conf/``.
        node: Settings of its option.

    Returns:
        Where each stands, ``data.parts.first``, and its settings.
    """
    own = group_schema(group)
    schema: type[Any] = option_schema(group, node)
    hints = field_types(schema)  # type: ignore[arg-type]  # a class is hashable
    held = [name for name in map(str, node) if get_args(hints.get(name)) == (str, own)]
    return [(f"{group}.{name}.{key}", inner) for name in held for key, inner in (node.get(name) or {}).items()]


def _leave_out_within(
    group: str, place: str, node: Any, chosen: Mapping[str, Any], read: ReadOption, taken: dict[str, Any]
) -> Iterator[str]:
    """The same for one of the options inside of an option."""
    option = chosen.get(f"{group}@{place}")
    if not isinstance(node, DictConfig) or (option is None and node.get("name") is None):
        yield f"{place}: no option of {group} was chosen for it; write {group}@{place}=OPTION"
        return
    if (known := settings_of(group, str(option or node.get("name")), read)) is not None:
        kinds = {kind for name in node for kind in schemas(group, str(name))}
        yield from _leave_out(node, known, [group_schema(group), *kinds], f"{place}.", taken)


def _leave_out(
    node: DictConfig, known: Mapping[str, Any], kinds: Sequence[type[Any]], prefix: str, taken: dict[str, Any]
) -> Iterator[str]:
    hints = {name: hint for kind in reversed(kinds) for name, hint in field_types(kind).items()}
    for name in list(node):
        if name not in hints:
            allowed = ", ".join(f"{prefix}{other}" for other in hints)
            yield f"{prefix}{closest(str(name), hints)}: no such setting; allowed are {allowed}"
        elif name not in known:
            taken[f"{prefix}{name}"] = _plain(node, str(name))
            del node[name]
        else:
            inner, section = known[name], without_none(hints[str(name)])
            child = None if OmegaConf.is_interpolation(node, name) else node._get_node(name)
            if is_dataclass(section) and isinstance(inner, Mapping) and isinstance(child, DictConfig):
                kind: type[Any] = section  # type: ignore[assignment]  # it is a class, no instance
                yield from _leave_out(child, inner, [kind], f"{prefix}{name}.", taken)


def _plain(node: DictConfig, name: str) -> Any:
    value = node._get_node(name)
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else getattr(value, "_value", lambda: value)()


def knowing(group: str, setting: str, among: Sequence[str], read: ReadOption) -> list[str]:
    """The options of a group that have a setting.

    Args:
        group: Of ``conf/``.
        setting: Dotted, without the group: ``screening.min_words``.
        among: The group's options.
        read: Finds them.

    Returns:
        Their names.
    """
    return [option for option in among if has_setting(settings_of(group, option, read), setting)]


def has_setting(content: Mapping[str, Any] | None, setting: str) -> bool:
    """Whether an option's file, or the section of one, has a setting of a dotted name.

    Args:
        content: As of :func:`settings_of`.
        setting: Without the group.

    Returns:
        So, too, where it stands inside of a mapping that is open, or that an interpolation stands for.
    """
    first, _, rest = setting.partition(".")
    if content is None or first not in content:
        return False
    inner = content[first]
    if not rest or isinstance(inner, str):
        return True
    return isinstance(inner, Mapping) and (has_setting(inner, rest) or not inner)


def group_names() -> list[str]:
    """The groups that settings belong to."""
    hints = field_types(ExperimentConfig)
    return [field.name for field in fields(ExperimentConfig) if is_dataclass(hints[field.name])]


def without_none(kind: Any) -> Any:
    """The type of a setting that may be null."""
    arguments = [argument for argument in get_args(kind) if argument is not type(None)]
    return arguments[0] if type(None) in get_args(kind) and len(arguments) == 1 else kind
