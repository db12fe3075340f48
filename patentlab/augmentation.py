"""A run's training set: real documents of the regime, what the strategy adds, and how close that is to real text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from patentlab.classifiers.label_consistency import Judge
from patentlab.config import UNMIXED, ExperimentConfig
from patentlab.corpus import Document, LabelSpace, derive_seed, is_real
from patentlab.data.masking import name_overlap
from patentlab.data.splits import Split
from patentlab.fidelity import measures as fidelity
from patentlab.mixing.plan import Plan, mix, plan_mixture
from patentlab.protocols import Progress
from patentlab.synthesis.production import Agrees, Synthetic, synthesise
from patentlab.synthesis.strategies import RESAMPLING

REFERENCE_SIZE = 500  # real documents that synthetic ones are compared with
_PERMUTATIONS = 999


@dataclass(frozen=True)
class TrainingSet:
    """What a run learns from.

    Attributes:
        documents: Real and added ones, in random order.
        plan: The counts that were asked for, those included that strategies without additions leave out.
        synthetic: How generated documents came about, where there are any.
    """

    documents: tuple[Document, ...]
    plan: Plan
    synthetic: Synthetic | None = None

    @property
    def added(self) -> list[Document]:
        """The documents that are not real."""
        return [document for document in self.documents if not is_real(document)]

    @property
    def achieved_share(self) -> float:
        """The share of real documents."""
        return 1 - len(self.added) / len(self.documents)


def make_training_set(
    config: ExperimentConfig, real: Sequence[Document], split: Split, labels: LabelSpace, progress: Progress
) -> TrainingSet:
    """Mix real documents with those that the configured strategy adds.

    Args:
        config: Composed and checked.
        real: Documents of the regime.
        split: Validation and test documents, which nothing added may copy.
        labels: The label space.
        progress: Shows what is generated.

    Returns:
        The training set.

    Raises:
        RequestError: The mix cannot be had.
    """
    plan = plan_mixture(len(real), config.mix)
    name = config.strategy_used
    if name in UNMIXED:
        return TrainingSet(mix(real, Plan(plan.real, 0), None, labels, config.seed), plan)
    if name in RESAMPLING:
        seed = derive_seed(config.seed, "synthesis")
        documents = mix(real, plan, lambda chosen, count: RESAMPLING[name](chosen, count, seed), labels, config.seed)
        return TrainingSet(documents, plan)
    made: list[Synthetic] = []

    def add(chosen: Sequence[Document], count: int) -> tuple[Document, ...]:
        sources = chosen if config.strategy.sources == "mixture" else real
        made.append(generate(config, sources, real, split, labels, count, progress))
        return made[0].documents

    documents = mix(real, plan, add, labels, config.seed)
    return TrainingSet(documents, plan, made[0] if made else None)


def generate(
    config: ExperimentConfig,
    sources: Sequence[Document],
    real: Sequence[Document],
    split: Split,
    labels: LabelSpace,
    count: int,
    progress: Progress,
) -> Synthetic:
    """Documents of the configured generator, screened against all real ones of the run.

    Args:
        config: Composed and checked.
        sources: Real training documents that prompts are made of.
        real: All documents of the regime, ``sources`` among them.
        split: Validation and test documents.
        labels: The label space.
        count: Documents wanted.
        progress: Shows them coming.

    Returns:
        The documents and how they came about.

    Raises:
        RequestError: Too few passed, or the generator cannot be had.
    """
    sets = {"train": real, "validation": split.validation, "test": split.test}
    agrees: Agrees | None = None
    if config.mix.ordering == "filtered":
        agrees = _agreement(Judge(real, labels, config.seed), config.mix.agreement or 0.0)
    return synthesise(config, sources, sets, labels, count, progress, agrees)


def measure_fidelity(
    added: Sequence[Document],
    pool: Sequence[Document],
    labels: LabelSpace,
    seed: int,
    embed: Callable[[Sequence[str]], np.ndarray],
) -> dict[str, float]:
    """How close added documents are to real ones.

    All vectors are compared with the same sample of the whole real training pool, at equal sizes and with the kernel's
    bandwidth fixed on that sample, so that values compare across regimes and generators.

    Args:
        added: Added documents; with fewer than two there is nothing to measure.
        pool: The whole real training pool.
        labels: The label space.
        seed: Of the sample and of the permutations.
        embed: Texts → vectors.

    Returns:
        ``mmd2`` with ``mmd2_p``, ``frechet``, how many documents were compared, lexical measures, ``label_consistency``
        (of a classifier trained on the pool), lengths, and the lexical ones of as many real documents beside them.
    """
    if len(added) < 2:
        return {}
    order = np.random.default_rng(derive_seed(seed, "fidelity")).permutation(len(pool))
    reference = [pool[position] for position in order[:REFERENCE_SIZE]]
    size = min(len(added), len(reference))
    if size < 2:
        return {}
    real_vectors = embed([document.text for document in reference])
    bandwidth = fidelity.median_bandwidth(real_vectors)
    vectors = embed([document.text for document in added[:size]])
    value, p = fidelity.mmd2_test(vectors, real_vectors[:size], bandwidth, _PERMUTATIONS, derive_seed(seed, "deals"))
    judge = Judge(pool, labels, seed)
    texts, real_texts = [document.text for document in added], [document.text for document in reference[:size]]
    lengths = np.array([len(text.split()) for text in texts])
    measured = {
        "mmd2": value,
        "mmd2_p": p,
        "bandwidth": bandwidth,
        "frechet": fidelity.frechet_distance(vectors, real_vectors[:size]),
        "compared": float(size),
        "label_consistency": float(np.mean(judge.agreement(added))),
        "words_mean": float(lengths.mean()),
        "words_sd": float(lengths.std()),
    }
    if all(document.origin in RESAMPLING for document in added):
        # they stand in the pool themselves: no independent sample, and the classifier knows them
        del measured["mmd2_p"], measured["label_consistency"]
    for prefix, held in (("", texts[:size]), ("real_", real_texts)):
        measured |= {
            f"{prefix}distinct_1": fidelity.distinct_n(held, 1),
            f"{prefix}distinct_2": fidelity.distinct_n(held, 2),
            f"{prefix}self_overlap": fidelity.self_overlap(held),
            f"{prefix}compression_ratio": fidelity.compression_ratio(held),
        }
    return measured


def label_table(documents: Sequence[Document], labels: LabelSpace) -> pd.DataFrame:
    """How often each label occurs in the real and in the added part of a training set, and how far texts name it.

    Args:
        documents: Of the training set.
        labels: The label space.

    Returns:
        A row a label: ``label, real, added`` count documents; ``real_named, added_named`` are the mean shares of the
        words of the label's name that stand in them.
    """
    rows = []
    for label in labels.names:
        row: dict[str, Any] = {"label": label}
        for part, wanted in (("real", True), ("added", False)):
            held = [document for document in documents if label in document.labels and is_real(document) == wanted]
            row[part] = len(held)
            row[f"{part}_named"] = _mean(name_overlap(document, label, labels) for document in held)
        rows.append(row)
    return pd.DataFrame(rows)[["label", "real", "added", "real_named", "added_named"]]


def naming(documents: Sequence[Document], labels: LabelSpace) -> float | None:
    """How far documents call their labels by name: the mean share of name words, over all their labels."""
    return _mean(name_overlap(document, label, labels) for document in documents for label in document.labels)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def cardinality(documents: Sequence[Document]) -> float | None:
    """Labels a document on average; None without documents."""
    return sum(len(document.labels) for document in documents) / len(documents) if documents else None


def step_matched(config: ExperimentConfig, plan: Plan, steps: Callable[[int], int]) -> ExperimentConfig:
    """The settings of a run on real documents alone that takes as many optimiser steps as one on the whole mix would.

    Args:
        config: Of a run with ``strategy=step_matched``; others are returned as they are, as are models without steps.
        plan: Of the whole mix.
        steps: Documents → optimiser steps.

    Returns:
        Settings with ``max_steps`` in place of epochs, and without early stopping, which would end them before.
    """
    if config.strategy_used != "step_matched" or config.model.kind != "transformer":
        return config
    count = steps(plan.real + plan.added)
    return replace(
        config, trainer=replace(config.trainer, epochs=None, max_steps=count, max_examples=None, patience=None)
    )


def _agreement(judge: Judge, least: float) -> Agrees:
    return lambda document: judge.agreement([document])[0] >= least
