"""What leans on Hydra beyond its public interface: to be looked at when Hydra is upgraded."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig

from patentlab.config.options import group_names, read_own, read_text


def read_option(group: str, option: str) -> Mapping[str, Any] | None:
    """What an option's file says, wherever Hydra found it: in ``conf/``, or on ``hydra.searchpath``.

    Args:
        group: A config group.
        option: As chosen.

    Returns:
        Its content, ``defaults`` included; None where there is no such file.
    """
    if GlobalHydra.instance().is_initialized():
        for source in GlobalHydra.instance().config_loader().get_sources():
            found = _read(source.scheme(), source.path, f"{group}/{option}.yaml")
            if found is not None:
                return found
    return read_own(group, option)


@lru_cache(maxsize=512)
def _read(scheme: str, folder: str, name: str) -> Mapping[str, Any] | None:
    if scheme == "file":
        path = Path(folder) / name
        return read_text(path.read_text(encoding="utf-8")) if path.is_file() else None
    if scheme == "pkg":
        module, _, rest = folder.partition("/")
        try:
            resource = importlib.resources.files(module).joinpath(*[part for part in rest.split("/") if part], name)
        except (ModuleNotFoundError, TypeError):
            return None
        return read_text(resource.read_text(encoding="utf-8")) if resource.is_file() else None
    return None


def options_of_jobs(composed: DictConfig) -> Iterator[Mapping[str, Any]] | None:
    """The option of each group, for the jobs of a sweep; jobs that differ in settings alone are one.

    Args:
        composed: What Hydra composed for the sweep, its ``hydra`` node included.

    Returns:
        One after the other, each composed when it is asked for; None under a sweeper that makes jobs up as it goes.
    """
    sweeper = composed.hydra.sweeper
    if not str(sweeper.get("_target_")).endswith(BasicSweeper.__name__):
        return None
    given = [f"{name}={value}" for name, value in (sweeper.get("params") or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*given, *composed.hydra.overrides.task])
    choosing = [one for one in overrides if one.get_key_element().lstrip("+~") in (*group_names(), "experiment")]
    return _compose_each(composed, [job for batch in BasicSweeper.split_arguments(choosing, None) for job in batch])


def _compose_each(composed: DictConfig, jobs: Sequence[Sequence[str]]) -> Iterator[Mapping[str, Any]]:
    loader = GlobalHydra.instance().config_loader()
    for job in jobs:
        config = loader.load_configuration(
            "config", overrides=[*job, *composed.hydra.overrides.hydra], run_mode=RunMode.RUN
        )
        yield dict(config.hydra.runtime.choices)
