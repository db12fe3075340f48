"""The code gives the numbers that it gave; the whole table, bit for bit, is ``python -m benchmarks.same_numbers``."""

import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks import same_numbers
from benchmarks.same_numbers import (
    QUICK,
    REQUESTS,
    TABLE,
    answering,
    differences,
    digest_of_predictions,
    flat,
    main,
    overrides,
    row,
)
from patentlab.console.command_line import compose
from patentlab.experiment import run_experiment
from patentlab.protocols import Silent

KEPT = json.loads(TABLE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    with answering() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def marked(name: str) -> Any:
    return pytest.param(name, marks=[pytest.mark.integration] if "model=minilm" in REQUESTS[name] else [])


@pytest.mark.parametrize("name", [marked(name) for name in QUICK])
def test_a_run_is_what_it_was(name: str, server: None, tmp_path: Path):
    run_experiment(compose(*overrides(name)), tmp_path, Silent())
    made, kept = row(tmp_path), KEPT["runs"][name]
    for exact in ("counts", "fingerprints", "training", "parameters", "synthesis"):
        assert made[exact] == kept[exact]
    for close in ("metrics", "fidelity", "retrieval"):  # another processor rounds otherwise
        assert flat(made[close]) == pytest.approx(flat(kept[close]), abs=0.01)


def test_the_table_has_every_run_and_each_has_learnt_something_else():
    assert KEPT["runs"].keys() == REQUESTS.keys()
    predictions = [kept["predictions"] for kept in KEPT["runs"].values()]
    assert len(set(predictions)) == len(predictions)


def test_what_differs_is_told_field_by_field():
    table: dict[str, Any] = {
        "runs": {"one": {"metrics": {"test": {"f1": 0.3}}, "keys": {"run": "a"}}},
        "versions": {"torch": "2"},
    }
    other = copy.deepcopy(table)
    other["versions"] = {"torch": "3"}
    assert differences(table, other) == []
    other["runs"]["one"] = {"metrics": {"test": {"f1": 0.1 + 0.2}}, "keys": {"run": "b"}}
    other["runs"]["two"] = {}
    assert differences(table, other) == [
        "one: keys.run: a → b", "one: metrics.test.f1: 0.3 → 0.30000000000000004", "two: is new"
    ]  # fmt: skip
    assert differences(table, other, ["keys", "metrics"]) == ["two: is new"]


def test_every_bit_of_a_score_counts():
    def digest(predicted: list[str], score: float) -> str:
        one = {"set": "test", "id": "1", "labels": ["A"], "predicted": predicted, "scores": [0.5, score]}
        return digest_of_predictions(pd.DataFrame([one]))

    assert digest(["A"], 0.3) == digest(["A"], 0.3)
    assert len({digest(["A"], 0.3), digest(["A"], 0.1 + 0.2), digest([], 0.3)}) == 3


def test_the_command_exits_with_1_where_a_number_differs(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(same_numbers, "_LIBRARIES", [])  # more than one short run needs
    made, kept = tmp_path / "made.json", tmp_path / "kept.json"
    kept.write_text(json.dumps({"runs": {"constant": KEPT["runs"]["tfidf"]}}))
    monkeypatch.setattr(sys, "argv", ["same_numbers", "--only", "constant", "--out", str(made), "--against", str(kept)])
    assert main() == 1
    assert "constant: metrics.test.f1_micro: 0." in capsys.readouterr().out
    table = json.loads(made.read_text())
    assert table["runs"]["constant"]["counts"] == KEPT["runs"]["constant"]["counts"]
    monkeypatch.setattr(same_numbers, "measure", lambda *arguments: table)
    kept.write_text(made.read_text())
    assert main() == 0
    assert capsys.readouterr().out == "1 runs, 0 differences\n"
