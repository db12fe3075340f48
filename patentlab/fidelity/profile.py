"""What a corpus is like: how close to real documents, with which labels, and how far it names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patentlab.config import RequestError
from patentlab.config.registry import STRATEGIES
from patentlab.corpus import Document, LabelSpace, derive_seed, is_real
from patentlab.data.masking import name_overlap
from patentlab.fidelity import measures
from patentlab.protocols import Judging, Progress

if TYPE_CHECKING:
    import pandas as pd

Encode = Callable[[Sequence[str]], NDArray[np.floating]]
"""Texts → vectors of shape ``(texts, width)``."""

REFERENCE_SIZE = 500  # real documents that synthetic ones are compared with
_PERMUTATIONS = 999


def measure_fidelity(
    added: Sequence[Document],
    pool: Sequence[Document],
    regime: Sequence[Document],
    labels: LabelSpace,
    seed: int,
    embed: Encode,
    judging: Judging,
) -> dict[str, float]:
    """How close added documents are to real ones.

    All are compared with the same sample of the whole real training pool, and with the kernel's bandwidth fixed on that
    sample, so that values compare across regimes and generators. MMD² takes the whole sample however few were added,
    since its size does not move the estimate; the Fréchet distance, which it does move, and the lexical measures take
    as many real documents as there are added ones.

    Args:
        added: Added documents; with fewer than two there is nothing to measure.
        pool: The whole real training pool.
        regime: Those of its documents that added ones may have been made of.
        labels: The label space.
        seed: Of the sample and of the permutations.
        embed: Texts → vectors.
        judging: Makes a judge of real documents.

    Returns:
        ``mmd2`` with ``mmd2_low, mmd2_high`` (95% interval) and ``mmd2_p``, ``mmd2_half, mmd2_double`` (at half and
        twice the bandwidth), ``frechet``, how many added documents were ``compared`` with how many real ones
        (``reference``), lexical measures, ``label_consistency``
        and ``judge_documents`` (by a classifier that has learned from so many documents of the pool, none of them the
        regime's: it would know a paraphrase by its source; missing where the regime is all of the pool), lengths, and
        the lexical ones of as many real documents beside them.
    """
    if len(added) < 2:
        return {}
    order = np.random.default_rng(derive_seed(seed, "fidelity")).permutation(len(pool))
    reference = [pool[position] for position in order[:REFERENCE_SIZE]]
    size = min(len(added), len(reference))
    if size < 2:
        return {}
    real_vectors = embed([document.text for document in reference])
    bandwidth = measures.median_bandwidth(real_vectors)
    vectors = embed([document.text for document in added[:size]])
    value, p = measures.mmd2_test(vectors, real_vectors, bandwidth, _PERMUTATIONS, derive_seed(seed, "deals"))
    texts, real_texts = [document.text for document in added], [document.text for document in reference[:size]]
    lengths = np.array([len(text.split()) for text in texts])
    measured = {
        "mmd2": value,
        "mmd2_p": p,
        "mmd2_half": measures.mmd2(vectors, real_vectors, bandwidth / 2),
        "mmd2_double": measures.mmd2(vectors, real_vectors, bandwidth * 2),
        "bandwidth": bandwidth,
        "frechet": measures.frechet_distance(vectors, real_vectors[:size]),
        "compared": float(size),
        "reference": float(len(reference)),
        "words_mean": float(lengths.mean()),
        "words_sd": float(lengths.std()),
    }
    if size > 2:
        measured["mmd2_low"], measured["mmd2_high"] = measures.mmd2_interval(vectors, real_vectors, bandwidth)
    copying = {name for name, strategy in STRATEGIES.items() if strategy.copies}
    known = {document.id for document in regime}
    others = [document for document in pool if document.id not in known]
    if all(document.origin in copying for document in added):
        del measured["mmd2_p"]  # they stand in the pool themselves: no independent sample
    elif others:
        consistency = judging(others, labels, seed).agreement(added)
        measured |= {"label_consistency": float(np.mean(consistency)), "judge_documents": float(len(others))}
    for prefix, held in (("", texts[:size]), ("real_", real_texts)):
        measured |= {
            f"{prefix}distinct_1": measures.distinct_n(held, 1),
            f"{prefix}distinct_2": measures.distinct_n(held, 2),
            f"{prefix}self_overlap": measures.self_overlap(held),
            f"{prefix}compression_ratio": measures.compression_ratio(held),
        }
    return measured


def fidelity_where_possible(
    added: Sequence[Document],
    pool: Sequence[Document],
    regime: Sequence[Document],
    labels: LabelSpace,
    seed: int,
    embed: Encode,
    judging: Judging,
    progress: Progress,
) -> dict[str, float]:
    """As :func:`measure_fidelity`, where the encoder is installed: a corpus or a run is worth having without.

    Args:
        added: Added documents.
        pool: The whole real training pool.
        regime: Those of its documents that added ones may have been made of.
        labels: The label space.
        seed: Of the sample and of the permutations.
        embed: Texts → vectors.
        judging: Makes a judge of real documents.
        progress: Told of what is missing.

    Returns:
        The measures; none where something is missing.
    """
    try:
        return measure_fidelity(added, pool, regime, labels, seed, embed, judging)
    except RequestError as missing:
        progress.say(f"fidelity is not measured: {missing}")
        return {}


def label_table(documents: Sequence[Document], labels: LabelSpace) -> pd.DataFrame:
    """How often each label occurs in the real and in the added part of a training set, and how far texts name it.

    Args:
        documents: Of the training set.
        labels: The label space.

    Returns:
        A row a label: ``label, real, added`` count documents; ``real_named, added_named`` are the mean shares of the
        words of the label's name that stand in them.
    """
    import pandas as pd

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
