"""A quick classifier that judges documents by their labels: TF-IDF, trained on real documents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from patentlab.config import TfidfConfig
from patentlab.corpus import Document, LabelSpace
from patentlab.models.baselines import TfidfLinearClassifier
from patentlab.protocols import Observer, Silent
from patentlab.tasks.documents import MultiLabel

# it has no validation documents to choose by, and is the same judge for every corpus
_SETTINGS = TfidfConfig(1, 1, sublinear_tf=True, class_weight="balanced", inverse_regularisation=10.0)


class Judge:
    """Says how far labels agree with what a classifier would give.

    Args:
        real: Real documents that it learns from.
        labels: Their label space.
        seed: Of the fit.

    """

    def __init__(self, real: Sequence[Document], labels: LabelSpace, seed: int) -> None:
        examples = MultiLabel(labels).encode(real)
        self.labels = labels
        self._classifier = TfidfLinearClassifier(_SETTINGS)
        self._classifier.fit(examples, examples, Observer(lambda targets, scores: {}), seed)

    def agreement(self, documents: Sequence[Document]) -> list[float]:
        """Of each document, the share of its labels that are among the classifier's first, as many as it has.

        Args:
            documents: Any number.

        Returns:
            From 0 to 1 each.
        """
        if not documents:
            return []
        scores = self._classifier.predict([document.text for document in documents], Silent())
        targets = self.labels.encode(documents).astype(bool)
        ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
        counts = targets.sum(axis=1)
        return [float((row[own] < count).mean()) for row, own, count in zip(ranks, targets, counts, strict=True)]
