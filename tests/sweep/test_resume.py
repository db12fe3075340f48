from pathlib import Path

import pytest

from patentlab.storage import held, is_held
from patentlab.sweep.resume import is_executed, state_of
from patentlab.tracking.record import Record, lock_of, read_record


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (None, "missing"),
        (Record("k", {}, "finished"), "done"),
        (Record("other", {}, "finished"), "missing"),
        (Record("k", {}, "running"), "missing"),
        (Record("k", {}, "failed", "ValueError: no"), "failed"),
        (Record("other", {}, "failed", "ValueError: no"), "missing"),
        (Record("k", {}, "failed", "KeyboardInterrupt"), "missing"),
    ],
)
def test_done_means_finished_under_the_same_key(record: Record | None, state: str):
    assert state_of(record, record.key if record else "", "k") == state


def test_a_finished_run_that_lacks_the_model_that_is_asked_for_is_missing():
    assert state_of(Record("k", {}, "finished"), "k", "k", lacks_model=True) == "missing"
    assert state_of(Record("k", {}, "failed", "ValueError: no"), "k", "k", lacks_model=True) == "failed"


def test_policies():
    table = {
        policy: [state for state in ("missing", "failed", "done") if is_executed(state, policy)]
        for policy in ("missing", "failed", "always", "never")
    }
    assert table == {
        "missing": ["missing"],
        "failed": ["missing", "failed"],
        "always": ["missing", "failed", "done"],
        "never": [],
    }


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', '{"schema": 1, "nothing": 2}'])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, content: str):
    (tmp_path / "result.json").write_text(content)
    assert read_record(tmp_path) is None
    assert read_record(tmp_path / "nowhere") is None


def test_a_lock_is_held_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATENTLAB_CACHE", str(tmp_path / "cache"))  # other tests hold locks in the common one
    lock = lock_of(tmp_path / "run")
    assert not is_held(lock)
    with held(lock, wait=False) as first, held(lock, wait=False) as second:
        assert (first, second) == (True, False)
        assert is_held(lock)
        assert is_held(lock.parent)
    assert not is_held(lock.parent)
