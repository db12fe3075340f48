"""The targets of the Makefile that run sweeps: what they would run can be composed, without running it."""

import os
import re
import shlex
import subprocess
import sys
from functools import cache

import pytest

from tests.conftest import ROOT, Command

FIGURES = (
    "arms",
    "fidelity",
    "shares",
    "learning",
    "orderings",
    "leakage",
    "retrieval",
    "parameters",
    "labels",
    "calibration",
    "heads",
    "attention",
    "entities",
    "injection",
    "multi-task",
    "worth",
)
# runs of a seed, of which the small edition has two
SWEEPS = {
    "arms": 12,
    "fidelity": 12,
    "shares": 8,
    "learning": 9,
    "orderings": 4,
    "leakage": 6,
    "retrieval": 6,
    "heads": 6,
    "attention": 6,
    "entities": 6,
    "injection": 4,
    "multi-task": 4,
    "worth": 10,
}


@cache
def lines(*arguments: str) -> list[str]:
    """What make would do, but for setting up."""
    done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "-m patentlab." in line]


@cache
def told() -> str:
    return subprocess.check_output(["make", "help"], cwd=ROOT, text=True)


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_has_a_sweep_and_a_report_of_it(figure: str):
    run, analyze = lines(f"figure-{figure}")
    name = re.search(r" name=(\S+)", run)
    assert name and f"sweep=multirun/{name[1]}" in analyze
    assert f"+experiment={name[1].removeprefix('small-')}" in run
    assert (ROOT / "conf" / "experiment" / f"{name[1].removeprefix('small-')}.yaml").is_file()
    assert f"{figure} ({name[1].removeprefix('small-')})" in told()


@pytest.mark.parametrize(("figure", "runs"), SWEEPS.items())
def test_the_small_edition_can_be_run(run_in_process: Command, figure: str, runs: int):
    arguments = shlex.split(lines(f"figure-{figure}")[0])[3:]
    assert "seed=0,1" in arguments
    arguments[arguments.index("seed=0,1")] = "seed=0"
    done = run_in_process(*arguments, "plan=true")
    assert done.returncode == 0, done.stderr
    assert f"{runs} runs: 0 done, 0 failed, {runs} missing" in done.stderr
    assert figure != "multi-task" or "│ [coarse]" in done.stderr  # a list is no markup
    keys = re.findall(r"│ ([0-9a-f]{16}) │", done.stderr)
    assert len(set(keys)) == len(keys) == runs  # no run is another's again


def test_the_full_edition_takes_the_experiments_as_they_are():
    run = lines("figure-shares", "EDITION=full", "ARGS=data=patentsview data.path=FOLDER")[0]
    assert shlex.split(run)[3:] == ["+experiment=shares", "name=full-shares", "data=patentsview", "data.path=FOLDER"]


def test_figures_are_all_of_them():
    assert len(lines("figures")) == 2 * len(FIGURES)


def test_variables_of_the_make_that_runs_the_tests_do_not_reach_the_make_that_tests_start():
    given = {"MAKEFLAGS": " -- ARGS=--durations=20", "MAKEOVERRIDES": "${-*-command-variables-*-}", "MAKELEVEL": "1"}
    name = "test_the_full_edition_takes_the_experiments_as_they_are"  # would be given --durations=20
    name += " or (test_every_figure_has_a_sweep_and_a_report_of_it and leakage)"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", name, __file__], cwd=ROOT,
        env={**os.environ, **given, "ARGS": "--durations=20"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
