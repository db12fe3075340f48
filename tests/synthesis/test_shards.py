"""Shards whose answers are written side by side, and come in any order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from patentlab.storage import held
from patentlab.synthesis.generators import Answer, NextRequest
from patentlab.synthesis.prompts import Request
from patentlab.synthesis.shards import Shards
from patentlab.synthesis.store import Shard, ShardStore

SIZE = 4


def asking(number: int) -> Request:
    return Request(number, (), "patent_abstract", (), f"prompt {number}", "")


class Writer:
    """Has so many rows, each filled again at once; answers of every third request take long."""

    def __init__(self, rows: int = 3) -> None:
        self.rows = rows
        self.asked: list[int] = []
        self.begun = 0

    def __call__(self, ask: NextRequest) -> Iterator[tuple[Request, Answer]]:
        self.begun += 1
        left: dict[Request, int] = {}
        while True:
            while len(left) < self.rows and (request := ask()) is not None:
                self.asked.append(request.number)
                left[request] = 7 if request.number % 3 == 0 else 1
            if not left:
                return
            for request in list(left):
                left[request] -= 1
                if not left[request]:
                    del left[request]
                    yield request, Answer(f"answer {request.number}", 1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShardStore:
    monkeypatch.setenv("PATENTLAB_CACHE", str(tmp_path / "cache"))
    return ShardStore({"what": "a test"})


def shards(store: ShardStore, writer: Writer, told: Callable[[int], None] = lambda made: None) -> Shards:
    return Shards(store, SIZE, asking, writer, "scripted", told)


def texts(shard: Shard) -> list[str]:
    return [answer.text for answer in shard.answers]


def expected(number: int) -> list[str]:
    return [f"answer {position}" for position in range(number * SIZE, (number + 1) * SIZE)]


def test_answers_are_put_in_order_whenever_they_come(store: ShardStore):
    told: list[int] = []
    writer = Writer()
    with shards(store, writer, told.append) as made:
        found = [made.get(number, 5 - number) for number in range(5)]
    assert [texts(shard) for shard in found] == [expected(number) for number in range(5)]
    assert writer.asked == list(range(20))
    assert writer.begun == 1  # one stream over all
    assert told == list(range(1, 21))
    assert all(shard.seconds >= 0 for shard in found)


def test_no_more_is_begun_than_is_wanted_and_what_was_left_open_is_made_later(store: ShardStore):
    writer = Writer(rows=6)
    with shards(store, writer) as made:
        made.get(0, 1)
        assert writer.asked == [0, 1, 2, 3]
        made.get(1, 6)  # five more are hoped to be needed, and are not
    assert max(writer.asked) < 7 * SIZE
    missing = [number for number in range(7) if not store.has(number)]
    assert missing and missing[0] > 1
    left = Writer()
    with shards(store, left) as made:
        assert [texts(made.get(number, 7 - number)) for number in range(7)] == [expected(n) for n in range(7)]
    assert left.asked == [SIZE * number + position for number in missing for position in range(SIZE)]


def test_shards_that_are_there_are_passed_over(store: ShardStore):
    store.write(1, Shard([Answer("kept")] * SIZE, 1.0))
    writer = Writer()
    with shards(store, writer) as made:
        found = [texts(made.get(number, 3 - number)) for number in range(3)]
    assert found == [expected(0), ["kept"] * SIZE, expected(2)]
    assert writer.asked == [0, 1, 2, 3, 8, 9, 10, 11]


def test_a_stream_goes_on_when_more_is_wanted_and_is_begun_again_where_it_ended(store: ShardStore):
    begun: list[bool] = []
    writer = Writer()

    def of_one_shard(ask: NextRequest) -> Iterator[tuple[Request, Answer]]:
        begun.append(True)
        for request in list(islice(iter(ask, None), SIZE)):
            yield request, Answer(f"answer {request.number}", 1)

    with shards(store, writer) as made:
        assert [texts(made.get(number, 1)) for number in range(3)] == [expected(number) for number in range(3)]
    assert (writer.asked, writer.begun) == (list(range(12)), 1)
    with Shards(store, SIZE, asking, of_one_shard, "scripted", lambda number: None) as made:
        assert [texts(made.get(number, 1)) for number in range(3, 6)] == [expected(number) for number in range(3, 6)]
    assert len(begun) == 3


def test_one_process_makes_what_others_take_as_it_comes(store: ShardStore):
    writer = Writer()
    lock = store.folder / "making.lock"
    found: list[list[str]] = []

    def take() -> None:
        with shards(store, writer) as waiting:
            found.append(texts(waiting.get(0, 1)))
            found.append(texts(waiting.get(1, 1)))

    with held(lock, wait=True):
        other = threading.Thread(target=take)
        other.start()
        store.write(0, Shard([Answer(text) for text in expected(0)], 1.0))
        while not found:
            other.join(0.02)
        assert writer.begun == 0
        assert not store.has(1)
    other.join(20)
    assert found == [expected(0), expected(1)]
    assert writer.asked == [4, 5, 6, 7]


def test_a_shard_of_failures_is_not_kept(store: ShardStore):
    def failing(ask: NextRequest) -> Iterator[tuple[Request, Answer]]:
        while (request := ask()) is not None:
            yield request, Answer("", error="no server") if request.number >= SIZE else Answer("x")

    with Shards(store, SIZE, asking, failing, "scripted", lambda made: None) as made:
        assert texts(made.get(0, 1)) == ["x"] * SIZE
        with pytest.raises(ConnectionError, match="4 of 4 requests failed, no server"):
            made.get(1, 1)
    assert store.has(0) and not store.has(1)
    with held(store.folder / "making.lock", wait=False) as free:
        assert free
