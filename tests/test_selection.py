"""Epoch, threshold and fallback are chosen on validation documents; labels of test documents choose nothing."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from patentlab.console.command_line import compose
from patentlab.data.documents import read_documents
from patentlab.experiment import run_experiment
from patentlab.protocols import Silent

QUICK = ["data.size=240", "data.split.validation=40", "data.split.test=60", "data.top_k=6", "tracking=none"]


def documents(turned: str | None) -> list[dict[str, Any]]:
    """The demonstration corpus with its split; one of its sets has the labels of each document's neighbour."""
    split = read_documents(compose("model=constant", *QUICK)).split
    rows = []
    for name, held in (("train", split.pool), ("validation", split.validation), ("test", split.test)):
        labels = [list(document.labels) for document in held]
        if name == turned:
            labels = [*labels[1:], labels[0]]
        rows += [{"text": one.text, "labels": given, "set": name} for one, given in zip(held, labels, strict=True)]
    return rows


def chosen(folder: Path, turned: str | None, *overrides: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """What a run chose, and what it says of test documents; the scores that it was given stand apart."""
    folder.mkdir()
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents(turned)))
    config = compose(
        "data=jsonl", f"data.path={folder / 'data.jsonl'}", "data.split.method=given", "data.split.column=set",
        "data.task=multi_label", "tracking=none", *overrides,
    )  # fmt: skip
    run_experiment(config, folder, Silent())
    record = json.loads((folder / "result.json").read_text())
    told = {name: record[name] for name in ("thresholds", "training")}
    told |= {"kept": (record["fallback"] or {}).get("kept"), "validation": record["metrics"]["validation"]}
    table = pd.read_parquet(folder / "predictions.parquet")
    test = table[table["set"] == "test"]
    answers = pd.DataFrame({"predicted": test["predicted"].map(list), "scores": test["scores"].map(list)})
    return {"chosen": told, "test": record["metrics"]["test"]}, answers.reset_index(drop=True)


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=tfidf_linear", "head=none", "adapter=none", "trainer=none", "loss=null"],
        ["model=minilm", "adapter=full", "loss=bce", "trainer.max_length=32", "trainer.epochs=2",
         "trainer.validations=2", "trainer.learning_rate=1e-3"],
    ],
    ids=["fitted", "tuned, or its probe"],
)  # fmt: skip
def test_labels_of_test_documents_choose_nothing(tmp_path: Path, overrides: list[str]):
    told, answers = chosen(tmp_path / "as they are", None, *overrides)
    other, same = chosen(tmp_path / "turned", "test", *overrides)
    assert other["test"] != told["test"]
    assert other["chosen"] == told["chosen"]
    pd.testing.assert_frame_equal(answers, same)
    validated, _ = chosen(tmp_path / "validation", "validation", *overrides)
    assert validated["chosen"]["thresholds"] != told["chosen"]["thresholds"]
