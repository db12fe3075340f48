"""One experiment from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from patentlab.classifiers.factory import build_classifier
from patentlab.classifiers.label_consistency import Judge
from patentlab.classifiers.saving import Meaning
from patentlab.config import ExperimentConfig, RequestError
from patentlab.corpus import Examples, LabelSpace, fingerprint
from patentlab.data.documents import read_documents
from patentlab.data.splits import Split
from patentlab.evaluation.retrieval import ndcg_at
from patentlab.fidelity.profile import cardinality, label_table, measure_fidelity, naming
from patentlab.figures.labels import confusion_map, f1_against_support
from patentlab.figures.saving import save
from patentlab.mixing.training_set import TrainingSet, make_training_set
from patentlab.protocols import Classifier, Embeds, Observer, Progress, TrainingReport
from patentlab.synthesis.strategies import find_strategy
from patentlab.tasks import build_task
from patentlab.tracking.identity import input_fingerprints, run_key, run_name
from patentlab.tracking.lifecycle import Clock, recorded
from patentlab.tracking.mirror import Mirror, SweepRun
from patentlab.tracking.record import Record, machine, peak_memory, reset_peak_memory
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
    clock = Clock()
    record = Record("", config.choices)
    mirror = Mirror(config.tracking, sweep)
    reset_peak_memory()
    with recorded(record, folder, mirror, config) as begin:
        with clock("data"):
            fingerprints = input_fingerprints(config)
            record.key = run_key(config, fingerprints)
            documents = read_documents(config)
            corpus, split, real = documents.corpus, documents.split, documents.real
        with clock("synthesis"):
            made = make_training_set(config, documents, progress, Judge)
            record.fidelity = _fidelity(made, split, corpus.labels, config.seed, progress)
        sets = {"train": made.documents, "validation": split.validation, "test": split.test}
        task = build_task(config, corpus.labels)
        record.main_metric = task.main_metric
        train, validation, test = (task.encode(held) for held in sets.values())
        record.fingerprints = fingerprints | {name: fingerprint(held) for name, held in sets.items()}
        record.counts = {
            **{name: len(held) for name, held in sets.items()},
            "pool": len(split.pool),
            "regime": len(real),
            "real": len(made.documents) - len(made.added),
            "synthetic": len(made.added),
            "requested_share": config.mix.real_share,
            "achieved_share": made.achieved_share,
            "real_cardinality": cardinality(made.real),
            "synthetic_cardinality": cardinality(made.added),
            "real_named": naming(made.real, corpus.labels),
            "synthetic_named": naming(made.added, corpus.labels),
            "labels": len(corpus.labels),
            "labels_in_train": len({label for document in made.documents for label in document.labels}),
            **corpus.dropped,
            **split.counts,
        }
        record.synthesis = dict(made.addition.report)
        observer = Observer(task.measure, progress, mirror.epoch, task.monitor)

        def build(settings: ExperimentConfig) -> Classifier:
            with clock("model"):
                return build_classifier(settings, task, config.seed, progress)

        def fit(classifier: Classifier) -> TrainingReport:
            begin()
            if (before := _retrieval(classifier, test, progress)) is not None:
                record.retrieval["ndcg_at_10_before"] = before
            with clock("training"):
                return classifier.fit(train, validation, observer, config.seed)

        steps = partial(trainer_steps, config=config.trainer)
        settings = find_strategy(config.strategy_used).training(config, made.plan.total, steps)
        classifier, report, trainer = fit_within_memory(settings, build, fit)
        with clock("evaluation"):
            outputs = report.validation_outputs
            if outputs is None:
                outputs = classifier.predict(validation.texts, progress)
            test_outputs = classifier.predict(test.texts, progress)
            if (after := _retrieval(classifier, test, progress)) is not None:
                record.retrieval["ndcg_at_10_after"] = after
            decision = task.choose(validation.targets, outputs)
            record.threshold = decision.threshold
            record.metrics = {
                "validation": task.evaluate(validation.targets, outputs, decision),
                "test": task.evaluate(test.targets, test_outputs, decision),
            }
            for name, reference in task.references().items():
                record.metrics[name] = task.evaluate(test.targets, test_outputs, reference)

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
        _keep_added(made, corpus.labels, folder)
        history = pd.DataFrame(report.history)
        if "train_loss" in history:
            history.insert(2, "train_loss", history.pop("train_loss"))
        history.to_csv(folder / "history.csv", index=False)
        held = {"validation": (split.validation, outputs), "test": (split.test, test_outputs)}
        predictions = []
        for name, (its, given) in held.items():
            predictions.append(table := task.predictions(its, given, decision))
            table.insert(1, "set", name)
        pd.concat(predictions, ignore_index=True).to_parquet(folder / "predictions.parquet", index=False)
        if _is_to_be_saved(config):
            (folder / "model").mkdir()
            classifier.save(folder / "model")
            Meaning(task, decision, config.data.text).write(folder / "model")
        _draw(task.tables(test.targets, test_outputs, decision), folder, run_name(record.choices))
        record.timing, record.machine = clock.total(), machine()
        record.memory = {**peak_memory(), "model_bytes": classifier.count_bytes()}
    return record


def _fidelity(made: TrainingSet, split: Split, labels: LabelSpace, seed: int, progress: Progress) -> dict[str, float]:
    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        from patentlab.models.encoder import embed_texts  # loads torch

        return embed_texts(texts, progress)

    try:
        return measure_fidelity(made.added, split.pool, labels, seed, embed, Judge)
    except RequestError as missing:  # a run is worth having without, where the embedded encoder is not installed
        progress.say(f"fidelity is not measured: {missing}")
        return {}


def _keep_added(made: TrainingSet, labels: LabelSpace, folder: Path) -> None:
    """What was added, by label and document by document."""
    label_table(made.documents, labels).to_csv(folder / "labels_in_training.csv", index=False)
    if made.addition.rows is not None:
        pd.DataFrame(made.addition.rows).to_parquet(folder / "synthetic.parquet", index=False)


def _retrieval(classifier: Classifier, test: Examples, progress: Progress) -> float | None:
    """nDCG@10 of the classifier's vectors, where it has any."""
    if not isinstance(classifier, Embeds) or not test.targets.any(axis=1).all():
        return None
    value = ndcg_at(classifier.embed(test.texts, progress), test.targets)
    return None if np.isnan(value) else value


def _draw(tables: dict[str, pd.DataFrame], folder: Path, name: str) -> None:
    """Tables and pictures of what became of each label on the test set."""
    for table, content in tables.items():
        content.to_csv(folder / f"{table}.csv", index=False)
    if {"per_label", "confusions"} <= set(tables):
        save(f1_against_support(tables["per_label"], name), folder / "per_label_f1.png")
        save(confusion_map(tables["confusions"], tables["per_label"], name), folder / "confusions.png")


def _is_to_be_saved(config: ExperimentConfig) -> bool:
    wish = config.trainer.save_model
    return wish == "always" or (wish == "auto" and config.adapter.name != "full")
