"""Bounds that stand on the fields of a configuration, and the lines that tell of values outside of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, field, fields
from typing import Any

from omegaconf import MISSING

_KEY = "bounds"


@dataclass(frozen=True)
class Bounds:
    """What a setting may be.

    Attributes:
        least: The smallest value.
        above: All values are larger than this.
        most: The largest value.
        below: All values are smaller than this; infinity where None, which no number reaches.
        words: The allowed words, or what yields them when they are asked for.
        hint: Added to the message, as in ``, or null``.
    """

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    words: Any = None
    hint: str = ""

    @property
    def allowed(self) -> Sequence[str]:
        """The allowed words."""
        return tuple(self.words() if callable(self.words) else self.words)

    def admits(self, value: Any) -> bool:
        """Whether a value that is not None is allowed; no number that is not finite is."""
        if self.words is not None:
            return value in self.allowed
        return (
            (isinstance(value, int) or math.isfinite(value))
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """The bounds in words: ``must be at least 0 and below 1``."""
        if self.words is not None:
            return f"allowed are {', '.join(map(str, self.allowed))}{self.hint}"
        if self.least is not None and self.most is not None:
            return f"must be a number from {self.least:g} to {self.most:g}{self.hint}"
        low = "" if self.above is None else f"above {self.above:g}"
        if self.least is not None:
            low = f"{self.least:g} or more" if self.below is None else f"at least {self.least:g}"
        high = "" if self.most is None else f"at most {self.most:g}"
        high = high if self.below is None else f"below {self.below:g}"
        return f"must be {' and '.join(part for part in (low, high) if part)}{self.hint}"


def bounded(default: Any = MISSING, **bounds: Any) -> Any:
    """A field of a configuration with bounds on it.

    Args:
        default: The neutral value, at which nothing changes; none for what every option must give.
        **bounds: As of :class:`Bounds`.

    Returns:
        A dataclass field.
    """
    return field(default=default, metadata={_KEY: Bounds(**bounds)})


def out_of_bounds(section: Any, prefix: str) -> Iterator[str]:
    """A line per setting that is outside of its bounds. A None is a matter of types, not of bounds.

    Args:
        section: A dataclass of settings.
        prefix: Before its settings: ``trainer.``.

    Yields:
        The setting, its value, and what is allowed.
    """
    for one in fields(section):
        bounds, value = one.metadata.get(_KEY), getattr(section, one.name)
        if bounds is None or value is None:
            continue
        values = value if isinstance(value, list) else [value]
        for element in values:
            if not bounds.admits(element):
                shown = f"{element:g}" if isinstance(element, float) else element
                yield f"{prefix}{one.name}={shown}: {bounds}"


def neutral_value(section: Any, name: str) -> Any:
    """The value of a setting at which nothing changes: its default; ``MISSING`` where every option gives one."""
    (one,) = (one for one in fields(section) if one.name == name)
    if one.default_factory is not NO_DEFAULT:
        return one.default_factory()
    return MISSING if one.default is NO_DEFAULT else one.default
