"""Baselines that are no neural network: frequencies, and TF-IDF with logistic regression."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from patentlab.config import TfidfConfig
from patentlab.corpus import Examples
from patentlab.protocols import Observer, ParameterCounts, Progress, Scores, TrainingReport
from patentlab.storage import cache_folder, digest, write_atomically

_TRIED = ("ngram_max", "class_weight", "inverse_regularisation")


class ConstantClassifier:
    """Each label's frequency among the training documents, for every document.

    A threshold makes it the best fixed label set: of every size, the commonest labels.

    Args:
        label_count: Labels in all.
    """

    def __init__(self, label_count: int) -> None:
        self.answer: Scores = np.zeros(label_count, dtype=np.float32)

    def fit(self, train: Examples, validation: Examples, observer: Observer, seed: int) -> TrainingReport:
        """Count; validation documents are not looked at."""
        self.answer = train.targets.mean(axis=0, dtype=np.float64).astype(np.float32)
        return TrainingReport(examples_seen=len(train.texts))

    def predict(self, texts: list[str], progress: Progress) -> Scores:
        """The frequencies, once per text."""
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
        """Save the frequencies as JSON."""
        content = {"answer": self.answer.tolist()}
        (folder / "constant.json").write_text(json.dumps(content), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> ConstantClassifier:
        """Load what :meth:`save` saved."""
        content = json.loads((folder / "constant.json").read_text(encoding="utf-8"))
        loaded = cls(len(content["answer"]))
        loaded.answer = np.array(content["answer"], dtype=np.float32)
        return loaded


class TfidfLinearClassifier:
    """TF-IDF and a logistic regression per label (scikit-learn).

    Args:
        config: The model's ``tfidf`` settings.
        pipeline: A fitted one, to be used in place of a new one.
    """

    def __init__(self, config: TfidfConfig, pipeline: Any = None) -> None:
        self.config = config
        self.pipeline: Any = pipeline

    def fit(self, train: Examples, validation: Examples, observer: Observer, seed: int) -> TrainingReport:
        """Fit vocabulary and regressions; where settings have several values, choose on validation documents.

        First n-grams and class weights, at the middle strength of regularisation, then the strength; of equals, the
        first. What was chosen is remembered for the same documents and settings.
        """
        grid = [self.config.tried(name) for name in _TRIED]
        chosen, self.pipeline = tuple(values[0] for values in grid), None
        if any(len(values) > 1 for values in grid):
            memory = cache_folder() / "tfidf" / f"{self._key(train, validation, observer.monitor)}.json"
            if memory.is_file():
                chosen = tuple(json.loads(memory.read_text(encoding="utf-8")))
            else:
                chosen = self._choose(grid, train, validation, observer)
                memory.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(memory, json.dumps(chosen))
        if self.pipeline is None:
            self.pipeline = self._fitted(chosen, train)
        return TrainingReport(examples_seen=len(train.texts), chosen=dict(zip(_TRIED, chosen, strict=True)))

    def _choose(
        self, grid: list[list[Any]], train: Examples, validation: Examples, observer: Observer
    ) -> tuple[Any, ...]:
        ngrams, weights, strengths = grid
        middle = strengths[len(strengths) // 2]
        best: tuple[Any, ...] = ()
        score = -math.inf
        with observer.progress.task("choosing settings", len(ngrams) * len(weights) + len(strengths) - 1) as advance:
            for first in (True, False):
                tried = [(n, w, middle) for n in ngrams for w in weights]
                if not first:
                    tried = [(*best[:2], strength) for strength in strengths if strength != middle]
                for settings in tried:
                    pipeline = self._fitted(settings, train)
                    scores = np.asarray(pipeline.predict_proba(validation.texts), dtype=np.float32)
                    reached = observer.measure(validation.targets, scores)[observer.monitor]
                    if reached > score:
                        best, score, self.pipeline = settings, reached, pipeline
                    advance(1)
        return best

    def _fitted(self, settings: tuple[Any, ...], train: Examples) -> Any:
        pipeline = _new_pipeline(self.config, *settings)
        with warnings.catch_warnings():
            # a label that no training document has gets the constant probability 0, as it should
            warnings.filterwarnings("ignore", message="Label not .* is present in all training examples")
            # as 8-bit numbers scikit-learn (1.9) would mix up the columns of more than 128 labels, without a word
            return pipeline.fit(train.texts, train.targets.astype(np.int64))

    def _key(self, train: Examples, validation: Examples, monitor: str) -> str:
        content = [(examples.texts, examples.targets.tolist()) for examples in (train, validation)]
        return digest(asdict(self.config), monitor, metadata.version("scikit-learn"), content)

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


def _new_pipeline(config: TfidfConfig, ngram_max: int, class_weight: str | None, strength: float) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, ngram_max), min_df=config.min_df, sublinear_tf=config.sublinear_tf),
        OneVsRestClassifier(LogisticRegression(C=strength, class_weight=class_weight, max_iter=1000)),
    )
