"""From what Hydra composed, or a run left on disk, to a checked configuration."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from patentlab.config.experiment import ExperimentConfig, follow, loss_of, task_of
from patentlab.config.folders import config_folder, data_folder
from patentlab.config.model import FITTED
from patentlab.config.options import (
    ReadOption,
    group_names,
    group_schema,
    inner_options,
    leave_out,
    option_schema,
    read_own,
    settings_of,
)
from patentlab.config.problems import RequestError
from patentlab.config.registry import HEADS

# what steers a sweep, as in conf/config.yaml
_CONTROL = {"name": None, "rerun": "missing", "on_error": "continue", "plan": False, "exclude": None, "register": None}
# settings of earlier records → what they are called now, where they have one of these values
_RENAMED = {("model", "attention"): "attn_implementation", ("generator", "attention"): "attn_implementation"}
_IMPLEMENTATIONS = ("sdpa", "eager", None)


@dataclass(frozen=True)
class Composition:
    """A checked configuration.

    Attributes:
        config: Complete.
        left_out: Settings that were given and that its options do not know, by dotted name.
        options: Of each group, those included that followed others.
        idle: Settings among those left out that take no effect beside the others, and why.
    """

    config: ExperimentConfig
    left_out: Mapping[str, Any]
    options: Mapping[str, Any]
    idle: Mapping[str, str] = field(default_factory=dict)


def register() -> None:
    """Make the groups and the resolvers known to Hydra. May be called again."""
    # open groups: an option's settings are its own, and are checked once all are composed
    schema = OmegaConf.create({**{group: {} for group in group_names()}, "seed": "???"})
    for group in group_names():
        OmegaConf.set_struct(schema[group], False)
    ConfigStore.instance().store(name="schema", node=schema)
    if not OmegaConf.has_resolver("patentlab.data"):
        OmegaConf.register_new_resolver("patentlab.data", lambda: str(data_folder()))


def from_hydra(composed: DictConfig, chosen: Mapping[str, Any], read: ReadOption = read_own) -> Composition:
    """Turn a composed configuration into dataclasses and check it.

    Args:
        composed: What Hydra composed, ``hydra`` node excluded.
        chosen: The option of each group.
        read: Finds options.

    Returns:
        The checked configuration.

    Raises:
        RequestError: Something is missing, unknown or contradictory; every problem is named.
    """
    composed, chosen = copy.deepcopy(composed), dict(chosen)
    if chosen.get("loss") is None:
        _choose_loss(composed, chosen, read)
    with open_dict(composed):
        problems = _keep_used_parts(composed)
        taken, more = leave_out(composed, chosen, read)
    if problems := problems or more or _unfit(composed):
        raise RequestError(*problems)
    _start_nowhere(composed)
    try:
        merged = OmegaConf.merge(_schema(composed), composed)
        missing = OmegaConf.missing_keys(composed) | OmegaConf.missing_keys(merged)
        problems = [f"{key}: must be given; write {key}=…" for key in sorted(missing)]
        if problems:
            raise RequestError(*problems)
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        text = re.sub(r"\s*(full_key|object_type|reference_type)[:=].*", "", str(error))
        raise RequestError(" ".join(text.split())) from error
    assert isinstance(config, ExperimentConfig)
    config = follow(config)
    if problems := list(config.check()):
        raise RequestError(*problems)
    # a seed of what is not drawn would tell apart runs that are the same
    given = {name: value for name in config.idle_seeds if (value := getattr(config.seeds, name)) is not None}
    idle = {f"seeds.{name}": config.idle_seeds[name] for name in given} | config.head.unread() | config.idle_settings
    config = replace(config, seeds=replace(config.seeds, **dict.fromkeys(given)))
    return Composition(config, taken | {f"seeds.{name}": value for name, value in given.items()}, chosen, idle)


def _keep_used_parts(composed: DictConfig) -> list[str]:
    """Take out of a union the parts that ``data.only`` leaves out, so that it is the union of the others."""
    only, parts = OmegaConf.select(composed, "data.only"), OmegaConf.select(composed, "data.parts")
    if not isinstance(only, ListConfig) or not isinstance(parts, DictConfig):
        return []
    if unknown := [str(name) for name in only if name not in parts]:
        return [f"data.only={','.join(unknown)}: no such part; allowed are {', '.join(map(str, parts))}"]
    if not only:
        return ["data.only=[]: leaves no part; name one, or set it to null"]
    for part in (parts[name] for name in only):
        for setting in [one for one in part if OmegaConf.is_interpolation(part, one)]:
            try:  # it may be that of a part that is left out
                part[setting] = part[setting]
            except InterpolationToMissingValueError:
                part[setting] = MISSING
            except OmegaConfBaseException:  # judged below, where its option has such a setting
                continue
    for name in [name for name in parts if name not in only]:
        del parts[name]
    composed.data.only = None
    return []


def _choose_loss(composed: DictConfig, chosen: dict[str, Any], read: ReadOption) -> None:
    """The loss of the task, for ``loss=null``; settings that were given for it stay."""
    head = str(OmegaConf.select(composed, "head.name"))
    task = OmegaConf.select(composed, "data.task") or task_of(head, str(OmegaConf.select(composed, "data.name")))
    chosen["loss"] = loss_of(task, head)
    with open_dict(composed):
        composed.loss = OmegaConf.merge(settings_of("loss", chosen["loss"], read) or {}, composed.get("loss") or {})


def _unfit(composed: DictConfig) -> list[str]:
    """Choices that do not go together, where interpolations between them would fail with many words."""
    recommended = OmegaConf.select(composed, "model.recommended") or {}
    names = {group: OmegaConf.select(composed, f"{group}.name") for group in ("head", "adapter", "trainer")}
    kind = OmegaConf.select(composed, "model.kind")
    if kind in FITTED:
        why = f"model={composed.model.name} is no neural network and takes none; set"
        return [f"{group}={name}: {why} {group}=none" for group, name in names.items() if name != "none"]
    adapter = names["adapter"]
    head = HEADS.get(names["head"]) if names["head"] in HEADS else None
    merges = bool(OmegaConf.select(composed, "model.merge.runs"))
    asks = adapter == "none" and (merges or (head is not None and head.answers_untrained))
    if kind == "transformer" and adapter not in recommended and not asks:
        allowed = ", ".join(str(name) for name in recommended) or "none of the adapters"
        return [f"adapter={adapter}: model={composed.model.name} takes {allowed}"]
    return []


def _start_nowhere(composed: DictConfig) -> None:
    """No model recommends where layers start that are taken from merged runs."""
    if OmegaConf.select(composed, "adapter.name") == "none" and OmegaConf.is_interpolation(composed.head, "start"):
        composed.head.start = "frequencies"


def _schema(settings: Mapping[str, Any] | DictConfig) -> DictConfig:
    """The schema of a run, with that of an option where it has one of its own."""
    own = {group: option_schema(group, settings.get(group) or {}) for group in group_names()}
    more = {group: schema for group, schema in own.items() if schema is not group_schema(group)}
    if not more:
        return _common_schema()
    complete = copy.deepcopy(_common_schema())
    for group, schema in more.items():
        complete[group] = OmegaConf.structured(schema)
        for place, inner in inner_options(group, settings[group]):
            OmegaConf.update(complete, place, OmegaConf.structured(option_schema(group, inner)), force_add=True)
    return complete


@cache
def _common_schema() -> DictConfig:
    schema = OmegaConf.structured(ExperimentConfig)  # the same for every run; never changed in place
    assert isinstance(schema, DictConfig)
    return schema


def from_settings(settings: Mapping[str, Any]) -> ExperimentConfig:
    """A configuration from the settings of a run, as :attr:`ExperimentConfig.settings` gives them, or once gave them.

    Args:
        settings: Complete; those that the options of today do not know are left out.

    Returns:
        The configuration; what steers a sweep is as in ``conf/config.yaml``.

    Raises:
        RequestError: They are no settings of ours.
    """
    complete = OmegaConf.create(dict(settings) | _CONTROL)
    for (group, name), now in _RENAMED.items():
        if group in complete and name in complete[group] and complete[group][name] in _IMPLEMENTATIONS:
            complete[group][now] = complete[group].pop(name)
    for group in group_names():
        node = complete.get(group)
        if isinstance(node, DictConfig):
            option = node.get("ordering") if group == "mix" else node.get("name")
            known = settings_of(group, str(option))
            for setting in list(node):
                if known is not None and setting not in known:
                    del node[setting]
    try:
        config = OmegaConf.to_object(OmegaConf.merge(_schema(complete), complete))
    except OmegaConfBaseException as error:
        raise RequestError(" ".join(str(error).split())) from error
    assert isinstance(config, ExperimentConfig)
    return follow(config)


def load_option(group: str, option: str) -> Any:
    """One file of ``conf/`` as the dataclass of its group, without composing the rest.

    Args:
        group: Of ``conf/``.
        option: A file of it that needs no setting of the user's.

    Returns:
        The settings.
    """
    content = OmegaConf.load(config_folder() / group / f"{option}.yaml")
    if not isinstance(content, DictConfig):
        raise TypeError(f"{group}={option}: not a mapping")
    content.pop("defaults", None)
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(option_schema(group, content)), content))
