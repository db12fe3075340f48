"""Expensive things, made once and shared by all runs: one folder, keyed by content, guarded by a lock."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock


def cache_folder() -> Path:
    """``PATENTLAB_CACHE``, else the platform's user cache folder."""
    return Path(
        os.environ.get("PATENTLAB_CACHE") or platformdirs.user_cache_dir("patentlab", appauthor=False)
    ).resolve()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that guards a path, across processes.

    Args:
        path: What is guarded; the lock is a file beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        yield


def make_once(path: Path, build: Callable[[Path], None]) -> Path:
    """A folder that is built the first time it is asked for; a build that breaks off leaves nothing behind.

    Args:
        path: Where the folder is to be.
        build: Fills an empty folder, which is then renamed to ``path``.

    Returns:
        ``path``.
    """
    if path.is_dir():
        return path
    with locked(path):
        if not path.is_dir():
            temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
            try:
                build(temporary)
                temporary.replace(path)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
    return path


def write_atomically(path: Path, content: str) -> None:
    """Replace a text file at once: readers see the old content or the new, never a part.

    Args:
        path: The file; its folder exists.
        content: UTF-8 text.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(path)


def digest(*parts: object) -> str:
    """A short key for a cache entry.

    Args:
        *parts: Anything that JSON can hold.

    Returns:
        16 hexadecimal digits of their SHA-256.
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
