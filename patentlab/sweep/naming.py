"""What sweeps and runs are called on disk: the same on every start, and free of signs that a shell minds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from patentlab.config import CONTROL
from patentlab.storage import digest
from patentlab.tracking.identity import run_name

_WORDS = 4  # swept settings that a derived name spells out


def sweep_name(overrides: Iterable[str]) -> str:
    """A name for a sweep that was given none, from what was asked for, in whatever order.

    Args:
        overrides: As typed, shorthand rewritten; how the sweep is run and where it is tracked does not count.

    Returns:
        The swept settings and a digest of all: ``keep-real_share-1f6c9a``.
    """
    counted = sorted(override for override in overrides if is_choice(override))
    swept = [override.partition("=") for override in counted if re.search(r"=.*(,|range\(|glob\(|choice\()", override)]
    words = [setting.lstrip("+").rpartition(".")[2].rpartition("/")[2] for setting, _, _ in swept]
    return "-".join([*map(_safe, words[:_WORDS]), digest(counted)[:6]])


def is_choice(override: str) -> bool:
    """Whether an override says what a run is, not how a sweep is carried out or tracked."""
    setting = override.lstrip("+~").partition("=")[0]
    group = re.split("[./@]", setting)[0]
    return setting not in (set(CONTROL) - {"exclude"}) and group not in ("tracking", "hydra")


def run_folder(choices: Mapping[str, Any], key: str) -> str:
    """The folder of a run inside its sweep's: what it is, for eyes, and its key."""
    return f"{_safe(run_name(choices))}-{key}"


def refused_folder(overrides: Iterable[str]) -> str:
    """The folder of a run that has no key, because what was asked for cannot be."""
    return f"refused-{digest(sorted(overrides))}"


def request_digest(overrides: Iterable[str]) -> str:
    """What tells one combination of a sweep from another: its overrides, in whatever order."""
    return digest(sorted(override for override in overrides if is_choice(override)))


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", text.replace(" ", "_")).strip("-")
