"""The fixed split into training pool, validation and test set, stratified over labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from iterstrat.ml_stratifiers import IterativeStratification
from numpy.typing import NDArray

from patentlab.config import RequestError, SplitConfig
from patentlab.corpus import Corpus, Document


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of real documents."""

    pool: tuple[Document, ...]
    validation: tuple[Document, ...]
    test: tuple[Document, ...]


def split_corpus(corpus: Corpus, config: SplitConfig, seed: int) -> Split:
    """Split by iterative stratification (Sechidis et al. 2011), which single-label corpora are a special case of.

    Documents with the same text (continuations of a patent often have it) go into the same set.

    Args:
        corpus: Any corpus.
        config: Sizes of the held-out sets, as shares or numbers; met to within a few documents.
        seed: The same seed yields the same split.

    Returns:
        The split, each set in the corpus' order.

    Raises:
        RequestError: The held-out sets leave nothing to train on.
    """
    count = len(corpus.documents)
    sizes = [size if size < 1 else size / count for size in (config.validation, config.test)]
    if sum(sizes) >= 1:
        raise RequestError(
            f"data.split: validation={config.validation:g} and test={config.test:g} leave nothing to train on, "
            f"out of {count} documents; lower them"
        )
    shares = np.array([1 - sum(sizes), *sizes])
    groups = same_text(corpus.documents)
    targets = corpus.labels.encode(corpus.documents)
    fold = stratify(np.stack([targets[group].max(axis=0) for group in groups]), shares, seed)
    place = {position: int(fold[number]) for number, group in enumerate(groups) for position in group}
    pool, validation, test = (
        tuple(document for position, document in enumerate(corpus.documents) if place[position] == index)
        for index in range(3)
    )
    if not (pool and validation and test):
        raise RequestError(f"data.split: one of the sets is empty, out of {count} documents; raise the sizes")
    return Split(pool, validation, test)


def same_text(documents: Sequence[Document]) -> list[list[int]]:
    """Positions of documents, grouped by text; case and white space do not count.

    Args:
        documents: Any documents.

    Returns:
        A list per distinct text, in order of first occurrence.
    """
    groups: dict[str, list[int]] = {}
    for position, document in enumerate(documents):
        groups.setdefault(" ".join(document.text.casefold().split()), []).append(position)
    return list(groups.values())


def stratify(targets: NDArray[np.int8], shares: NDArray[np.float64] | Sequence[float], seed: int) -> NDArray[np.int64]:
    """Assign documents to folds of given shares, so that each label is spread as the shares are.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``; every document has a label.
        shares: One number per fold, with sum 1.
        seed: Of the order and of ties.

    Returns:
        The fold of each document, shape ``(documents,)``.
    """
    # The algorithm goes through the documents in their order and draws for ties alone: unshuffled, the first ones of
    # each label would all go to the largest fold, whatever the seed.
    generator = np.random.RandomState(seed)  # what the library draws from
    order = generator.permutation(len(targets))
    folds = np.empty(len(targets), dtype=np.int64)
    folds[order] = IterativeStratification(targets[order].astype(bool), np.asarray(shares, float), generator)
    return folds
