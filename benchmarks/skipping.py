"""What a job costs that is not executed, beside what Hydra itself takes for a job that does nothing.

``python -m benchmarks.skipping [JOBS]``: sweeps of the constant answer over seeds, executed once before.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
# the same configuration, and a job that does nothing
_NOTHING = """
import hydra, sys
from patentlab.config import config_folder, register
register()
def job(composed): pass
hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")(job)()
"""
_REPEATS = 5


def main() -> None:
    """Time both in turns, and print the ratio."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    line = ["-m", "model=constant", "tracking=none", f"seed=range(0,{jobs})"]
    ours = ["-m", "patentlab.run", *line]
    plain = [
        "nothing.py",
        *line,
        "hydra.sweep.dir=nothing",
        "hydra.sweep.subdir=${hydra.job.num}",
        "~hydra.callbacks.sweep",
    ]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "nothing.py").write_text(_NOTHING, encoding="utf-8")
        _time(ours, folder)  # executes
        seconds: dict[str, list[float]] = {"skipped": [], "planned": [], "nothing": []}
        for _ in range(_REPEATS):
            seconds["nothing"].append(_time(plain, folder))
            seconds["skipped"].append(_time(ours, folder))
            seconds["planned"].append(_time([*ours, "plan=true"], folder))
    base = statistics.median(seconds["nothing"])
    print(f"| sweep of {jobs} | seconds, median of {_REPEATS} | ratio |\n| --- | --- | --- |")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"| {name} | {median:.2f} | {median / base:.2f} |")


def _time(arguments: list[str], folder: str) -> float:
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
