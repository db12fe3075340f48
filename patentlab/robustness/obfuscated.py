"""Detection of injected instructions that are written otherwise, or come from elsewhere; and its false alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from patentlab.config import DataConfig, ExperimentConfig, ObfuscatedConfig, RequestError
from patentlab.config.registry import EVALUATIONS, OBFUSCATIONS, SOURCES
from patentlab.corpus import Document, derive_seed
from patentlab.data.sources import Source, injection
from patentlab.data.sources.jsonl import json_rows
from patentlab.data.sources.rows import BadRowError, text_of
from patentlab.evaluation import detection
from patentlab.protocols import Progress
from patentlab.robustness import Rates, Trained
from patentlab.tasks import Decision

_RATES = ("recall", "false_alarms")
_SHOWN = [*(rate + end for rate in _RATES for end in ("", "_low", "_high")), "average_precision"]


@EVALUATIONS.add("obfuscated", settings=ObfuscatedConfig)
def obfuscated(config: ExperimentConfig, trained: Trained, progress: Progress) -> dict[str, dict[str, Any]]:
    """Test documents under each obfuscation, and files of prompts.

    Args:
        config: ``data`` rewrites its documents; ``evaluate`` names obfuscations and files.
        trained: Of two labels.
        progress: Shows how far it is.

    Returns:
        ``test_under``: rates and average precision by obfuscation, at the threshold of validation documents as they
        are. With ``evaluate.transfer`` also ``transfer``: recall and false alarms by file (and by field, as
        ``notinject.Common Queries``) at that threshold, and ``recalibrated``: at one that lets 1% of other benign
        prompts through.

    Raises:
        RequestError: A file is missing or broken.
    """
    further = config.evaluate
    assert isinstance(further, ObfuscatedConfig)
    source: Source = SOURCES.get(config.data.name)
    assert source.rewritten is not None  # checked before anything ran
    found: dict[str, dict[str, Any]] = {"test_under": {}}
    for name in further.obfuscations if further.obfuscations is not None else OBFUSCATIONS.names():
        documents = source.rewritten(config.data, trained.test, name)
        outputs = trained.classifier.predict([document.text for document in documents], progress)
        targets = trained.task.encode(documents).targets
        measured = trained.task.evaluate(targets, outputs, trained.decision)
        found["test_under"][name] = {metric: measured[metric] for metric in _SHOWN if metric in measured}
    if further.transfer is not None:
        found |= _transferred(config, further, trained, progress)
    return found


def _transferred(
    config: ExperimentConfig, further: ObfuscatedConfig, trained: Trained, progress: Progress
) -> dict[str, dict[str, Any]]:
    scores: dict[str, np.ndarray] = {}
    texts = dict(_texts(further, config.data))
    for name, documents in texts.items():
        outputs = trained.classifier.predict([document.text for document in documents], progress)
        scores[name] = np.asarray(outputs[:, 1], dtype=np.float64)
    found: dict[str, dict[str, Any]] = {"transfer": _measured(texts, scores, trained)}
    if further.calibrated_on is None:
        return found
    documents, own_scores = texts[further.calibrated_on], scores[further.calibrated_on]
    rows = np.array([injection.BENIGN in document.labels for document in documents])
    benign, held = own_scores[rows], [one for one, is_benign in zip(documents, rows, strict=True) if is_benign]
    half = np.random.default_rng(derive_seed(config.seed_of("split"), "calibrated")).permutation(len(benign))
    first, rest = half[: (len(half) + 1) // 2], np.sort(half[(len(half) + 1) // 2 :])
    own = Decision(detection.threshold_at(benign[first]))
    texts[further.calibrated_on], scores[further.calibrated_on] = [held[row] for row in rest], benign[rest]
    found["recalibrated"] = _measured(texts, scores, replace(trained, decision=own))
    return found


def _measured(
    texts: Mapping[str, Sequence[Document]], scores: Mapping[str, np.ndarray], trained: Trained
) -> dict[str, Rates]:
    alarm, threshold = trained.task.labels.names[1], trained.decision.threshold
    found = {}
    for name, documents in texts.items():
        positive = np.array([alarm in document.labels for document in documents], dtype=np.bool_)
        raised = scores[name] >= (0.5 if threshold is None else threshold)
        found[name] = detection.rates(raised, positive)
        # where a file has both, what ranks them needs no threshold
        if positive.any() and not positive.all():
            from sklearn.metrics import roc_auc_score

            found[name]["roc_auc"] = float(roc_auc_score(positive, scores[name]))
    return found


def transfer_files(further: ObfuscatedConfig) -> list[Path]:
    """The files that are measured too, each read once, so that what is wrong in them is told before a run begins.

    Args:
        further: ``transfer``, ``calibrated_on`` and ``by``.

    Raises:
        RequestError: There are none, one is broken, or the one that a threshold comes from is not among them.
    """
    folder = Path(str(further.transfer)).expanduser()
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise RequestError(f"evaluate.transfer={folder}: no *.jsonl in it")
    for path in paths:
        rows = [row for _, row in _rows(path)]
        column = further.by.get(path.stem)
        if column is not None and not any(column in row for row in rows):
            raise RequestError(f"evaluate.by.{path.stem}={column}: {path} has no such field")
        if path.stem == further.calibrated_on and not any(row["label"] == injection.BENIGN for row in rows):
            raise RequestError(f"evaluate.calibrated_on={path.stem}: {path} has no benign texts")
    if further.calibrated_on is not None and further.calibrated_on not in {path.stem for path in paths}:
        raise RequestError(
            f"evaluate.calibrated_on={further.calibrated_on}: {folder} has no such file; name one of "
            f"{', '.join(path.stem for path in paths)}, or set it to null"
        )
    return paths


def _texts(further: ObfuscatedConfig, config: DataConfig) -> Iterator[tuple[str, list[Document]]]:
    """Documents by file, and by field where ``evaluate.by`` names one."""
    for path in transfer_files(further):
        rows = [(injection.plain(config, document), row) for document, row in _rows(path)]
        documents = [document for document, _ in rows]
        if path.stem in further.payloads:
            yield path.stem, injection.carried(config, [document for document, _ in _rows(path)])
            continue
        yield path.stem, documents
        if (column := further.by.get(path.stem)) is not None:
            for value in sorted({str(row.get(column)) for _, row in rows}):
                yield f"{path.stem}.{value}", [one for one, row in rows if str(row.get(column)) == value]


def _rows(path: Path) -> Iterator[tuple[Document, Mapping[str, Any]]]:
    for where, row in json_rows(path, "utf-8"):
        try:
            if isinstance(row, BadRowError):
                raise row
            text, label = text_of(row, "text"), text_of(row, "label")
            if label not in injection.LABELS:
                raise BadRowError(f"label is {label!r}; wanted are {' and '.join(injection.LABELS)}")
        except BadRowError as problem:
            raise RequestError(f"{where}: {problem}") from None
        yield Document(where, text, (label,)), row
