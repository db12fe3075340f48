"""What the record says of documents, training and parameters."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patentlab.config import ExperimentConfig, TrainerConfig
from patentlab.corpus import Examples
from patentlab.data.documents import Documents
from patentlab.fidelity.profile import cardinality, naming
from patentlab.mixing.training_set import TrainingSet
from patentlab.protocols import AnswersAnew, Choice, Classifier, Progress, Replaceable, Silent, TrainingReport
from patentlab.tasks import Task
from patentlab.tracking.identity import name_of_teacher

_TIMED = {1: 8, 32: 32}  # batch size → documents


def count_documents(config: ExperimentConfig, documents: Documents, made: TrainingSet) -> dict[str, Any]:
    """``counts`` of a record.

    Args:
        config: Says what was asked for.
        documents: The real ones.
        made: The training set.

    Returns:
        Documents by set and kind, shares, labels, and what was left out on the way.
    """
    corpus, split = documents.corpus, documents.split
    alarm = corpus.labels.names[-1]
    benign = sum(alarm not in document.labels for document in split.validation)
    return {
        **({"validation_benign": benign} if config.data.task == "detection" else {}),
        "train": len(made.documents),
        "validation": len(split.validation),
        "test": len(split.test),
        "pool": len(split.pool),
        "regime": len(documents.real),
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
        **documents.unlabelled_counts,
    }


def describe_training(report: TrainingReport, used: TrainerConfig, asked: ExperimentConfig) -> dict[str, Any]:
    """``training`` of a record.

    Args:
        report: How it went.
        used: Settings that memory was enough for.
        asked: What was asked for.
    """
    teacher, merged = getattr(asked.loss, "teacher", None), asked.model.merge.runs or []
    names = [name_of_teacher(Path(folder).expanduser()) for folder in merged]
    return {
        "optimiser_steps": report.optimiser_steps,
        "examples_seen": report.examples_seen,
        "best_epoch": report.best_epoch,
        "epochs": int(report.history[-1]["epoch"]) if report.history else None,
        # smaller than asked for, and more of them, where memory ran out
        "batch_size": used.batch_size,
        "accumulation": used.accumulation,
        "requested_batch_size": asked.trainer.batch_size,
        **report.chosen,
        **({"teacher": name_of_teacher(Path(teacher).expanduser())} if teacher else {}),
        **({"merged": ", ".join(names)} if names else {}),
    }


def describe_fallback(
    classifier: Classifier,
    choice: Choice | None,
    task: Task,
    sets: Mapping[str, Examples],
    metrics: Mapping[str, Mapping[str, float]],
    progress: Progress,
) -> dict[str, Any]:
    """``fallback`` of a record.

    Args:
        classifier: Fitted.
        choice: Of its training.
        task: Judges, with decisions of the other's own.
        sets: ``validation`` and ``test``.
        metrics: Of both sets, of what was kept.
        progress: Where long steps report.

    Returns:
        ``kept`` (``tuned`` or ``probe``), and ``tuned`` and ``probe`` with all metrics by set; nothing where there was
        no probe to fall back to.
    """
    if choice is None or not isinstance(classifier, Replaceable):
        return {}
    with classifier.replaced(choice.weights):
        outputs = {name: classifier.predict(examples.texts, progress) for name, examples in sets.items()}
    if choice.outputs is not None:
        outputs["validation"] = choice.outputs
    decision = task.choose(sets["validation"].targets, outputs["validation"])
    other = {name: task.evaluate(examples.targets, outputs[name], decision) for name, examples in sets.items()}
    kept = {name: dict(metrics[name]) for name in sets}
    both = (kept, other) if choice.kept == "tuned" else (other, kept)
    return {"kept": choice.kept, "tuned": both[0], "probe": both[1]}


def describe_cost(classifier: Classifier, texts: list[str]) -> tuple[dict[str, float], dict[str, Any]]:
    """``parameters`` and ``latency`` of a record.

    Args:
        classifier: Fitted.
        texts: Of test documents; the first of them are answered again, nothing taken from a cache.

    Returns:
        Counts, and milliseconds a document: of single documents, and in batches of 32.
    """
    counts = classifier.count_parameters()
    parameters = {
        "trained": counts.trained,
        "total": counts.total,
        "trained_share": counts.trained / max(counts.total, 1),
    }
    _answer(classifier, texts[:1], 1)  # what is loaded or compiled at the first call is no one's latency
    milliseconds = {}
    for batch_size, documents in _TIMED.items():
        sample = texts[:documents]
        start = time.perf_counter()
        _answer(classifier, sample, batch_size)
        milliseconds[f"batch_{batch_size}"] = 1000 * (time.perf_counter() - start) / max(len(sample), 1)
    return parameters, {"ms_per_document": milliseconds}


def _answer(classifier: Classifier, texts: list[str], batch_size: int) -> None:
    if isinstance(classifier, AnswersAnew):
        classifier.answer_anew(texts, batch_size)
        return
    for start in range(0, len(texts), batch_size):
        classifier.predict(texts[start : start + batch_size], Silent())
