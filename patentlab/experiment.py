"""One experiment from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from patentlab.classifiers.factory import build_classifier
from patentlab.classifiers.label_consistency import Judge
from patentlab.classifiers.saving import save_model
from patentlab.config import ExperimentConfig
from patentlab.corpus import fingerprint
from patentlab.data.documents import read_documents
from patentlab.evaluation.retrieval import measure_retrieval
from patentlab.fidelity.profile import fidelity_where_possible
from patentlab.figures.labels import draw_labels
from patentlab.inference import taught
from patentlab.mixing.training_set import make_training_set
from patentlab.protocols import Classifier, Observer, Progress, TrainingReport
from patentlab.robustness import measure_also
from patentlab.synthesis.strategies import find_strategy
from patentlab.tasks import build_task
from patentlab.tracking.artifacts import write_history, write_predictions, write_training_set
from patentlab.tracking.description import count_documents, describe_cost, describe_fallback, describe_training
from patentlab.tracking.identity import input_fingerprints, run_key, run_name
from patentlab.tracking.lifecycle import Clock, recorded
from patentlab.tracking.mirror import Mirror, SweepRun
from patentlab.tracking.record import Record, peak_memory, reset_peak_memory
from patentlab.training.length import trainer_steps
from patentlab.training.memory import fit_within_memory


def run_experiment(config: ExperimentConfig, folder: Path, progress: Progress, sweep: SweepRun | None = None) -> Record:
    """Run one experiment and leave everything about it in a folder.

    Args:
        config: Composed and checked.
        folder: Exists; gets ``result.json``, ``config.yaml``, ``history.csv``, ``per_label.csv``,
            ``confusions.csv``, their pictures, ``labels_in_training.csv``, ``synthetic.parquet`` where documents were
            generated, ``predictions.parquet`` and, where asked for, ``model/``.
        progress: Where long steps report.
        sweep: That the run belongs to.

    Returns:
        The finished record.

    Raises:
        RequestError: What was asked for cannot be done; nothing was written unless training had begun.
        Exception: Anything else; the record says failed, with the error.
    """
    clock, record, mirror = Clock(), Record("", config.choices), Mirror(config.tracking, sweep)
    reset_peak_memory()
    with recorded(record, folder, mirror, config) as begin:
        with clock("data"):
            fingerprints = input_fingerprints(config)
            record.key = run_key(config, fingerprints)
            documents = read_documents(config)
            labels, split = documents.corpus.labels, documents.split
        with clock("synthesis"):
            made = make_training_set(config, documents, progress, Judge)
            embed = partial(_embed, progress=progress)
            record.fidelity = fidelity_where_possible(
                made.added, split.pool, documents.real, labels, config.seed_of("split"), embed, Judge, progress
            )
        task = build_task(config, labels)
        sets = {"train": made.documents, "validation": split.validation, "test": split.test}
        train, validation, test = (task.encode(held) for held in sets.values())
        held_out = {"validation": validation, "test": test}
        record.main_metric, record.synthesis = task.main_metric, dict(made.addition.report)
        record.fingerprints = fingerprints | {name: fingerprint(held) for name, held in sets.items()}
        record.counts = count_documents(config, documents, made)
        train = taught(train, documents, config, task, record.fingerprints, progress)
        observer = Observer(task.measure, progress, mirror.epoch, task.monitor)

        def rank(classifier: Classifier, when: str) -> None:
            record.retrieval |= measure_retrieval(classifier, test.texts, labels.encode(split.test), when, progress)

        def build(settings: ExperimentConfig) -> Classifier:
            with clock("model"):
                return build_classifier(settings, task, config.seed_of("weights"), progress)

        def fit(classifier: Classifier) -> TrainingReport:
            begin()
            rank(classifier, "before")
            with clock("training"):
                return classifier.fit(train, validation, observer, config.seed_of("batches"))

        steps, seen = partial(trainer_steps, config=config.trainer), made.plan.total + len(documents.unlabelled)
        settings = find_strategy(config.strategy_used).training(config, seen, steps)
        classifier, report, trainer = fit_within_memory(settings, build, fit)
        with clock("evaluation"):
            known = report.validation_outputs
            outputs = {"validation": classifier.predict(validation.texts, progress) if known is None else known}
            outputs["test"] = classifier.predict(test.texts, progress)
            rank(classifier, "after")
            decision = task.choose(validation.targets, outputs["validation"])
            record.threshold, record.thresholds = decision.threshold, dict(decision.thresholds)
            record.metrics |= {n: task.evaluate(held.targets, outputs[n], decision) for n, held in held_out.items()}
            record.metrics |= measure_also(config, classifier, task, decision, split.test, outputs["test"], progress)
            record.fallback = describe_fallback(classifier, report.choice, task, held_out, record.metrics, progress)
        record.parameters, record.latency = describe_cost(classifier, test.texts)
        record.training = describe_training(report, trainer, config)
        write_training_set(made, labels, folder)
        write_history(report.history, folder)
        tables = write_predictions(task, sets, outputs, test.targets, decision, folder)
        draw_labels(tables, run_name(record.choices), folder)
        record.saved = save_model(classifier, task, decision, config, folder)
        record.timing, record.memory = clock.total(), {**peak_memory(), "model_bytes": classifier.count_bytes()}
    return record


def _embed(texts: Sequence[str], progress: Progress) -> NDArray[np.float32]:
    from patentlab.models.encoder import embed_texts  # loads torch

    return embed_texts(texts, progress)
