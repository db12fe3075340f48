"""The one door to every classifier: by configuration, or from a saved folder."""

from __future__ import annotations

from pathlib import Path

from patentlab.classifiers.ensemble import MEMBERS, EnsembleClassifier
from patentlab.classifiers.saving import SETTINGS_FILE, Meaning
from patentlab.classifiers.settings import TransformerSettings
from patentlab.config import ExperimentConfig
from patentlab.models.baselines import ConstantClassifier, TfidfLinearClassifier
from patentlab.protocols import Classifier, Progress
from patentlab.synthesis.strategies import find_strategy
from patentlab.tasks import Task


def build_classifier(config: ExperimentConfig, task: Task, seed: int, progress: Progress) -> Classifier:
    """Make the classifier that a configuration describes, untrained.

    Args:
        config: Model, head, adapter, trainer and loss are used.
        task: What it is asked.
        seed: Of initial weights and dropout.
        progress: Told of a conversion.

    Returns:
        A classifier to fit.

    Raises:
        RequestError: The model cannot be had.
    """
    if config.mix.ordering == "ensemble" and find_strategy(config.strategy_used).adds:
        return EnsembleClassifier([_build(config, task, seed, progress) for _ in MEMBERS])
    return _build(config, task, seed, progress)


def _build(config: ExperimentConfig, task: Task, seed: int, progress: Progress) -> Classifier:
    if config.model.kind == "constant":
        return ConstantClassifier(len(task.labels))
    if config.model.tfidf is not None:
        return TfidfLinearClassifier(config.model.tfidf)
    from patentlab.classifiers.transformer import TransformerClassifier  # loads torch

    return TransformerClassifier.fresh(TransformerSettings.of(config), task, seed, progress)


def load_classifier(folder: Path, progress: Progress, task: Task | None = None) -> Classifier:
    """Load a classifier that was saved into a folder, whichever it is.

    Args:
        folder: As given to ``save``.
        progress: Told of a conversion.
        task: What was asked, where neither the folder nor one above it says so.

    Returns:
        A classifier that predicts as the saved one did.

    Raises:
        FileNotFoundError: Nothing was saved there.
        RequestError: The base model of an adapter is not to be had any more.
    """
    if task is None and (meaning := Meaning.read(folder)) is not None:
        task = meaning.task
    if (folder / MEMBERS[0]).is_dir():
        return EnsembleClassifier([load_classifier(folder / member, progress, task) for member in MEMBERS])
    if (folder / "constant.json").is_file():
        return ConstantClassifier.load(folder)
    if (folder / "tfidf_linear.skops").is_file():
        return TfidfLinearClassifier.load(folder)
    if (folder / SETTINGS_FILE).is_file():
        from patentlab.classifiers.transformer import TransformerClassifier

        return TransformerClassifier.saved(folder, task, progress)
    raise FileNotFoundError(f"{folder}: no saved classifier")
