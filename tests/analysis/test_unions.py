"""Matrices of several tasks in one model, and of each of them alone: compared by the parts that they share."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from patentlab.analysis.arms import arms, scores
from patentlab.analysis.predictions import read_predictions
from patentlab.analysis.quantities import Evidence, Quantity
from patentlab.config import RequestError
from patentlab.corpus import Document, LabelSpace
from patentlab.statistics.undecidable import UndecidableError
from patentlab.tasks import Decision
from patentlab.tasks.multi_task import MultiTask
from tests.models.test_multi_task_head import DOCUMENTS, LABELS, made_up

AHEAD = 0.03  # of the union in the part of names


def matrix(seeds: int = 4) -> pd.DataFrame:
    draw, rows = np.random.default_rng(0), []
    for parts in ("chat+names", "chat", "names"):
        for seed in range(seeds):
            noise = 0.002 * draw.normal(size=2)
            chat, names = 0.8 + noise[0], 0.6 + noise[1] + AHEAD * (parts == "chat+names")
            own = {"chat": chat, "names": names}
            found = {f"metrics.test.{name}_f1_micro": own[name] for name in parts.split("+")}
            choices = {
                "data": "union", "model": "minilm", "head": "multi_task", "adapter": "full", "generator": None,
                "adaptation": None, "strategy": "none", "ordering": "shuffled", "regime": "1:1", "mix": 1.0,
                "loss": "cross_entropy", "seed": seed, "parts": parts,
            }  # fmt: skip
            paths = {f"settings.data.parts.{name}.path": f"folder {seed}" for name in parts.split("+")}
            rows.append(
                {
                    "run": f"{parts} {seed}", "key": f"{parts} {seed}", "status": "finished", "error": None,
                    **{f"choices.{name}": value for name, value in choices.items()}, **found, **paths,
                    "metrics.test.f1_micro": float(np.mean(list(found.values()))), "counts.synthetic": 0,
                    "settings.mix.budget": np.nan, "settings.data.task": "multi_task",
                    "fingerprints.data": parts, "fingerprints.test": f"{parts} {seed}",
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_a_union_is_held_against_its_part_alone_in_the_metric_of_the_part():
    runs, low = matrix(), {}
    evidence = Evidence(runs)
    for part in ("names", "chat"):
        metric = f"metrics.test.{part}_f1_micro"
        union, alone = (runs.loc[runs["choices.parts"] == parts, metric].mean() for parts in ("chat+names", part))
        found = evidence.estimate(
            Quantity("difference", between="parts", sides=("chat+names", part), metric=f"{part}_f1_micro")
        )
        assert found.n == 4
        assert found.value == pytest.approx(union - alone)
        low[part] = found.low
    assert low["names"] > 0.01 > low["chat"]
    with pytest.raises(RequestError, match="runs have no such metric"):
        evidence.estimate(Quantity("difference", between="parts", sides=("chat+names", "chat"), metric="x_f1_micro"))


def test_unions_of_other_parts_are_other_conditions_and_paths_are_none():
    runs = arms(matrix())
    assert "parts" in runs.cell
    assert not [name for name in runs.cell if name.endswith(".path")]
    table = scores(runs)
    assert dict(zip(table["parts"], table["n"], strict=True)) == {"chat+names": 4, "chat": 4, "names": 4}


def write(folder: Path, task: MultiTask, documents: list[Document], outputs: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    table = task.predictions(documents, outputs, Decision())
    table.insert(1, "set", "test")
    table.to_parquet(folder / "predictions.parquet", index=False)
    for name, rows in task.tables(task.encode(documents).targets, outputs, Decision()).items():
        rows.to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_documents_of_several_tasks_are_not_resampled_and_those_of_one_are(tmp_path: Path):
    outputs = made_up()
    several = write(tmp_path / "several", MultiTask(LABELS), DOCUMENTS, outputs)
    with pytest.raises(UndecidableError, match="several tasks"):
        read_predictions(several)
    task = MultiTask(LabelSpace(("news/ask", "news/sell")))
    one = write(tmp_path / "one", task, DOCUMENTS[3:5], outputs[3:5, 2:])
    found = read_predictions(one)
    assert found.labels == ("news/ask", "news/sell")
    assert found.ids == ("news/1", "news/2")
