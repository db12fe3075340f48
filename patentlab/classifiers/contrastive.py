"""Contrastive few-shot tuning: the backbone learns to compare documents, then a linear classifier reads its vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from patentlab.config import LossConfig
from patentlab.corpus import Examples
from patentlab.losses import build_loss
from patentlab.models.batching import Item
from patentlab.protocols import Choice, Observer, TrainingReport
from patentlab.training.arguments import precision
from patentlab.training.best_epoch import Known, put_weights, trainable_weights
from patentlab.training.probe import Probe, fit_probe
from patentlab.training.trainer import TrainingData, train

if TYPE_CHECKING:
    from patentlab.classifiers.transformer import TransformerClassifier


def fit_by_comparing(
    classifier: TransformerClassifier, train_set: Examples, validation: Examples, observer: Observer, seed: int
) -> TrainingReport:
    """Tune a backbone by a loss that compares vectors, and fit a regularised linear classifier on the tuned vectors.

    An epoch is judged by such a classifier too: it is fitted on the training documents' vectors as they are then, and
    measured on validation documents.

    Args:
        classifier: With a linear head; its loss compares.
        train_set: What is learned from.
        validation: Decides on the epoch to keep, on when to stop, and on the classifier's regularisation.
        observer: Measures and shows.
        seed: Of the order of batches.

    Returns:
        How it went.
    """
    network, encoder, settings = classifier.network, classifier.encoder, classifier.settings
    head, progress = classifier.head, observer.progress
    layers: Any = network.head
    reading = build_loss(LossConfig(name=classifier.task.default_loss))
    targets = [train_set.targets, validation.targets]
    reduced = precision(settings.trainer) != "fp32"

    def probe_on(vectors: Sequence[NDArray[Any]], held: NDArray[Any]) -> Probe:
        return fit_probe(vectors, [train_set.targets, held], reading, observer.measure, observer.monitor)

    def outputs(logits: Tensor, items: Sequence[Item]) -> NDArray[Any]:
        held = np.stack([item["labels"] for item in items]).astype(train_set.targets.dtype)
        vectors = [encoder.compute(train_set.texts, progress), logits.float().cpu().numpy()]
        if reduced:  # both sides are compared as they are read at last
            vectors[1] = encoder.read(items, progress)
        return probe_on(vectors, held).scores

    def readable(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Probe]:
        """Weights with those of the classifier on their vectors."""
        put_weights(network, weights)
        probe = probe_on(
            [encoder.compute(examples.texts, progress) for examples in (train_set, validation)], targets[1]
        )
        layers.start_from(probe.weight, probe.bias)
        return {**weights, **{f"head.{name}": value for name, value in trainable_weights(layers).items()}}, probe

    fallback: Known | None = None
    if settings.head.fallback:
        frozen = probe_on([encoder.vectors(e.texts, progress) for e in (train_set, validation)], targets[1])
        fallback = Known({}, frozen.metrics, frozen.scores, settings.head.fallback_margin or 0.0)
    network.head = nn.Identity()  # what is compared are vectors
    if fallback is not None:
        fallback = replace(fallback, weights=trainable_weights(network))
    items = [head.examples(examples, classifier.loss, training=True) for examples in (train_set, validation)]
    added = train_set.added if settings.curriculum else None
    report = train(
        network,
        TrainingData(items[0], items[1], targets=validation.targets, collate=head.collate, added=added),
        settings.trainer,
        classifier.loss,
        outputs,
        observer,
        classifier.seed,
        order_seed=seed,
        fallback=fallback,
    )
    network.eval()
    kept, choice = trainable_weights(network), report.choice
    if choice is not None:
        other, probe = readable(choice.weights)
        choice = Choice(choice.kept, other, probe.scores)
    kept, probe = readable(kept)
    network.head = layers
    put_weights(network, kept)
    return replace(report, validation_outputs=probe.scores, choice=choice)
