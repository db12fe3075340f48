import time
from pathlib import Path

from patentlab.console.terminal import duration
from patentlab.sweep.journal import Entry, Journal
from patentlab.sweep.progress import Watch, headline


def entry(number: int, state: str, seconds: float | None = None) -> Entry:
    return Entry(number, [], "", state=state, executed=seconds is not None, seconds=seconds)


def test_the_line_counts_and_estimates():
    ended = [entry(0, "done", 100), entry(1, "failed", 20), entry(2, "done")]
    assert headline([], 24) == "0/24"
    assert headline(ended, 24) == "3/24, 1 failed, about 21 min left"  # 21 to come, 60 s each
    assert headline([*ended, entry(3, "running")], 24) == "3/24, 1 failed, about 21 min left"
    assert headline([*ended, entry(3, "running"), entry(4, "running")], 24) == "3/24, 1 failed, about 10 min left"
    assert headline([*ended, entry(3, "excluded")], 4) == "3/3, 1 failed"
    assert headline(ended, None) == "3, 1 failed"


def test_durations():
    assert [duration(seconds) for seconds in (3, 89, 90, 5000, 6000)] == ["3 s", "89 s", "2 min", "83 min", "1.7 h"]


def test_every_run_is_told_once_by_whoever_wrote_it(tmp_path: Path):
    told: list[int] = []

    class Display:
        line = ""

        def show(self, line: str) -> None:
            self.line = line

        def tell(self, entry: Entry, line: str) -> None:
            told.append(entry.number)

    journal, display = Journal(tmp_path, "start"), Display()
    with Watch(journal, 2, display) as watch:
        journal.write(entry(0, "done", 1))
        watch.refresh()
        watch.refresh()
        assert told == [0]
        journal.write(entry(1, "failed", 1))
        deadline = time.monotonic() + 10
        while told != [0, 1] and time.monotonic() < deadline:
            time.sleep(0.05)
    assert told == [0, 1]
    assert display.line == "2/2, 1 failed"
