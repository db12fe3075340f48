"""Claims that are told beforehand: which file a sweep was started with, and how many of its runs had begun by then."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from patentlab.storage import locked, write_atomically
from patentlab.tracking.record import FILE_NAME

REGISTERED = "claims.json"


@dataclass(frozen=True)
class Registration:
    """A claims file as it was when a sweep was started with it.

    Attributes:
        name: Of the file, without its suffix.
        sha256: Of its bytes.
        time: In UTC, to the second.
        begun: Runs of the sweep that had begun before.
        text: All of it.
    """

    name: str
    sha256: str
    time: str
    begun: int
    text: str

    @property
    def beforehand(self) -> bool:
        """Whether no run had begun."""
        return self.begun == 0

    def __str__(self) -> str:
        if self.beforehand:
            return f"registered before the first run ({self.time})"
        return f"registered after {self.begun} run{'s' * (self.begun != 1)} had begun ({self.time})"


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def register(sweep: Path, path: Path) -> Registration:
    """Note in a sweep that it is started with a claims file; what was noted first stands.

    Args:
        sweep: Its folder, which exists.
        path: Of the file.

    Returns:
        The registration of this file, new or found.
    """
    place = sweep / REGISTERED
    with locked(sweep / ".sweep" / REGISTERED):
        known = registrations(place)
        digest = digest_of(path)
        for one in known:
            if one.sha256 == digest:
                return one
        begun = len(list(sweep.glob(f"*/{FILE_NAME}")))
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        new = Registration(path.stem, digest, now, begun, path.read_text(encoding="utf-8"))
        write_atomically(place, json.dumps([asdict(one) for one in [*known, new]], indent=2, ensure_ascii=False) + "\n")
    return new


def registrations(place: Path) -> list[Registration]:
    """What a file of registrations holds; nothing where there is none.

    Args:
        place: ``claims.json`` of a sweep, or a copy of it.
    """
    try:
        return [Registration(**one) for one in json.loads(place.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []


def standing(place: Path, path: Path) -> str:
    """How a claims file stands to a sweep, in words.

    Args:
        place: ``claims.json`` of the sweep, or a copy of it.
        path: Of the claims file.
    """
    digest, known = digest_of(path), registrations(place)
    same = [one for one in known if one.sha256 == digest]
    if same:
        return str(same[0])
    earlier = [one for one in known if one.name == path.stem]
    if earlier:
        return f"written after: what was registered ({earlier[-1].time}) has other bytes"
    return "written after: the sweep was started without it"
