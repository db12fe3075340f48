"""The one door to every classifier: by configuration, or from a saved folder."""

from __future__ import annotations

from pathlib import Path

from patentlab.config import ExperimentConfig, TrainerConfig
from patentlab.models.baselines import ConstantClassifier, TfidfLinearClassifier
from patentlab.protocols import Classifier, Progress
from patentlab.synthesis.strategies import find_strategy
from patentlab.tasks import Task
from patentlab.training.ensemble import MEMBERS, EnsembleClassifier


def build_classifier(config: ExperimentConfig, task: Task, seed: int, progress: Progress) -> Classifier:
    """Make the classifier that a configuration describes, untrained.

    Args:
        config: Model, head, adapter, trainer and loss are used.
        task: What it is asked.
        seed: Of initial weights.
        progress: Told of a conversion.

    Returns:
        A classifier to fit.

    Raises:
        RequestError: The model cannot be had.
    """
    if config.mix.ordering == "ensemble" and find_strategy(config.strategy_used).adds:
        return EnsembleClassifier([_build(config, task, seed, progress) for _ in MEMBERS])
    return _build(config, task, seed, progress)


def training_steps(trainer: TrainerConfig, documents: int) -> int:
    """Optimiser steps of a full training run on so many documents."""
    from patentlab.training.trainer import trainer_steps  # loads torch

    return trainer_steps(documents, trainer)


def _build(config: ExperimentConfig, task: Task, seed: int, progress: Progress) -> Classifier:
    if config.model.kind == "constant":
        return ConstantClassifier(len(task.labels), 1 if task.one_label else None)
    if config.model.tfidf is not None:
        return TfidfLinearClassifier(config.model.tfidf)
    from patentlab.training.finetuning import EmbeddingClassifier  # loads torch

    return EmbeddingClassifier(
        config.model, config.head, config.adapter, config.trainer, config.loss, len(task.labels), seed, progress,
        curriculum=config.mix.ordering == "curriculum",
    )  # fmt: skip


def load_classifier(folder: Path, progress: Progress) -> Classifier:
    """Load a classifier that was saved into a folder, whichever it is.

    Args:
        folder: As given to ``save``.
        progress: Told of a conversion.

    Returns:
        A classifier that predicts as the saved one did.

    Raises:
        FileNotFoundError: Nothing was saved there.
    """
    if (folder / MEMBERS[0]).is_dir():
        return EnsembleClassifier([load_classifier(folder / member, progress) for member in MEMBERS])
    if (folder / "constant.json").is_file():
        return ConstantClassifier.load(folder)
    if (folder / "tfidf_linear.skops").is_file():
        return TfidfLinearClassifier.load(folder)
    if (folder / "settings.json").is_file():
        from patentlab.training.finetuning import EmbeddingClassifier

        return EmbeddingClassifier.load(folder, progress)
    raise FileNotFoundError(f"{folder}: no saved classifier")
