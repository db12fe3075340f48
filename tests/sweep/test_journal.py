from pathlib import Path

from patentlab.sweep.journal import Entry, Journal, current_runs
from patentlab.tracking.record import Record


def run(sweep: Path, name: str) -> str:
    (sweep / name).mkdir(exist_ok=True)
    Record(name, {}, "finished").write(sweep / name)
    return str(sweep / name)


def test_entries_are_read_as_they_were_written_by_number(tmp_path: Path):
    journal = Journal(tmp_path, "start")
    assert journal.entries() == []
    assert journal.read(3) is None
    entries = [Entry(number, [f"seed={number}"], "folder", metrics={"f1_micro": 0.5}) for number in (10, 2)]
    for entry in entries:
        journal.write(entry)
    assert journal.entries() == [entries[1], entries[0]]
    assert not journal.is_marked("stop")
    journal.mark("stop")
    assert journal.is_marked("stop")


def test_a_combination_stands_for_its_latest_run(tmp_path: Path):
    journal = Journal(tmp_path, "start")
    old, new, other = (run(tmp_path, name) for name in ("old", "new", "other"))
    journal.point(Entry(0, ["seed=0"], old))
    journal.point(Entry(1, ["seed=1"], other))
    assert [path.name for path in current_runs(tmp_path)] == ["old", "other"]
    journal.point(Entry(0, ["seed=0", "rerun=failed"], new))
    assert [path.name for path in current_runs(tmp_path)] == ["new", "other"]
    journal.point(Entry(0, ["seed=0"], old))  # the change was taken back
    assert [path.name for path in current_runs(tmp_path)] == ["old", "other"]


def test_two_combinations_with_one_run_are_one_row(tmp_path: Path):
    journal = Journal(tmp_path, "start")
    same = run(tmp_path, "same")
    journal.point(Entry(0, ["mix.real_share=0.5"], same))
    journal.point(Entry(1, ["mix.real_share=0.50"], same))
    assert [path.name for path in current_runs(tmp_path)] == ["same"]
