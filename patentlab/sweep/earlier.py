"""Runs that were recorded under keys of an earlier kind: found again by the key that their settings have today."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import yaml

from patentlab.config import RequestError, from_settings
from patentlab.tracking.identity import KEY_VERSION, run_key
from patentlab.tracking.record import FILE_NAME, Record, read_record

_INPUTS = ("data", "model", "generator", "corpus")  # as of input_fingerprints; a record holds those of its sets too


def key_today(record: Record, folder: Path) -> str:
    """The key of a run as it would be made now.

    Args:
        record: Of the run.
        folder: Of the run, with ``config.yaml``.

    Returns:
        The record's own, or one computed from the run's settings where it is of an earlier kind; empty where they
        cannot be read.
    """
    if record.key_version >= KEY_VERSION or not record.key:
        return record.key
    return _recomputed(folder.resolve(), tuple(sorted(record.fingerprints.items())))


@lru_cache(maxsize=4096)
def _recomputed(folder: Path, fingerprints: tuple[tuple[str, str], ...]) -> str:
    try:
        settings = yaml.load((folder / "config.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        inputs = {name: one for name, one in fingerprints if name in _INPUTS}
        return run_key(from_settings(settings), inputs, earlier=True)
    except (OSError, yaml.YAMLError, RequestError, TypeError, AttributeError, KeyError):
        return ""


def folder_of(sweep: Path, key: str, name: str) -> str:
    """The folder of a run inside its sweep's.

    Args:
        sweep: The sweep's folder.
        key: Of the run.
        name: The folder that it would have were it new.

    Returns:
        That of an earlier run with the same key, where there is one and no new one; else ``name``.
    """
    if not key or (sweep / name).is_dir():
        return name
    return _earlier_runs(sweep).get(key, name)


@lru_cache(maxsize=8)
def _earlier_runs(sweep: Path) -> dict[str, str]:
    """Folders by key, of runs that were recorded under keys of an earlier kind."""
    found: dict[str, str] = {}
    for path in sorted(sweep.glob(f"*/{FILE_NAME}")):
        record = read_record(path.parent)
        if record is not None and record.key and record.key_version < KEY_VERSION:
            found[key_today(record, path.parent)] = path.parent.name
    found.pop("", None)
    return found
