"""``result.json``: the record of a run, replaced atomically at each change of status."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from patentlab.storage import cache_folder, digest, write_atomically

SCHEMA = 1
FILE_NAME = "result.json"
_LIBRARIES = ("patentlab", "torch", "transformers", "peft", "scikit-learn", "numpy", "hydra-core", "mlflow")


@dataclass
class Record:
    """All that is known of a run. ``docs/record.md`` explains each field."""

    key: str
    choices: dict[str, Any]
    status: str = "running"
    error: str | None = None
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)  # numbers by set, or by what became of it
    main_metric: str | None = None
    threshold: float | None = None
    thresholds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    fallback: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, float] = field(default_factory=dict)
    latency: dict[str, Any] = field(default_factory=dict)
    synthesis: dict[str, Any] = field(default_factory=dict)
    fidelity: dict[str, float] = field(default_factory=dict)
    retrieval: dict[str, float] = field(default_factory=dict)
    saved: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    tracking: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    key_version: int = 1  # of the way in which the key was made
    schema: int = SCHEMA

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped the run, which is no failure of its own."""
        return self.status == "failed" and (self.error or "").startswith(KeyboardInterrupt.__name__)

    def write(self, folder: Path) -> Path:
        """Replace the record in a run's folder.

        Args:
            folder: Exists.

        Returns:
            The path of ``result.json``.
        """
        path = folder / FILE_NAME
        content = {"schema": self.schema, "status": self.status, "key": self.key, "error": self.error, **asdict(self)}
        write_atomically(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read a record.

        Args:
            path: Of a ``result.json``.

        Returns:
            The record.

        Raises:
            ValueError: It is not a record, or one of another schema.
        """
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ValueError(f"{path}: not a record of schema {SCHEMA}")
        return cls(**content)


def read_record(folder: Path) -> Record | None:
    """The record in a run's folder; None where there is none that can be read."""
    try:
        return Record.read(folder / FILE_NAME)
    except (OSError, ValueError, TypeError):
        return None


def lock_of(folder: Path) -> Path:
    """The file that is locked while a run is executed: in its sweep, for all workers to see, or in the cache."""
    folder = folder.resolve()
    sweep = folder.parent / ".sweep"
    if sweep.is_dir():
        return sweep / "locks" / f"{folder.name}.lock"
    return cache_folder() / "locks" / f"{digest(str(folder))}.lock"


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that can change a result."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def machine() -> dict[str, Any]:
    """What the run was computed on."""
    accelerator = None
    if "torch" in sys.modules:
        import torch

        accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"platform": platform.platform(), "cpus": os.cpu_count(), "accelerator": accelerator}


def reset_peak_memory() -> None:
    """Begin to look for the highest point anew, so that a run in a sweep is not blamed for the runs before it."""
    with suppress(OSError):  # other systems than Linux, or one that forbids it, keep the process's highest point
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()


def peak_memory() -> dict[str, int]:
    """Bytes at the highest point since :func:`reset_peak_memory`: in main memory, and on the accelerator, if any."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts kilobytes, but for macOS
    peak = {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            peak["accelerator_peak_bytes"] = torch.cuda.max_memory_allocated()
    return peak


def final_metrics(record: Record) -> dict[str, float]:
    """The numbers of a record by flat names: ``test.f1_micro``, ``counts.train``, ``timing.total``."""
    groups: dict[str, Mapping[str, Any]] = {
        **record.metrics,
        "counts": record.counts,
        "training": record.training,
        "parameters": record.parameters,
        "synthesis": record.synthesis,
        "fidelity": record.fidelity,
        "retrieval": record.retrieval,
        "timing": record.timing,
        "memory": record.memory,
    }
    thresholds = {f"threshold.{name}": value for name, value in record.thresholds.items()}
    values = (
        {"threshold": record.threshold}
        | thresholds
        | {
            # MLflow allows no @ in the name of a metric
            f"{group.replace('@', '')}.{name}": value
            for group, content in groups.items()
            for name, value in flatten(content).items()
        }
    )
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under dotted names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
