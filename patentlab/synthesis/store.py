"""What generators answered: shards that are only ever added, shared by all runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from patentlab.storage import cache_folder, digest, locked, write_atomically
from patentlab.synthesis.generators import Answer


@dataclass(frozen=True)
class Shard:
    """Answers to consecutive requests.

    Attributes:
        answers: In the order of the requests.
        seconds: That they took to generate.
    """

    answers: list[Answer]
    seconds: float


class ShardStore:
    """Answers to the requests of one strategy, generator and seed.

    A shard is written at once when it is complete, under a lock: what breaks off leaves nothing behind, and two
    processes never generate the same one.

    Args:
        description: What fixes the answers, for the folder's name and for who looks into it.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        self.key = digest(description)
        self.folder: Path = cache_folder() / "synthetic" / self.key
        self._description = description

    def get(self, number: int, make: Callable[[], Shard]) -> Shard:
        """A shard that is there, or is made now.

        Args:
            number: From 0.
            make: Generates the shard; what it raises leaves nothing behind.

        Returns:
            The shard. Requests that failed for good are part of it: asked again, they would come between documents
            that earlier runs were trained on.
        """
        path = self._path(number)
        found = self.read(number)
        if found is None:
            with locked(path):
                found = self.read(number)
                if found is None:
                    found = make()
                    self._write(path, found)
        return found

    def read(self, number: int) -> Shard | None:
        """A shard, if it is there."""
        path = self._path(number)
        if not path.is_file():
            return None
        head, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        return Shard([Answer(**json.loads(line)) for line in lines], json.loads(head)["seconds"])

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.jsonl"

    def _write(self, path: Path, shard: Shard) -> None:
        description = self.folder / "description.json"
        if not description.is_file():
            write_atomically(description, json.dumps(self._description, indent=1))
        # in ASCII: an answer may hold any separator of lines, and halves of characters
        lines: list[dict[str, Any]] = [{"seconds": shard.seconds}, *map(asdict, shard.answers)]
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in lines))
