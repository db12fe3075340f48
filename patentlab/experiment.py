"""One experiment from top to bottom."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd
import yaml

from patentlab.config import ExperimentConfig, RequestError
from patentlab.corpus import Document, Examples, LabelSpace, derive_seed, fingerprint
from patentlab.data.regimes import keep_part
from patentlab.data.sources import data_fingerprint, read_corpus
from patentlab.data.splits import split_corpus
from patentlab.evaluation.classification import (
    DEFAULT_THRESHOLD,
    choose_threshold,
    decide,
    evaluate,
    per_label,
)
from patentlab.mixing import is_real, mix, plan_mixture
from patentlab.models.backbones import backbone_fingerprint
from patentlab.protocols import Observer, Progress, Scores, Targets
from patentlab.synthesis.strategies import get_strategy
from patentlab.tracking.identity import run_key
from patentlab.tracking.mlflow import Mirror
from patentlab.tracking.record import Record, installed_versions, machine, peak_memory
from patentlab.training.classifiers import build_classifier


def run_experiment(config: ExperimentConfig, folder: Path, progress: Progress) -> Record:
    """Run one experiment and leave everything about it in a folder.

    Args:
        config: Composed and checked.
        folder: Exists; gets ``result.json``, ``config.yaml``, ``history.csv``, ``per_label.csv``,
            ``predictions.parquet`` and, where asked for, ``model/``.
        progress: Where long steps report.

    Returns:
        The finished record.

    Raises:
        RequestError: What was asked for cannot be done; nothing was written unless training had begun.
        Exception: Anything else; the record says failed, with the error.
    """
    clock = Clock()
    record = Record("", config.choices)
    mirror = Mirror(config.tracking)
    with _recorded(record, folder, mirror, config) as begin:
        with clock("data"):
            fingerprints = {"data": data_fingerprint(config.data)}
            if config.model.kind == "transformer":
                fingerprints["model"] = backbone_fingerprint(config.model)
            record.key = run_key(config, fingerprints)
            corpus = read_corpus(config.data)
            split = split_corpus(corpus, config.data.split, derive_seed(config.seed, "split"))
            real = keep_part(split.pool, corpus.labels, config.regime.divisor, derive_seed(config.seed, "regime"))
            plan = plan_mixture(len(real), config.mix)
            strategy = get_strategy(config.strategy) if plan.added else None
            documents = mix(real, plan, strategy, config.seed)
            sets = {"train": documents, "validation": split.validation, "test": split.test}
            train, validation, test = (Examples.of(held, corpus.labels) for held in sets.values())
        record.fingerprints = fingerprints | {name: fingerprint(held) for name, held in sets.items()}
        record.counts = {
            **{name: len(held) for name, held in sets.items()},
            "pool": len(split.pool),
            "regime": len(real),
            "real": sum(is_real(document) for document in documents),
            "synthetic": sum(not is_real(document) for document in documents),
            "requested_share": config.mix.real_share,
            "achieved_share": plan.share,
            "labels": len(corpus.labels),
            "labels_in_train": int(train.targets.any(axis=0).sum()),
            **corpus.dropped,
        }
        with clock("model"):
            classifier = build_classifier(config, corpus.labels, config.seed, progress)
        begin()

        history: list[dict[str, float]] = []

        def keep(row: dict[str, float]) -> None:
            history.append(row)
            mirror.epoch(row)

        measure = partial(_measure_at_best, monitor=config.trainer.monitor, single=corpus.labels.single)
        with clock("training"):
            report = classifier.fit(train, validation, Observer(measure, progress, keep), config.seed)
        with clock("evaluation"):
            scores = {
                name: classifier.predict(examples.texts, progress)
                for name, examples in (("validation", validation), ("test", test))
            }
            single = corpus.labels.single
            threshold = (
                DEFAULT_THRESHOLD
                if single
                else choose_threshold(validation.targets, scores["validation"], config.trainer.monitor)
            )
            record.metrics = {
                name: evaluate(examples.targets, scores[name], threshold, single)
                for name, examples in (("validation", validation), ("test", test))
            }
            if not single:
                record.metrics["test_at_0.5"] = evaluate(test.targets, scores["test"], DEFAULT_THRESHOLD, single)
                record.threshold = threshold
        parameters = classifier.count_parameters()
        record.parameters = {"trained": parameters.trained, "total": parameters.total}
        record.training = {
            "optimiser_steps": report.optimiser_steps,
            "examples_seen": report.examples_seen,
            "best_epoch": report.best_epoch,
            "epochs": len(report.history) or None,
        }
        pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
        _write_predictions(folder, split.validation, split.test, corpus.labels, scores, threshold)
        decisions = decide(scores["test"], threshold, single)
        per_label(test.targets, decisions, corpus.labels.names).to_csv(folder / "per_label.csv", index=False)
        if _is_to_be_saved(config):
            (folder / "model").mkdir()
            classifier.save(folder / "model")
            labels = {"labels": corpus.labels.names, "titles": dict(corpus.labels.titles), "single": single}
            (folder / "model" / "labels.json").write_text(json.dumps(labels | {"threshold": threshold}, indent=1))
        record.timing, record.memory, record.machine = clock.total(), peak_memory(), machine()
    return record


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a stage."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)

    def total(self) -> dict[str, float]:
        """The stages so far, and the time since the clock was made."""
        return {**self.seconds, "total": round(time.perf_counter() - self.started, 3)}


@contextmanager
def _recorded(record: Record, folder: Path, mirror: Mirror, config: ExperimentConfig) -> Iterator[Callable[[], None]]:
    """Keep ``result.json`` and MLflow at the run's status: running, then finished or failed.

    Yields:
        To be called when all that the request asks for turned out to be there. A wrong request that is found out
        before leaves no trace.
    """
    settings = asdict(config)
    begun = False

    def begin() -> None:
        nonlocal begun
        begun = True
        (folder / "config.yaml").write_text(
            yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )
        record.versions = installed_versions()
        record.write(folder)
        mirror.start(record, settings, folder)

    try:
        yield begin
        record.status = "finished"
    except BaseException as error:
        if isinstance(error, RequestError) and not begun:
            raise
        if not begun:
            begin()
        record.status = "failed"
        record.error = f"{type(error).__name__}: {error}".strip()
        (folder / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
        raise
    finally:
        if begun:
            record.write(folder)
            files = (path for path in folder.iterdir() if path.is_file() and path.name != "run.log")
            mirror.finish(record, sorted(files))


def _measure_at_best(targets: Targets, scores: Scores, *, monitor: str, single: bool) -> dict[str, float]:
    threshold = DEFAULT_THRESHOLD if single else choose_threshold(targets, scores, monitor)
    return evaluate(targets, scores, threshold, single)


def _is_to_be_saved(config: ExperimentConfig) -> bool:
    wish = config.trainer.save_model
    return wish == "always" or (wish == "auto" and config.adapter.name != "full")


def _write_predictions(
    folder: Path,
    validation: tuple[Document, ...],
    test: tuple[Document, ...],
    labels: LabelSpace,
    scores: dict[str, Scores],
    threshold: float,
) -> None:
    """A row per held-out document: id, set, true and predicted labels, a score per label."""
    frames = []
    for name, documents in (("validation", validation), ("test", test)):
        predicted = labels.decode(decide(scores[name], threshold, labels.single))
        frames.append(
            pd.DataFrame(
                {
                    "id": [document.id for document in documents],
                    "set": name,
                    "labels": [list(document.labels) for document in documents],
                    "predicted": [list(names) for names in predicted],
                    "scores": list(scores[name]),
                }
            )
        )
    pd.concat(frames, ignore_index=True).to_parquet(folder / "predictions.parquet", index=False)
