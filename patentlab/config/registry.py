"""What registers by name: the losses, sources, strategies, … of this package, and those that other packages bring.

A room's modules register what they define when they are imported. Nobody lists them: the first look-up imports every
module of the room, and the entry points of other packages. So these modules are cheap to import; what is heavy (torch)
is imported where it is used.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from patentlab.config.problems import RequestError, closest

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind, by name.

    Args:
        kind: What they are, for messages; also the entry point group of other packages, as in ``patentlab.losses``.
        room: The package whose modules register them.
        setting: The one that names one of them, as in ``loss.name``, if a config group does.
    """

    def __init__(self, kind: str, room: str, setting: str = "") -> None:
        self.kind, self.room, self.setting = kind, room, setting
        self.group, _, self.field = setting.partition(".")
        self._known: dict[str, T] = {}
        self._settings: dict[str, type[Any]] = {}
        self._loaded = False

    def add(self, name: str, settings: type[Any] | None = None) -> Callable[[T], T]:
        """Register what is decorated.

        Args:
            name: As users write it.
            settings: A dataclass that extends the group's by settings of its own, if there are any.

        Returns:
            A decorator that returns what it is given.

        Raises:
            ValueError: Something else has the name.
        """

        def register(thing: T) -> T:
            known = self._known.get(name)
            # a class may be defined again, where its module is loaded anew
            if known is not None and known is not thing and _origin(known) != _origin(thing):
                raise ValueError(f"{self.kind}: {name} is {_origin(known)}, and cannot be {_origin(thing)} too")
            self._known[name] = thing
            if settings is not None:
                self._settings[name] = settings
            return thing

        return register

    def get(self, name: str | None) -> T:
        """What is registered under a name.

        Args:
            name: As users write it; None, which is nobody's, where they left it out.

        Returns:
            The thing.

        Raises:
            RequestError: There is none.
        """
        self.load()
        if name is None or name not in self._known:
            raise RequestError(
                f"{self.setting or self.kind}={closest(str(name), self._known)}: allowed are {', '.join(self.names())}"
            )
        return self._known[name]

    def settings(self, name: str) -> type[Any] | None:
        """The dataclass of the settings that one has for itself; None where the group's are all."""
        self.load()
        return self._settings.get(name)

    def names(self) -> list[str]:
        """All names, sorted, those of other packages too."""
        self.load()
        return sorted(self._known)

    def items(self) -> list[tuple[str, T]]:
        """All names with what they stand for."""
        self.load()
        return list(self._known.items())

    def __contains__(self, name: object) -> bool:
        """Whether a name is known."""
        self.load()
        return name in self._known

    def load(self) -> None:
        """Import what registers, once; every look-up does.

        Raises:
            RequestError: What another package brings cannot be imported.
        """
        if self._loaded:
            return
        self._loaded = True  # the modules that are imported now may look names up themselves
        if importlib.util.find_spec(self.room) is None:
            return
        package = importlib.import_module(self.room)
        for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
            importlib.import_module(f"{self.room}.{module.name}")
        for point in entry_points(group=f"patentlab.{self.kind}"):
            try:
                point.load()
            except Exception as error:
                self._loaded = False  # told again, wherever it is looked for
                raise RequestError(_broken(point, error)) from error


def _broken(point: EntryPoint, error: Exception) -> str:
    owner = point.dist.name if point.dist is not None else "a package"
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{owner}: its entry point {point.name} = {point.value} of {point.group} cannot be imported: {reason}"


def _origin(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}" if hasattr(thing, "__qualname__") else repr(thing)


# The values are typed by the rooms that own them; config knows the names alone.
SOURCES: Registry[Any] = Registry("sources", "patentlab.data.sources", "data.name")
METRICS: Registry[Any] = Registry("metrics", "patentlab.evaluation")
TASKS: Registry[Any] = Registry("tasks", "patentlab.tasks")
STRATEGIES: Registry[Any] = Registry("strategies", "patentlab.synthesis.strategies", "strategy.name")
GENERATORS: Registry[Any] = Registry("generators", "patentlab.synthesis.generators", "generator.kind")
LOSSES: Registry[Any] = Registry("losses", "patentlab.losses", "loss.name")
OBFUSCATIONS: Registry[Any] = Registry("obfuscations", "patentlab.data.obfuscations")
HEADS: Registry[Any] = Registry("heads", "patentlab.models.heads", "head.name")
EVALUATIONS: Registry[Any] = Registry("evaluations", "patentlab.robustness", "evaluate.name")
