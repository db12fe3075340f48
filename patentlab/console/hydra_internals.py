"""What leans on Hydra's internals, which may change with any release: nothing else of the package imports them."""

from __future__ import annotations

import argparse
import importlib.resources
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hydra._internal.utils as hydra_parser
import omegaconf
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.sweeper import Sweeper
from hydra.types import RunMode
from omegaconf import DictConfig, grammar_parser

from patentlab.config.options import group_names, read_text


class _Help(str):
    """A text for argparse to check, in whose place something is shown that only then is made."""

    shown: object

    def __new__(cls, shown: object) -> _Help:
        text = super().__new__(cls, "made when it is shown")
        text.shown = shown
        return text

    def __str__(self) -> str:
        return str(self.shown)

    def __format__(self, form: str) -> str:
        return format(str(self), form)


class _Parser(argparse.ArgumentParser):
    """A parser whose help is text throughout."""

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        if not isinstance(settings.get("help", ""), str | None):
            settings["help"] = _Help(settings["help"])
        return super().add_argument(*names, **settings)


def guard_parser() -> None:
    """Make Hydra's command line work with Python 3.14.

    From 3.14 on argparse checks the help of an argument when it is added; Hydra 1.3.8 gives an object that is no text
    (Hydra's issue 3121), and fails before anything runs. Done when this module is imported; again, or with a Hydra that
    gives text, it changes nothing.
    """
    # in Hydra's own module alone: every other parser stays what it is
    hydra_parser.argparse = SimpleNamespace(**{**vars(argparse), "ArgumentParser": _Parser})  # type: ignore[assignment, attr-defined]


guard_parser()


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell Hydra's overrides from its flags.

    Args:
        arguments: Of a command.

    Returns:
        The overrides, and what Hydra has no flag for.
    """
    known, unknown = hydra_parser.get_args_parser().parse_known_args(list(arguments))
    return list(known.overrides), unknown


_compose_all = Sweeper.validate_batch_is_legal


def validate_each_choice_once() -> None:
    """Make a sweep compose, before it begins, a job for each choice of options instead of every job.

    Hydra composes all jobs of a sweep twice, so that one that cannot be composed is told of before the first runs.
    With us values of settings are judged later: composing fails by options and by what is no plain setting alone.
    """

    def validate(self: Sweeper, batch: Sequence[Sequence[str]]) -> None:
        first: dict[tuple[str, ...], Sequence[str]] = {}
        for job in batch:
            first.setdefault(tuple(text for text in job if not _is_plain_setting(text)), job)
        _compose_all(self, list(first.values()))

    Sweeper.validate_batch_is_legal = validate  # type: ignore[method-assign]


def _is_plain_setting(override: str) -> bool:
    name = override.partition("=")[0]
    return (
        name[0].isalpha()
        and "@" not in name
        and name not in (*group_names(), "experiment")
        and not name.startswith("hydra")
    )


validate_each_choice_once()


_load_file = ConfigRepository.load_config


def read_files_once() -> None:
    """Make Hydra read a file of options once instead of for each job of a sweep, which is a quarter of a composition.

    A file that has changed since is read again. Each job gets a copy of its own: Hydra changes what it was given.
    """
    known: dict[tuple[str, str, str, int, int], bytes] = {}

    def load(self: ConfigRepository, config_path: str) -> ConfigResult | None:
        name = config_path if config_path.endswith(".yaml") else f"{config_path}.yaml"
        for source in self.sources:
            if not source.is_config(config_path):
                continue
            if source.scheme() != "file":
                break
            status = Path(source.path, name).stat()
            key = (source.provider, source.path, name, status.st_mtime_ns, status.st_size)
            if key not in known:
                known[key] = pickle.dumps(_load_file(self, config_path))
            return pickle.loads(known[key])  # type: ignore[no-any-return]
        return _load_file(self, config_path)

    ConfigRepository.load_config = load  # type: ignore[method-assign]


read_files_once()


def parse_interpolations_once() -> None:
    """Make OmegaConf parse each interpolation once instead of for each job, an eighth of a composition."""
    # the trees are only read, by a visitor that is made anew for each value
    once = lru_cache(maxsize=4096)(grammar_parser.parse)
    omegaconf.base.parse = omegaconf._utils.parse = once  # type: ignore[attr-defined]


parse_interpolations_once()


@dataclass(frozen=True)
class Scope:
    """What a sweep ranges over.

    Attributes:
        jobs: Combinations; None under a sweeper that makes them up as it goes.
        swept: The settings that are given several values.
    """

    jobs: int | None
    swept: list[str]


def scope_of(config: DictConfig) -> Scope:
    """What a sweep ranges over.

    Args:
        config: As Hydra composed it for the sweep, its ``hydra`` node included.

    Returns:
        Jobs and settings.
    """
    sweeper = config.hydra.sweeper
    given = [f"{name}={value}" for name, value in (sweeper.get("params") or {}).items()]
    try:
        overrides = OverridesParser.create().parse_overrides([*given, *config.hydra.overrides.task])
        swept = [override.get_key_element().lstrip("+") for override in overrides if override.is_sweep_override()]
        basic = str(sweeper.get("_target_")).endswith(BasicSweeper.__name__)
        jobs = sum(map(len, BasicSweeper.split_arguments(overrides, None))) if basic else None
    except HydraException:  # the sweeper will tell
        return Scope(None, [])
    return Scope(jobs, list(dict.fromkeys(swept)))


@dataclass(frozen=True)
class OptionFiles:
    """The files of options, wherever Hydra finds them: in ``conf/``, and on ``hydra.searchpath``.

    Attributes:
        sources: Scheme and path of each place, the first before the others.
    """

    sources: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, hydra: Any) -> OptionFiles:
        """Those that a configuration was composed of.

        Args:
            hydra: Its ``hydra`` node; Hydra's own loader knows nothing of ``hydra.searchpath``.
        """
        return cls(tuple((str(source.schema), str(source.path)) for source in hydra.runtime.config_sources))

    def read(self, group: str, option: str) -> Mapping[str, Any] | None:
        """What an option's file says, ``defaults`` included; None where there is no such file."""
        found = (_read(scheme, path, f"{group}/{option}.yaml") for scheme, path in self.sources)
        return next((content for content in found if content is not None), None)

    def options(self, group: str) -> list[str]:
        """The sorted names of a group's options."""
        places = (_place(scheme, path) for scheme, path in self.sources)
        folders = [place / group for place in places if place is not None]
        files = {file.name for folder in folders if folder.is_dir() for file in folder.iterdir()}
        return sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))


@lru_cache(maxsize=512)
def _read(scheme: str, path: str, name: str) -> Mapping[str, Any] | None:
    place = _place(scheme, path)
    if place is None or not (file := place / name).is_file():
        return None
    return read_text(file.read_text(encoding="utf-8"))


def _place(scheme: str, path: str) -> Traversable | None:
    """A folder of files; None for Hydra's own places and those that are not there."""
    if scheme == "file":
        return Path(path)
    try:
        return importlib.resources.files(path) if scheme == "pkg" else None
    except (ModuleNotFoundError, TypeError, ValueError):
        return None


def options_of_jobs(composed: DictConfig) -> Iterator[Mapping[str, Any]] | None:
    """The option of each group, for the jobs of a sweep; jobs that differ in settings alone are one.

    Args:
        composed: What Hydra composed for the sweep, its ``hydra`` node included.

    Returns:
        One after the other, each composed when it is asked for; None under a sweeper that makes jobs up as it goes.
    """
    if (overrides := _overrides(composed)) is None:
        return None
    chosen = (*group_names(), "experiment")  # or a group at a place inside of another's option, data@data.parts.first
    choosing = [one for one in overrides if one.get_key_element().lstrip("+~").partition("@")[0] in chosen]
    return (dict(config.hydra.runtime.choices) for config in _compose_each(composed, choosing))


def jobs_beside(composed: DictConfig, prefix: str) -> Iterator[DictConfig] | None:
    """The jobs of a sweep, those that differ in some settings alone as one.

    Args:
        composed: What Hydra composed for the sweep, its ``hydra`` node included.
        prefix: Of the names of these settings, which have the first of their values.

    Returns:
        As of :func:`options_of_jobs`, the whole configuration of each.
    """
    if (overrides := _overrides(composed)) is None:
        return None
    return _compose_each(composed, overrides, prefix)


def _overrides(composed: DictConfig) -> list[Override] | None:
    """What was asked for in a sweep; None under a sweeper that makes jobs up as it goes."""
    sweeper = composed.hydra.sweeper
    if not str(sweeper.get("_target_")).endswith(BasicSweeper.__name__):
        return None
    given = [f"{name}={value}" for name, value in (sweeper.get("params") or {}).items()]
    return OverridesParser.create().parse_overrides([*given, *composed.hydra.overrides.task])


def _compose_each(composed: DictConfig, overrides: list[Override], once: str | None = None) -> Iterator[DictConfig]:
    loader = GlobalHydra.instance().config_loader()
    known = set()
    for job in (job for batch in BasicSweeper.split_arguments(overrides, None) for job in batch):
        rest = tuple(text for text in job if once is None or not text.lstrip("+").startswith(once))
        if rest not in known:
            known.add(rest)
            own = [*job, *composed.hydra.overrides.hydra]
            yield loader.load_configuration("config", overrides=own, run_mode=RunMode.RUN)
