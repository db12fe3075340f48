"""Baselines that are no neural network: the constant answer, and TF-IDF with logistic regression."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from patentlab.config import TfidfConfig
from patentlab.corpus import Examples
from patentlab.protocols import Observer, ParameterCounts, Progress, Scores, Targets, TrainingReport


class ConstantClassifier:
    """The label set that scores the highest micro-F1 on the training documents, for every document.

    Args:
        label_count: Labels in all.
        most: Labels of an answer; None: any number.
    """

    def __init__(self, label_count: int, most: int | None = None) -> None:
        self.most = most
        self.answer: Scores = np.zeros(label_count, dtype=np.float32)

    def fit(self, train: Examples, validation: Examples, observer: Observer, seed: int) -> TrainingReport:
        """Choose the answer; validation documents are not looked at."""
        self.answer = best_constant(train.targets, self.most)
        return TrainingReport(examples_seen=len(train.texts))

    def predict(self, texts: list[str], progress: Progress) -> Scores:
        """The answer, once per text."""
        return np.tile(self.answer, (len(texts), 1))

    def count_parameters(self) -> ParameterCounts:
        """One a label."""
        return ParameterCounts(len(self.answer), len(self.answer))

    def count_bytes(self) -> int:
        """Four a label."""
        return int(self.answer.nbytes)

    def count_saved_bytes(self) -> int:
        """The same."""
        return self.count_bytes()

    def save(self, folder: Path) -> None:
        """Save the answer as JSON."""
        content = {"answer": self.answer.tolist()}
        (folder / "constant.json").write_text(json.dumps(content), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> ConstantClassifier:
        """Load what :meth:`save` saved."""
        content = json.loads((folder / "constant.json").read_text(encoding="utf-8"))
        loaded = cls(len(content["answer"]))
        loaded.answer = np.array(content["answer"], dtype=np.float32)
        return loaded


def best_constant(targets: Targets, most: int | None = None) -> Scores:
    """The fixed label set with the highest micro-F1.

    For every size the commonest labels are best, so only those sets are compared: with k labels that occur c₁ ≥ c₂ ≥ …
    times in n documents, micro-F1 is 2 Σcᵢ / (n k + all occurrences).

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``.
        most: Labels at most; None: any number.

    Returns:
        Zeros and ones of shape ``(labels,)``.
    """
    counts = targets.sum(axis=0, dtype=np.int64)
    order = np.argsort(-counts, kind="stable")
    sizes = np.arange(1, len(counts) + 1)[:most]
    f1 = 2 * np.cumsum(counts[order])[:most] / (len(targets) * sizes + counts.sum())
    answer = np.zeros(len(counts), dtype=np.float32)
    answer[order[: int(f1.argmax()) + 1]] = 1.0
    return answer


class TfidfLinearClassifier:
    """TF-IDF and a logistic regression per label (scikit-learn).

    Args:
        config: The model's ``tfidf`` settings.
        pipeline: A fitted one, to be used in place of a new one.
    """

    def __init__(self, config: TfidfConfig, pipeline: Any = None) -> None:
        self.pipeline: Any = _new_pipeline(config) if pipeline is None else pipeline

    def fit(self, train: Examples, validation: Examples, observer: Observer, seed: int) -> TrainingReport:
        """Fit vocabulary and regressions; validation documents are not looked at."""
        with warnings.catch_warnings():
            # a label that no training document has gets the constant probability 0, as it should
            warnings.filterwarnings("ignore", message="Label not .* is present in all training examples")
            self.pipeline.fit(train.texts, train.targets)
        return TrainingReport(examples_seen=len(train.texts))

    def predict(self, texts: list[str], progress: Progress) -> Scores:
        """Each label's probability by itself, also for single-label tasks."""
        return np.asarray(self.pipeline.predict_proba(texts), dtype=np.float32)

    def count_parameters(self) -> ParameterCounts:
        """Weights and intercepts of the regressions."""
        vectorizer, regressions = self.pipeline[0], self.pipeline[1]
        count = (len(vectorizer.vocabulary_) + 1) * len(regressions.estimators_)
        return ParameterCounts(count, count)

    def count_bytes(self) -> int:
        """Of the weights and intercepts, in double precision."""
        return 8 * self.count_parameters().total

    def count_saved_bytes(self) -> int:
        """The same; the vocabulary comes on top."""
        return self.count_bytes()

    def save(self, folder: Path) -> None:
        """Save the pipeline in skops' format, which holds no code."""
        import skops.io

        skops.io.dump(self.pipeline, folder / "tfidf_linear.skops")

    @classmethod
    def load(cls, folder: Path) -> TfidfLinearClassifier:
        """Load what :meth:`save` saved."""
        import skops.io

        trusted = ["sklearn.multiclass._ConstantPredictor", "numpy.dtype"]
        return cls(TfidfConfig(), skops.io.load(folder / "tfidf_linear.skops", trusted=trusted))


def _new_pipeline(config: TfidfConfig) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, config.ngram_max), min_df=config.min_df, sublinear_tf=config.sublinear_tf),
        OneVsRestClassifier(
            LogisticRegression(C=config.inverse_regularisation, class_weight=config.class_weight, max_iter=1000)
        ),
    )
