"""A trained run, ready to answer: from its folder, or from MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from patentlab.classifiers.factory import load_classifier
from patentlab.classifiers.saving import MODEL_FOLDER, Meaning
from patentlab.config import ExperimentConfig, RequestError, data_folder
from patentlab.corpus import Examples
from patentlab.data.documents import Documents
from patentlab.data.normalisation import normalise
from patentlab.data.splits import Split
from patentlab.protocols import Classifier, Progress, Silent
from patentlab.storage import cache_folder, digest, make_once
from patentlab.tasks import Answer, Task
from patentlab.tracking.artifacts import PREDICTIONS_FILE
from patentlab.tracking.record import FILE_NAME, read_record

if TYPE_CHECKING:
    from mlflow import MlflowClient

_RUNS = "runs:/"


@dataclass(frozen=True)
class TrainedRun:
    """What a run learned, and what it means.

    Attributes:
        classifier: Trained.
        meaning: Task, labels, how outputs become answers, and how texts were made.
        folder: Where the model lies.
    """

    classifier: Classifier
    meaning: Meaning
    folder: Path

    def predict(self, texts: Sequence[str], progress: Progress | None = None) -> list[Answer]:
        """Answer for texts.

        Args:
            texts: Any number, made as those that it was trained on; normalised here, where those were.
            progress: Shows how far it is.

        Returns:
            An answer per text, in their order.
        """
        if not texts:
            return []
        read = [normalise(text) for text in texts] if self.meaning.normalised else list(texts)
        outputs = self.classifier.predict(read, progress or Silent())
        return self.meaning.task.answers(outputs, self.meaning.decision)


def load(run: str | Path, progress: Progress | None = None, uri: str | None = None) -> TrainedRun:
    """Load a trained run.

    Args:
        run: Its folder (or that of its ``model`` or ``result.json``), or ``runs:/ID`` of MLflow.
        progress: Told of a conversion.
        uri: Of MLflow's database or server; None: the database that runs go to by default.

    Returns:
        The run, whichever model it trained.

    Raises:
        RequestError: There is no such run, it has not finished, it has no model, or the model's base is not there.
    """
    asked = str(run)
    folder = _model_of_mlflow(asked, uri) if asked.startswith(_RUNS) else _model_of_folder(Path(run).expanduser())
    meaning = Meaning.read(folder)
    if meaning is None:
        raise RequestError(f"{asked}: {folder} does not say what the model's outputs mean; train the run again")
    try:
        classifier = load_classifier(folder, progress or Silent())
    except FileNotFoundError as missing:
        raise RequestError(f"{asked}: the saved model is not whole ({missing})") from missing
    return TrainedRun(classifier, meaning, folder)


def taught(
    examples: Examples,
    documents: Documents,
    config: ExperimentConfig,
    task: Task,
    fingerprints: Mapping[str, str],
    progress: Progress,
) -> Examples:
    """Training documents with what a teacher says of them, where the loss names one; no earlier run knows the answers.

    Args:
        examples: Of training.
        documents: Of all sets; of those without labels the teacher alone says something.
        config: May name folders of finished runs as ``loss.teacher`` and ``model.merge.runs``.
        task: Of the run.
        fingerprints: Of its data and sets.
        progress: Shows how far it is.

    Returns:
        The same examples and, if there is a teacher, the unlabelled ones behind them, with ``soft``.

    Raises:
        RequestError: There is no such run, it has no model, or it learned other labels or on other documents.
    """
    for merged in config.model.merge.runs or ():
        _refuse_known(merged, documents.split, fingerprints)
    folder, unlabelled = getattr(config.loss, "teacher", None), documents.unlabelled
    if folder is None:
        return examples
    teacher, record = load(folder, progress), read_record(Path(folder).expanduser())
    own = record.fingerprints if record is not None else {}
    apart = [name for name in ("data", "validation", "test") if own.get(name) != fingerprints[name]]
    if apart:
        which = {"data": "data", "validation": "validation documents", "test": "test documents"}
        raise RequestError(
            f"loss.teacher={folder}: was trained beside other {', other '.join(which[name] for name in apart)}: it may "
            "know the answers to what is measured here; take a run of the same data, split and seed"
        )
    if teacher.meaning.task.name != task.name or teacher.meaning.task.labels.names != task.labels.names:
        raise RequestError(f"loss.teacher={folder}: answers another task, or knows other labels")
    texts, more = [*examples.texts, *unlabelled], len(unlabelled)
    targets = np.concatenate([examples.targets, np.zeros((more, *examples.targets.shape[1:]), examples.targets.dtype)])
    added = None if examples.added is None else np.concatenate([examples.added, np.zeros(more, dtype=np.bool_)])
    return Examples(texts, targets, added, teacher.classifier.predict(texts, progress), more)


def _refuse_known(merged: str, split: Split, fingerprints: Mapping[str, str]) -> None:
    """Refuse a run to be merged that learned from documents which are held out here.

    A run with another head has other targets, and so other fingerprints, of the same documents: those are told by
    their ids in the tables of predictions.
    """
    import pandas as pd

    folder, record = Path(merged).expanduser(), read_record(Path(merged).expanduser())
    own = record.fingerprints if record is not None else {}
    shown = f"model.merge.runs={merged}"
    if own.get("data") != fingerprints["data"]:
        raise RequestError(f"{shown}: was trained on other data: it may know the answers to what is measured here")
    if all(own.get(name) == fingerprints[name] for name in ("validation", "test")):
        return
    try:
        table = pd.read_parquet(folder / PREDICTIONS_FILE, columns=["id", "set"])
    except (OSError, ValueError, KeyError) as error:
        raise RequestError(
            f"{shown}: there is no telling what it was trained on ({PREDICTIONS_FILE}: {error})"
        ) from error
    tested, held_out = set(table.loc[table["set"] == "test", "id"]), set(table["id"])
    if not ({one.id for one in split.test} <= tested and {one.id for one in split.validation} <= held_out):
        raise RequestError(
            f"{shown}: was trained beside other validation or test documents: it may know the answers to what is "
            "measured here; take a run of the same data, split and seed"
        )


def _model_of_folder(folder: Path) -> Path:
    if folder.name == FILE_NAME:
        folder = folder.parent
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such folder; give that of a run, with {FILE_NAME} in it, or runs:/ID")
    if Meaning.read(folder) is not None:
        return folder
    record = read_record(folder)
    if record is None:
        raise RequestError(f"{folder}: no run; there is no {FILE_NAME} that can be read")
    if record.status != "finished":
        raise RequestError(f"{folder}: the run is {record.status}, and has no model to answer with")
    if not (folder / MODEL_FOLDER).is_dir():
        raise RequestError(f"{folder}: the run kept no model; start it again with trainer.save_model=always")
    return folder / MODEL_FOLDER


def _model_of_mlflow(asked: str, uri: str | None) -> Path:
    """A run's model from its artifacts, else from its folder where that lies on this machine."""
    from mlflow.exceptions import MlflowException

    from patentlab.tracking.mlflow import connect

    run_id = asked.removeprefix(_RUNS).partition("/")[0]
    uri = uri or f"sqlite:///{data_folder()}/mlflow.db"
    try:
        client = connect(uri)
        tags = client.get_run(run_id).data.tags
        kept = bool(client.list_artifacts(run_id, MODEL_FOLDER))
    except MlflowException as error:
        raise RequestError(f"{asked}: not to be had from {uri} ({' '.join(str(error).split())[:200]})") from error
    if kept:
        target = cache_folder() / "runs" / digest(uri, run_id)
        return make_once(target, lambda folder: _download(client, run_id, folder)) / MODEL_FOLDER
    folder = Path(tags.get("folder", ""))
    if "folder" in tags and folder.is_dir():
        return _model_of_folder(folder)
    raise RequestError(
        f"{asked}: the run has no model among its artifacts, and its folder ({tags.get('folder')}) is not here; "
        "models go to MLflow with trainer.save_model=always"
    )


def _download(client: MlflowClient, run_id: str, folder: Path) -> None:
    client.download_artifacts(run_id, MODEL_FOLDER, str(folder))
