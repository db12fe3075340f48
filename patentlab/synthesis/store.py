"""What generators answered: shards that are only ever added, shared by all runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from patentlab.cache import cache_folder, digest, locked, write_atomically
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

    def get(self, number: int, make: Callable[[Shard | None], Shard]) -> Shard:
        """A shard that is there, or is made now.

        Args:
            number: From 0.
            make: Generates the shard; of one with errors it gets what there is, and answers those requests again.

        Returns:
            The shard; it holds errors only where asking again did not help.
        """
        found = self.read(number)
        if found is not None and all(answer.error is None for answer in found.answers):
            return found
        path = self._path(number)
        with locked(path):
            found = self.read(number)
            if found is None or any(answer.error is not None for answer in found.answers):
                found = make(found)
                self._write(path, found)
        return found

    def read(self, number: int) -> Shard | None:
        """A shard, if it is there."""
        path = self._path(number)
        if not path.is_file():
            return None
        head, *lines = path.read_text(encoding="utf-8").splitlines()
        return Shard([Answer(**json.loads(line)) for line in lines], json.loads(head)["seconds"])

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.jsonl"

    def _write(self, path: Path, shard: Shard) -> None:
        description = self.folder / "description.json"
        if not description.is_file():
            write_atomically(description, json.dumps(self._description, indent=1, ensure_ascii=False))
        lines = [{"seconds": shard.seconds}, *map(asdict, shard.answers)]
        write_atomically(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def completed(
    before: Shard | None, count: int, ask: Callable[[list[int]], Shard], tell: Callable[[], None] = lambda: None
) -> Shard:
    """A shard of which the answers are asked for that are missing or were errors.

    Args:
        before: What there is of it.
        count: Answers of a whole shard.
        ask: Answers the requests at these positions.
        tell: Called before.

    Returns:
        The shard.
    """
    tell()
    if before is None:
        return ask(list(range(count)))
    failed = [position for position, answer in enumerate(before.answers) if answer.error is not None]
    again = ask(failed)
    answers = list(before.answers)
    for position, answer in zip(failed, again.answers, strict=True):
        answers[position] = answer
    return replace(before, answers=answers, seconds=before.seconds + again.seconds)
