"""The tables that a run leaves beside its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from patentlab.corpus import Document, LabelSpace
from patentlab.fidelity.profile import label_table
from patentlab.mixing.training_set import TrainingSet
from patentlab.tasks import Decision, Task

PREDICTIONS_FILE = "predictions.parquet"


def write_training_set(made: TrainingSet, labels: LabelSpace, folder: Path) -> None:
    """What a run learned from, by label and what was added document by document.

    Args:
        made: The training set.
        labels: The label space.
        folder: Gets ``labels_in_training.csv``, and ``synthetic.parquet`` where documents were generated.
    """
    import pandas as pd

    label_table(made.documents, labels).to_csv(folder / "labels_in_training.csv", index=False)
    if made.addition.rows is not None:
        pd.DataFrame(made.addition.rows).to_parquet(folder / "synthetic.parquet", index=False)


def write_history(rows: Sequence[Mapping[str, float]], folder: Path) -> None:
    """The curve of a training.

    Args:
        rows: One an epoch that was validated; none for baselines.
        folder: Gets ``history.csv``.
    """
    import pandas as pd

    history = pd.DataFrame(rows)
    if "train_loss" in history:  # epoch 0 has none, and would put it last
        history.insert(2, "train_loss", history.pop("train_loss"))
    history.to_csv(folder / "history.csv", index=False)


def write_predictions(
    task: Task,
    sets: Mapping[str, Sequence[Document]],
    outputs: Mapping[str, Any],
    targets: Any,
    decision: Decision,
    folder: Path,
) -> dict[str, Any]:
    """What was said of each document, and what became of each label on the test set.

    Args:
        task: What was asked.
        sets: Documents by the name of their set.
        outputs: Of some of the sets.
        targets: Of the test documents.
        decision: How outputs become answers.
        folder: Gets ``predictions.parquet``, and a CSV file for each of the task's tables.

    Returns:
        The tables by name.
    """
    import pandas as pd

    predictions = []
    for name, given in outputs.items():
        predictions.append(task.predictions(sets[name], given, decision))
        predictions[-1].insert(1, "set", name)
    pd.concat(predictions, ignore_index=True).to_parquet(folder / PREDICTIONS_FILE, index=False)
    tables = task.tables(targets, outputs["test"], decision)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return tables
