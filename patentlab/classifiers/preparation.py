"""What a transformer classifier is trained on: texts, or what frozen layers make of them, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from patentlab.corpus import Examples
from patentlab.models.batching import Collate, Item, collate_features
from patentlab.models.features import Features
from patentlab.models.heads.token import collate_words
from patentlab.models.linear import FeatureClassifier
from patentlab.protocols import Observer
from patentlab.training.best_epoch import Known
from patentlab.training.probe import start_from_probe

if TYPE_CHECKING:
    from patentlab.classifiers.transformer import TransformerClassifier


@dataclass(frozen=True)
class Prepared:
    """What is trained on what: the network on texts, or the layers of its head alone on vectors.

    Attributes:
        model: That is trained.
        items: Of training and validation documents.
        collate: Makes a batch of them.
        cached: Whether they are vectors, which the backbone is not asked for again.
        fallback: What training has to beat, if anything.
    """

    model: nn.Module
    items: tuple[list[Item], list[Item]]
    collate: Collate
    cached: bool = False
    fallback: Known | None = None


def prepare(classifier: TransformerClassifier, sets: tuple[Examples, Examples], observer: Observer) -> Prepared:
    """Items of training and validation documents: vectors of frozen layers where the head needs no more of them.

    Args:
        classifier: Untrained.
        sets: Of training and validation.
        observer: Measures a probe, and shows what is computed.

    Returns:
        What to train.
    """
    head, loss, config = classifier.head, classifier.loss, classifier.settings.head
    frozen = classifier.settings.adapter.name == "frozen"
    layers: Any = classifier.network.head
    fallback: Known | None = None
    if frozen and head.reads_words:
        return _words(classifier, sets, observer)
    cached = frozen and head.pooling is not None
    model: nn.Module = FeatureClassifier(layers) if cached else classifier.network
    features: list[Features] = []
    if cached or _probed(classifier):
        features = [classifier.encoder.vectors(examples.texts, observer.progress) for examples in sets]
    if cached:
        layers.standardise(torch.from_numpy(features[0]))
    if _probed(classifier):
        known = sets[0].has_labels
        seen, targets = [features[0][known], features[1]], [sets[0].targets[known], sets[1].targets]
        fallback = start_from_probe(model, layers, config, seen, targets, loss, observer)
    if cached:
        items = [
            [{"features": row, "labels": label} for row, label in zip(vectors, encoded, strict=True)]
            for vectors, encoded in zip(features, (loss.encode_examples(examples) for examples in sets), strict=True)
        ]
        return Prepared(model, (items[0], items[1]), collate_features, cached, fallback)
    train, validation = (
        head.examples(examples, loss, training=training) for examples, training in zip(sets, (True, False), strict=True)
    )
    return Prepared(model, (train, validation), head.collate, cached, fallback)


def _probed(classifier: TransformerClassifier) -> bool:
    config = classifier.settings.head
    return classifier.head.pooling is not None and "probe" in (config.start, config.fallback)


def _words(classifier: TransformerClassifier, sets: Sequence[Examples], observer: Observer) -> Prepared:
    """Vectors of words, computed once a run."""
    layers: Any = classifier.network.head
    found: list[list[Item]] = []
    for examples, training in zip(sets, (True, False), strict=True):
        items = classifier.head.examples(examples, classifier.loss, training=training)
        vectors = classifier.word_vectors(items, observer.progress)
        found.append([{**item, "features": rows} for item, rows in zip(items, vectors, strict=True)])
    classifier.head.standardise(layers, found[0])
    return Prepared(FeatureClassifier(layers), (found[0], found[1]), collate_words, cached=True)
