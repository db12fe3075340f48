"""One experiment from top to bottom."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pandas as pd

from patentlab.config import ExperimentConfig
from patentlab.corpus import Examples, LabelSpace, derive_seed, fingerprint
from patentlab.data.regimes import keep_part
from patentlab.data.sources import read_corpus
from patentlab.data.splits import split_corpus
from patentlab.evaluation.classification import (
    DEFAULT_THRESHOLD,
    choose_threshold,
    confusions,
    decide,
    evaluate,
    evaluate_at_best,
    per_label,
    prediction_table,
)
from patentlab.figures.labels import confusion_map, f1_against_support
from patentlab.figures.style import save
from patentlab.mixing import is_real, mix, plan_mixture
from patentlab.protocols import Classifier, Observer, Progress, Targets, TrainingReport
from patentlab.synthesis.strategies import get_strategy
from patentlab.tracking.identity import input_fingerprints, run_key
from patentlab.tracking.lifecycle import Clock, recorded
from patentlab.tracking.mlflow import Mirror, SweepRun, run_name
from patentlab.tracking.record import Record, machine, peak_memory, reset_peak_memory
from patentlab.training.classifiers import build_classifier
from patentlab.training.memory import fit_within_memory


def run_experiment(config: ExperimentConfig, folder: Path, progress: Progress, sweep: SweepRun | None = None) -> Record:
    """Run one experiment and leave everything about it in a folder.

    Args:
        config: Composed and checked.
        folder: Exists; gets ``result.json``, ``config.yaml``, ``history.csv``, ``per_label.csv``,
            ``confusions.csv``, their pictures, ``predictions.parquet`` and, where asked for, ``model/``.
        progress: Where long steps report.
        sweep: That the run belongs to.

    Returns:
        The finished record.

    Raises:
        RequestError: What was asked for cannot be done; nothing was written unless training had begun.
        Exception: Anything else; the record says failed, with the error.
    """
    clock = Clock()
    record = Record("", config.choices)
    mirror = Mirror(config.tracking, sweep)
    reset_peak_memory()
    with recorded(record, folder, mirror, config) as begin:
        with clock("data"):
            fingerprints = input_fingerprints(config)
            record.key = run_key(config, fingerprints)
            corpus = read_corpus(config.data)
            split = split_corpus(corpus, config.data.split, derive_seed(config.seed, "split"))
            real = keep_part(split.pool, corpus.labels, config.regime.divisor, derive_seed(config.seed, "regime"))
            plan = plan_mixture(len(real), config.mix)
            strategy = get_strategy(config.strategy) if plan.added else None
            record.choices["strategy"] = config.strategy.name if plan.added else "none"
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
            **split.counts,
        }
        single, monitor = corpus.labels.single, config.trainer.monitor
        observer = Observer(partial(evaluate_at_best, monitor=monitor, single=single), progress, mirror.epoch)

        def build(settings: ExperimentConfig) -> Classifier:
            with clock("model"):
                return build_classifier(settings, corpus.labels, config.seed, progress)

        def fit(classifier: Classifier) -> TrainingReport:
            begin()
            with clock("training"):
                return classifier.fit(train, validation, observer, config.seed)

        classifier, report, trainer = fit_within_memory(config, build, fit)
        with clock("evaluation"):
            validation_scores = report.validation_scores
            if validation_scores is None:
                validation_scores = classifier.predict(validation.texts, progress)
            test_scores = classifier.predict(test.texts, progress)
            threshold = choose_threshold(validation.targets, validation_scores, monitor, single)
            record.metrics = {
                "validation": evaluate(validation.targets, validation_scores, threshold, single),
                "test": evaluate(test.targets, test_scores, threshold, single),
            }
            if not single:
                record.metrics["test_at_0.5"] = evaluate(test.targets, test_scores, DEFAULT_THRESHOLD, single)
                record.threshold = threshold

        parameters = classifier.count_parameters()
        record.parameters = {
            "trained": parameters.trained,
            "total": parameters.total,
            "trained_share": parameters.trained / max(parameters.total, 1),
        }
        record.training = {
            "optimiser_steps": report.optimiser_steps,
            "examples_seen": report.examples_seen,
            "best_epoch": report.best_epoch,
            "epochs": int(report.history[-1]["epoch"]) if report.history else None,
            # smaller than asked for, and more of them, where memory ran out
            "batch_size": trainer.batch_size,
            "accumulation": trainer.accumulation,
            "requested_batch_size": config.trainer.batch_size,
        }
        history = pd.DataFrame(report.history)
        if "train_loss" in history:
            history.insert(2, "train_loss", history.pop("train_loss"))
        history.to_csv(folder / "history.csv", index=False)
        predictions = [
            prediction_table("validation", split.validation, corpus.labels, validation_scores, threshold),
            prediction_table("test", split.test, corpus.labels, test_scores, threshold),
        ]
        pd.concat(predictions, ignore_index=True).to_parquet(folder / "predictions.parquet", index=False)
        if _is_to_be_saved(config):
            _save_model(classifier, corpus.labels, threshold, folder / "model")
        _describe_labels(test.targets, decide(test_scores, threshold, single), corpus.labels, folder, record)
        record.timing, record.machine = clock.total(), machine()
        record.memory = {**peak_memory(), "model_bytes": classifier.count_bytes()}
    return record


def _describe_labels(targets: Targets, decisions: Targets, labels: LabelSpace, folder: Path, record: Record) -> None:
    """Tables and pictures of what became of each label on the test set."""
    table, mistaken = per_label(targets, decisions, labels.names), confusions(targets, decisions, labels.names)
    table.to_csv(folder / "per_label.csv", index=False)
    mistaken.to_csv(folder / "confusions.csv", index=False)
    name = run_name(record.choices)
    save(f1_against_support(table, name), folder / "per_label_f1.png")
    save(confusion_map(mistaken, table, name), folder / "confusions.png")


def _is_to_be_saved(config: ExperimentConfig) -> bool:
    wish = config.trainer.save_model
    return wish == "always" or (wish == "auto" and config.adapter.name != "full")


def _save_model(classifier: Classifier, labels: LabelSpace, threshold: float, folder: Path) -> None:
    """Save a classifier with the meaning of its columns and the threshold of its decisions."""
    folder.mkdir()
    classifier.save(folder)
    content = {"labels": labels.names, "titles": dict(labels.titles), "single": labels.single, "threshold": threshold}
    (folder / "labels.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
