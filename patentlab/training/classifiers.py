"""The one door to every classifier: by configuration, or from a saved folder."""

from __future__ import annotations

from pathlib import Path

from patentlab.config import ExperimentConfig
from patentlab.corpus import LabelSpace
from patentlab.models.baselines import ConstantClassifier, TfidfLinearClassifier
from patentlab.protocols import Classifier, Progress


def build_classifier(config: ExperimentConfig, labels: LabelSpace, seed: int, progress: Progress) -> Classifier:
    """Make the classifier that a configuration describes, untrained.

    Args:
        config: Model, head, adapter, trainer and loss are used.
        labels: What it is to tell apart.
        seed: Of initial weights.
        progress: Told of a conversion.

    Returns:
        A classifier to fit.

    Raises:
        RequestError: The model cannot be had.
    """
    if config.model.kind == "constant":
        return ConstantClassifier(len(labels), labels.single)
    if config.model.tfidf is not None:
        return TfidfLinearClassifier(config.model.tfidf)
    from patentlab.training.finetuning import EmbeddingClassifier  # loads torch

    return EmbeddingClassifier(
        config.model, config.head, config.adapter, config.trainer, config.loss, len(labels), seed, progress
    )


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
    if (folder / "constant.json").is_file():
        return ConstantClassifier.load(folder)
    if (folder / "tfidf_linear.skops").is_file():
        return TfidfLinearClassifier.load(folder)
    if (folder / "settings.json").is_file():
        from patentlab.training.finetuning import EmbeddingClassifier

        return EmbeddingClassifier.load(folder, progress)
    raise FileNotFoundError(f"{folder}: no saved classifier")
