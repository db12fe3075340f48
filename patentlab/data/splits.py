"""The fixed split into training pool, validation and test set: stratified over labels, by date, or as given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from iterstrat.ml_stratifiers import IterativeStratification
from numpy.typing import NDArray

from patentlab.config import RequestError, SplitConfig
from patentlab.corpus import SETS, Corpus, Document
from patentlab.data.audit import close_text, same_text, similar_text, together

_POOL, _VALIDATION, _TEST = range(3)
Assignment = NDArray[np.int64]
"""The set of each document: 0 the pool, 1 validation, 2 test; shape ``(documents,)``."""


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of real documents, none of which has a text that another has too, or much of one.

    Attributes:
        pool: What may be trained on.
        validation: Chooses epochs, thresholds and settings.
        test: Is measured on.
        counts: ``same_text``, ``similar_text`` and ``close_text``, documents that repeat an earlier one exactly, nearly
            or in much the same words; ``duplicates_removed``, those left out because a set with more right to them has
            their text; for given sets also ``validation_drawn_from_train`` and ``test_drawn_from_train``, if the source
            has none.
    """

    pool: tuple[Document, ...]
    validation: tuple[Document, ...]
    test: tuple[Document, ...]
    counts: Mapping[str, int] = field(default_factory=dict)


def split_corpus(corpus: Corpus, config: SplitConfig, seed: int) -> Split:
    """Split a corpus.

    Documents with the same text, nearly the same, or much the same words (continuations of a patent often have them)
    never stand in two sets. A stratified split moves them together. Splits by date and given ones leave the held-out
    sets as they are: their duplicates are taken out of the pool, and those of test documents out of the validation set
    too.

    Args:
        corpus: Any corpus.
        config: Method, sizes of the held-out sets (as shares or numbers; met to within a few documents), what is
            alike.
        seed: The same seed yields the same split.

    Returns:
        The split, each set in the corpus' order.

    Raises:
        RequestError: The held-out sets leave nothing to train on, or documents lack what the method needs.
    """
    texts = [document.text for document in corpus.documents]
    same = same_text(texts)
    similar = same if config.similarity is None else similar_text(texts, config.similarity)
    groups = similar if config.cosine is None else together(similar, close_text(texts, config.cosine))
    distinct, unlike, apart = (len(np.unique(grouping)) for grouping in (same, similar, groups))
    counts = {"same_text": len(texts) - distinct, "similar_text": distinct - unlike}
    if config.cosine is not None:
        counts["close_text"] = unlike - apart
    if config.method == "date":
        assigned = _without_duplicates(_by_date(corpus.documents, config), groups)
    elif config.method == "given":
        assigned = _without_duplicates(_as_given(corpus, groups, config, seed), groups)
    else:
        assigned = _stratified(corpus, groups, _shares(config, len(texts)), seed)
    pool, validation, test = sets = [
        tuple(document for document, index in zip(corpus.documents, assigned, strict=True) if index == number)
        for number in (_POOL, _VALIDATION, _TEST)
    ]
    empty = [name for name, held in zip(SETS, sets, strict=True) if not held]
    if empty:
        raise RequestError(
            f"data.split: the {empty[0]} set is empty, out of {len(texts)} documents, {apart} of them distinct; change "
            "data.split.validation and data.split.test, or what is taken for alike: data.split.similarity and cosine"
        )
    counts["duplicates_removed"] = int((assigned < 0).sum())
    if config.method == "given":
        for name, held in (("validation", validation), ("test", test)):
            counts[f"{name}_drawn_from_train"] = 0 if name in corpus.sets else len(held)
    return Split(pool, validation, test, counts)


def _shares(config: SplitConfig, count: int) -> tuple[float, float, float]:
    """Shares of pool, validation and test set."""
    validation, test = (size if size < 1 else size / count for size in (config.validation, config.test))
    if validation + test >= 1:
        raise RequestError(
            f"data.split: validation={config.validation:g} and test={config.test:g} leave nothing to train on, "
            f"out of {count} documents; lower them"
        )
    return 1 - validation - test, validation, test


def _stratified(corpus: Corpus, groups: NDArray[np.int64], shares: Sequence[float], seed: int) -> Assignment:
    """Iterative stratification (Sechidis et al. 2011) of groups, which carry the labels of all their documents."""
    targets = corpus.labels.encode(corpus.documents)
    of_groups = np.zeros((groups.max() + 1, targets.shape[1]), dtype=np.int8)
    np.maximum.at(of_groups, groups, targets)
    return stratify(of_groups, shares, seed)[groups]


def _by_date(documents: Sequence[Document], config: SplitConfig) -> Assignment:
    """The oldest documents are the pool, the newest the test set; a day is never cut in two."""
    undated = [document.id for document in documents if not document.date]
    if undated:
        raise RequestError(
            f"data.split.method=date: {len(undated)} of {len(documents)} documents have no date ({undated[0]} is one); "
            "name their column with data.date, or use data.split.method=stratified"
        )
    dates = np.array([document.date for document in documents])
    ordered = np.sort(dates)
    cuts = np.rint(np.cumsum(_shares(config, len(documents)))[:2] * len(documents)).astype(int)
    first_validation, first_test = ordered[np.minimum(cuts, len(ordered) - 1)]
    assigned = np.full(len(documents), _POOL, dtype=np.int64)
    assigned[dates >= first_validation] = _VALIDATION
    assigned[dates >= first_test] = _TEST
    return assigned


def _as_given(corpus: Corpus, groups: NDArray[np.int64], config: SplitConfig, seed: int) -> Assignment:
    """The source's own sets; a held-out set that it does not have is drawn from its training documents, stratified."""
    names = corpus.sets
    if not names <= set(SETS):
        raise RequestError(
            f"data.split.method=given: the source gives the sets {', '.join(sorted(map(str, names)))}; allowed are "
            f"{', '.join(SETS)}, in the column that data.split.column names"
        )
    assigned = np.array([SETS.index(document.split or "") for document in corpus.documents], dtype=np.int64)
    lost = [name for index, name in enumerate(SETS) if name in names and not (assigned == index).any()]
    if lost or SETS[_POOL] not in names:
        raise RequestError(
            f"data.split.method=given: no document of the {(lost or SETS)[0]} set is left, or the source has none; "
            "keep more labels, or use data.split.method=stratified"
        )
    sizes = {_VALIDATION: config.validation, _TEST: config.test}
    for index, size in sizes.items():
        if SETS[index] in names:
            continue
        left = np.flatnonzero(assigned == _POOL)
        share = size if size < 1 else size / max(len(left), 1)
        if share >= 1:
            raise RequestError(
                f"data.split.{SETS[index]}={size:g}: leaves nothing to train on, out of {len(left)} training documents"
            )
        part = Corpus(tuple(corpus.documents[position] for position in left), corpus.labels)
        _, own_groups = np.unique(groups[left], return_inverse=True)
        drawn = _stratified(part, own_groups, (1 - share, share), seed + index)
        assigned[left[drawn == 1]] = index
    return assigned


def _without_duplicates(assigned: Assignment, groups: NDArray[np.int64]) -> Assignment:
    """Mark as −1 what repeats a document of the test set, or a training document that repeats one held out."""
    held = np.full(groups.max() + 1, -1, dtype=np.int64)
    np.maximum.at(held, groups, assigned)
    return np.where(assigned == held[groups], assigned, -1)


def stratify(targets: NDArray[np.int8], shares: NDArray[np.float64] | Sequence[float], seed: int) -> NDArray[np.int64]:
    """Assign documents to folds of given shares, so that each label is spread as the shares are.

    Args:
        targets: Zeros and ones of shape ``(documents, labels)``; having none is spread like a label.
        shares: One number per fold, with sum 1.
        seed: Of the order and of ties.

    Returns:
        The fold of each document, shape ``(documents,)``.
    """
    # The algorithm goes through the documents in their order and draws for ties alone: unshuffled, the first ones of
    # each label would all go to the largest fold, whatever the seed.
    generator = np.random.RandomState(seed)  # what the library draws from
    order = generator.permutation(len(targets))
    if (empty := ~targets.any(axis=1)).any():
        targets = np.column_stack([targets, empty])
    folds = np.empty(len(targets), dtype=np.int64)
    folds[order] = IterativeStratification(targets[order].astype(bool), np.asarray(shares, float), generator)
    return folds
