"""What a saved folder holds, beside weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from patentlab import weights
from patentlab.classifiers.settings import TransformerSettings
from patentlab.config import (
    AdapterConfig,
    ExperimentConfig,
    HeadConfig,
    LossConfig,
    MergeConfig,
    ModelConfig,
    PromptedHeadConfig,
    TrainerConfig,
    Wording,
)
from patentlab.config.registry import HEADS, LOSSES, TASKS
from patentlab.corpus import LabelSpace
from patentlab.protocols import Classifier
from patentlab.tasks import Decision, Task

AUTO_BYTES = 100_000_000  # what ``trainer.save_model=auto`` saves of weights that are no adapter's
MODEL_FOLDER = "model"
MERGE_FOLDER = "merged"  # in it: what a merge changed
TASK_FILE = "task.json"
SETTINGS_FILE = "settings.json"
HEAD_FILE = "head.json"
_WORDS_FILE = "words.csv"  # of a head that takes its words for labels from a table
_EARLIER_TASK_FILE = "labels.json"  # without text template, and with the task as ``single``

T = TypeVar("T")


@dataclass(frozen=True)
class Meaning:
    """What the outputs of a saved classifier mean.

    Attributes:
        task: What was asked.
        decision: How outputs become answers.
        text: The template that a document's text was made by, where it is known.
        normalised: Whether texts were written plainly before they were read.
    """

    task: Task
    decision: Decision
    text: str | None = None
    normalised: bool = False

    def write(self, folder: Path) -> None:
        """Write ``task.json``.

        Args:
            folder: Exists.
        """
        content = {**describe_task(self.task), "decision": asdict(self.decision), "text": self.text}
        if self.normalised:
            content["normalised"] = True
        (folder / TASK_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Meaning | None:
        """What :meth:`write` wrote, or versions before it; None where there is nothing.

        Args:
            folder: A saved model's.
        """
        if (folder / TASK_FILE).is_file():
            content = json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
            return cls(
                task_from(content), Decision(**content["decision"]), content["text"], content.get("normalised", False)
            )
        if (folder / _EARLIER_TASK_FILE).is_file():
            content = json.loads((folder / _EARLIER_TASK_FILE).read_text(encoding="utf-8"))
            single = content["single"]
            name = "single_label" if single else "multi_label"
            return cls(task_from({**content, "task": name}), Decision(None if single else content["threshold"]))
        return None


def save_model(
    classifier: Classifier, task: Task, decision: Decision, config: ExperimentConfig, folder: Path
) -> dict[str, Any]:
    """Save a classifier with what its outputs mean, if that is wanted.

    Args:
        classifier: Trained.
        task: What was asked.
        decision: How outputs become answers.
        config: ``data`` says how texts were made; ``trainer.save_model`` says whether: ``auto`` means adapters and
            heads whatever their base, and anything else up to 100 MB, merged weights too.
        folder: Of the run; ``model`` in it is made.

    Returns:
        What was saved, for the record: ``folder`` and ``bytes``; empty where nothing was.
    """
    wish = config.trainer.save_model
    partial = config.adapter.name not in ("full", "none") and not config.model.merge.folds
    if wish == "never" or (wish == "auto" and not partial and classifier.count_saved_bytes() > AUTO_BYTES):
        return {}
    target = folder / MODEL_FOLDER
    target.mkdir()
    classifier.save(target)
    Meaning(task, decision, config.data.text, bool(getattr(config.data, "normalise", False))).write(target)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    return {"folder": MODEL_FOLDER, "bytes": size}


def describe_task(task: Task) -> dict[str, Any]:
    """A task as JSON holds it."""
    types = {"types": list(task.labels.types)} if task.labels.types else {}
    return {"task": task.name, "labels": list(task.labels.names), "titles": dict(task.labels.titles), **types}


def task_from(content: Mapping[str, Any]) -> Task:
    """A task as of :func:`describe_task`."""
    labels = LabelSpace(tuple(content["labels"]), content.get("titles") or {}, types=tuple(content.get("types", ())))
    task: Task = TASKS.get(content["task"])(labels)
    return task


def write_settings(folder: Path, settings: TransformerSettings, task: Task) -> None:
    """Write what a transformer classifier was made from, with the fingerprint of its base.

    Args:
        folder: Exists.
        settings: Of its parts.
        task: What was asked.
    """
    path = Path(str(settings.model.path)).expanduser()
    base = replace(settings.model, path=str(path.resolve())) if path.is_dir() else settings.model
    table = Path(getattr(settings.head, "verbaliser", "")).expanduser()
    if table.is_file():
        (folder / _WORDS_FILE).write_bytes(table.read_bytes())
    content = {
        "fingerprint": weights.fingerprint(settings.model.path or "", settings.model.revision),
        **asdict(replace(settings, model=base)),
        "task": describe_task(task),
    }
    (folder / SETTINGS_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def read_settings(folder: Path, task: Task | None) -> tuple[TransformerSettings, Task, str]:
    """What :func:`write_settings` wrote.

    Args:
        folder: A saved classifier's.
        task: What was asked, for folders of versions that did not say.

    Returns:
        Settings, task, and the fingerprint of the base model.

    Raises:
        FileNotFoundError: The folder is of such a version, and no task is given.
    """
    content = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    if "task" in content:
        task = task_from(content["task"])
    if task is None:
        raise FileNotFoundError(f"{folder}: does not say what its outputs mean")
    head, loss = content["head"], content["loss"]
    settings = TransformerSettings(
        _model(content["model"]),
        _head(head, folder),
        _section(AdapterConfig, content["adapter"]),
        _section(TrainerConfig, content["trainer"]),
        _section(LOSSES.settings(loss["name"]) or LossConfig, loss),
        bool(content.get("curriculum")),
    )
    return settings, task, content["fingerprint"]


def _model(content: Mapping[str, Any]) -> ModelConfig:
    model = _section(ModelConfig, content)
    model.merge = _section(MergeConfig, content.get("merge") or {})
    return model


def _head(content: Mapping[str, Any], folder: Path) -> HeadConfig:
    head: HeadConfig = _section(HEADS.settings(content["name"]) or HeadConfig, content)
    if hasattr(head, "verbaliser") and (folder / _WORDS_FILE).is_file():
        head.verbaliser = str(folder / _WORDS_FILE)
    if isinstance(head, PromptedHeadConfig):
        head.wording = {kind: Wording(**words) for kind, words in content["wording"].items()}
    return head


def write_head_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write what a head took from its training documents, if it did.

    Args:
        folder: Exists.
        state: As JSON holds it.
    """
    if state:
        (folder / HEAD_FILE).write_text(json.dumps(state, indent=1, ensure_ascii=False), encoding="utf-8")


def read_head_state(folder: Path) -> dict[str, Any]:
    """What :func:`write_head_state` wrote; empty where there was nothing."""
    path = folder / HEAD_FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _section(kind: type[T], content: Mapping[str, Any]) -> T:
    """A dataclass of what it knows of a saved section."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    earlier = "attn_implementation" in known and "attn_implementation" not in content
    renamed = {"attention": "attn_implementation"} if earlier else {}
    return kind(**{renamed.get(n, n): value for n, value in content.items() if renamed.get(n, n) in known})
