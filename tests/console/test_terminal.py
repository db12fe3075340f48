import pytest
from rich.console import Console

from patentlab.console import terminal


def test_a_long_task_tells_how_far_it_is_where_there_are_no_bars(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    console = Console(record=True, width=40, force_terminal=False, get_time=lambda: now[0], quiet=False)
    monkeypatch.setattr(terminal, "console", console)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with terminal.TerminalProgress().task("adapting", 10) as advance:
        for _ in range(4):
            now[0] += 50
            advance(1, "loss 0.500")
        advance(0)  # the note stays
    assert console.export_text().splitlines() == [
        "adapting: 2 of 10, loss 0.500, about 7 min left",
        "adapting: 4 of 10, loss 0.500, about 5 min left",
        "adapting: done in 200.0 s, loss 0.500",
    ]
