"""What generators answered: shards that are only ever added, shared by all runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from patentlab.storage import cache_folder, digest, write_atomically
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

    A shard is written at once when it is complete: what breaks off leaves nothing behind.

    Args:
        description: What fixes the answers, for the folder's name and for who looks into it.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        self.key = digest(description)
        self.folder: Path = cache_folder() / "synthetic" / self.key
        self._description = description

    def read(self, number: int) -> Shard | None:
        """A shard, if it is there."""
        path = self._path(number)
        if not path.is_file():
            return None
        head, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        return Shard([Answer(**json.loads(line)) for line in lines], json.loads(head)["seconds"])

    def has(self, number: int) -> bool:
        """Whether a shard is there."""
        return self._path(number).is_file()

    def write(self, number: int, shard: Shard) -> None:
        """Keep a shard, for good."""
        self.folder.mkdir(parents=True, exist_ok=True)
        description = self.folder / "description.json"
        if not description.is_file():
            write_atomically(description, json.dumps(self._description, indent=1))
        # in ASCII: an answer may hold any separator of lines, and halves of characters
        lines: list[dict[str, Any]] = [{"seconds": shard.seconds}, *map(asdict, shard.answers)]
        write_atomically(self._path(number), "".join(json.dumps(line) + "\n" for line in lines))

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.jsonl"
