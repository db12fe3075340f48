"""Shards of answers one after the other: those that are there, and the others from a stream of a generator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType

from patentlab.storage import held
from patentlab.synthesis.generators import Answer, NextRequest
from patentlab.synthesis.prompts import Request
from patentlab.synthesis.store import Shard, ShardStore

Stream = Callable[[NextRequest], Iterator[tuple[Request, Answer]]]
"""What gives the next request, or None → answers as they come."""

_LOOKS = 0.1  # seconds between looks at what another process makes


class Shards:
    """Gives shards in their order, and keeps those that it makes.

    Answers of several shards are written side by side. One process at a time makes shards of a store; others take
    them as they come. What breaks off leaves complete shards behind; a later run begins at the first that is missing.

    Args:
        store: Where they are kept.
        size: Answers of a shard.
        asking: The number of an attempt → what is asked.
        stream: Begins to answer; called when the first answer is missing.
        name: Of the generator, for messages.
        told: Called with the number of answers that were made so far, after each.
    """

    def __init__(
        self,
        store: ShardStore,
        size: int,
        asking: Callable[[int], Request],
        stream: Stream,
        name: str,
        told: Callable[[int], None],
    ) -> None:
        self._store, self._size, self._asking = store, size, asking
        self._begin, self._name, self._told = stream, name, told
        self._lock = ExitStack()
        self._is_mine = False  # the lock of the store
        self._answers: Iterator[tuple[Request, Answer]] | None = None
        self._next = 0  # the number of the next request
        self._end = 0  # that of the first request that is not wanted
        self._open: dict[int, dict[int, Answer]] = {}  # answers of shards that are not complete
        self._seconds = 0.0  # since a shard was complete
        self._made = 0

    def __enter__(self) -> Shards:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()

    def get(self, number: int, wanted: int) -> Shard:
        """A shard; it takes as long as it takes to make it.

        Args:
            number: From 0.
            wanted: How many shards from this one on will be asked for, as far as one can tell: no more are begun.

        Returns:
            The shard. Requests that failed for good are part of it: asked again, they would come between documents that
            earlier runs were trained on.

        Raises:
            ConnectionError: Most requests of a shard failed; it is not kept.
        """
        self._end = (number + max(wanted, 1)) * self._size
        while (found := self._store.read(number)) is None:
            if not self._locked():
                time.sleep(_LOOKS)
                continue
            if self._store.has(number):  # by who held the lock until now
                continue
            if self._answers is None:
                self._next = max(self._next, number * self._size)
                self._answers = self._begin(self._request)
            self._take(self._answers)
        return found

    def _locked(self) -> bool:
        """Whether this process may make shards."""
        if not self._is_mine:
            with ExitStack() as attempt:
                self._is_mine = attempt.enter_context(held(self._store.folder / "making.lock", wait=False))
                if self._is_mine:
                    self._lock.enter_context(attempt.pop_all())
        return self._is_mine

    def _request(self) -> Request | None:
        """The next request, of a shard that is not there."""
        while self._next < self._end:
            shard, position = divmod(self._next, self._size)
            if position == 0 and self._store.has(shard):
                self._next += self._size
                continue
            self._next += 1
            return self._asking(self._next - 1)
        return None

    def _take(self, answers: Iterator[tuple[Request, Answer]]) -> None:
        """The next answer of the stream, and the shard that is complete with it."""
        start = time.perf_counter()
        found = next(answers, None)
        self._seconds += time.perf_counter() - start
        if found is None:
            self._answers = None  # all that were wanted so far are there
            return
        request, answer = found
        shard, position = divmod(request.number, self._size)
        written = self._open.setdefault(shard, {})
        written[position] = answer
        if len(written) == self._size:
            del self._open[shard]
            self._keep(shard, [written[place] for place in range(self._size)])
        self._made += 1
        self._told(self._made)

    def _keep(self, number: int, answers: list[Answer]) -> None:
        errors = [answer.error for answer in answers if answer.error is not None]
        if 2 * len(errors) > len(answers):  # not a few requests: the server
            raise ConnectionError(
                f"generator={self._name}: {len(errors)} of {len(answers)} requests failed, {errors[0]}; the answers "
                "before them are kept, and the same command goes on from there"
            )
        self._store.write(number, Shard(answers, round(self._seconds, 3)))
        self._seconds = 0.0
