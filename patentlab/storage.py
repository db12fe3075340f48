"""Expensive things, made once and shared by all runs: one folder, keyed by content, guarded by a lock."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

_digests: dict[tuple[object, ...], bytes] = {}
_TICK = 2 * 10**9  # nanoseconds
_WORTH_REMEMBERING = 2**20  # bytes; smaller files are hashed in no time


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


@contextmanager
def held(lock: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a lock file; the system lets go of it if the process dies.

    Args:
        lock: The file.
        wait: For as long as another process holds it.

    Yields:
        Whether it is held: without ``wait``, another process may have it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    guard = FileLock(lock)
    try:
        guard.acquire(blocking=wait)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        guard.release()


def is_held(lock: Path) -> bool:
    """Whether some process holds a lock file, or one of those in a folder."""
    for candidate in lock.glob("*.lock") if lock.is_dir() else [lock]:
        if candidate.is_file():
            with held(candidate, wait=False) as mine:
                if not mine:
                    return True
    return False


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


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file's bytes, remembered for as long as its size and times stay.

    Args:
        path: Exists.

    Returns:
        32 bytes.
    """
    status = path.stat()
    stamp = (str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    if stamp in _digests:
        return _digests[stamp]
    memory = cache_folder() / "fingerprints" / digest(*stamp)
    # a file that was changed a moment ago may change again within one tick of the file system's clock
    settled = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _TICK
    if settled and memory.is_file():
        content = bytes.fromhex(memory.read_text(encoding="ascii"))
    else:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        if settled and status.st_size > _WORTH_REMEMBERING:
            memory.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(memory, content.hex())
    if settled:
        _digests[stamp] = content
    return content


def digest(*parts: object) -> str:
    """A short key for a cache entry.

    Args:
        *parts: Anything that JSON can hold.

    Returns:
        16 hexadecimal digits of their SHA-256.
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
