"""The words that every room shares: document, corpus, label space, examples."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from patentlab.config import RequestError, closest

REAL = "real"
REPEAT = "repeat"  # a real document that a mix has once more
SETS = ("train", "validation", "test")
OUTSIDE = "O"  # the tag of a word that belongs to nothing
PART_END = "/"  # behind the name of a part, in labels, types and ids of documents of a union


@dataclass(frozen=True, slots=True)
class Document:
    """One text with its labels.

    Attributes:
        id: Unique in its corpus.
        text: What a classifier reads.
        labels: Label names; the main one first.
        origin: ``real``, or the strategy that the document comes from.
        source_id: The real document that it was made from, if any.
        date: As ``YYYY-MM-DD``, where known; of a patent the grant's.
        split: The set that the source puts it in, if it does: one of ``SETS``.
        title: With which ``text`` begins, where the source has one.
        tags: Of the words of ``text``, those between white space: ``O``, or ``B-`` or ``I-`` and a type (IOB2). Empty
            where words have none.
        part: The data set that it is of, where several are put together.
    """

    id: str
    text: str
    labels: tuple[str, ...]
    origin: str = REAL
    source_id: str | None = None
    date: str | None = None
    split: str | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    part: str | None = None


def is_real(document: Document) -> bool:
    """Whether a document counts as real in a mix."""
    return document.origin in (REAL, REPEAT)


@dataclass(frozen=True)
class LabelSpace:
    """The labels of a task, in a fixed order.

    Attributes:
        names: Sorted label names; their positions are the columns of every target and score array.
        titles: What a label stands for, where known.
        coarse: Titles of the next coarser level, where labels have one.
        types: Of tagged words, where a task asks for these and for labels of documents at once.
    """

    names: tuple[str, ...]
    titles: Mapping[str, str] = field(default_factory=dict)
    coarse: Mapping[str, str] = field(default_factory=dict)
    types: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of labels."""
        return len(self.names)

    def encode(self, documents: Sequence[Document]) -> NDArray[np.int8]:
        """Targets of documents.

        Args:
            documents: Documents whose labels all belong to this space.

        Returns:
            Zeros and ones of shape ``(documents, labels)``.

        Raises:
            KeyError: A label is not of this space.
        """
        column = {name: index for index, name in enumerate(self.names)}
        targets = np.zeros((len(documents), len(self.names)), dtype=np.int8)
        for row, document in enumerate(documents):
            for label in document.labels:
                targets[row, column[label]] = 1
        return targets

    def decode(self, predictions: NDArray[np.int8]) -> list[tuple[str, ...]]:
        """Label names of rows of zeros and ones of shape ``(documents, labels)``."""
        return [tuple(self.names[column] for column in np.flatnonzero(row)) for row in predictions]


@dataclass(frozen=True)
class Corpus:
    """Documents over one label space, with what was left out on the way.

    Attributes:
        documents: In the order of the source.
        labels: Their label space.
        dropped: Counts of what was left out, by reason.
        sets: The sets that the source puts its documents in, those that were left out included.
    """

    documents: tuple[Document, ...]
    labels: LabelSpace
    dropped: Mapping[str, int] = field(default_factory=dict)
    sets: frozenset[str | None] = frozenset()


@dataclass(frozen=True)
class Examples:
    """What a classifier learns from or is measured on.

    Attributes:
        texts: Of documents.
        targets: Of them, first axis texts, in the form that the task gives them.
        added: Which texts are added ones, shape ``(texts,)``, where that matters: for training sets.
        soft: What a teacher says of them, shape ``(texts, labels)``, where there is one.
        unlabelled: How many of the last ones have no labels, and a row of zeros as targets: those that a teacher alone
            says something of.
    """

    texts: list[str]
    targets: NDArray[Any]
    added: NDArray[np.bool_] | None = None
    soft: NDArray[np.floating] | None = None
    unlabelled: int = 0

    @property
    def has_labels(self) -> NDArray[np.bool_]:
        """Shape ``(texts,)``."""
        return np.arange(len(self.texts)) < len(self.texts) - self.unlabelled

    @property
    def labelled(self) -> Examples:
        """Those with labels."""
        return self.part(self.has_labels) if self.unlabelled else self

    def part(self, chosen: NDArray[np.bool_]) -> Examples:
        """Those that a mask of shape ``(texts,)`` chooses."""
        texts = [text for text, keep in zip(self.texts, chosen, strict=True) if keep]
        added = None if self.added is None else self.added[chosen]
        soft = None if self.soft is None else self.soft[chosen]
        return Examples(texts, self.targets[chosen], added, soft, int((chosen & ~self.has_labels).sum()))


def as_array(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """What is known of each document, in one array.

    Args:
        rows: One a document, of any shapes.

    Returns:
        First axis documents; an array of arrays where shapes differ, as those of tags do.
    """
    if len({row.shape for row in rows}) == 1:
        return np.stack(rows)
    found = np.empty(len(rows), dtype=object)
    for position, row in enumerate(rows):
        found[position] = row
    return found


def as_pairs(first: Sequence[Any], second: Sequence[Any]) -> NDArray[Any]:
    """Two things that are known of each document, in an array of two columns.

    Args:
        first: One a document.
        second: Likewise, of any shapes.

    Returns:
        Shape ``(documents, 2)``, of objects.
    """
    found = np.empty((len(first), 2), dtype=object)
    for position, pair in enumerate(zip(first, second, strict=True)):
        found[position, 0], found[position, 1] = pair
    return found


def restrict_labels(
    documents: Iterable[Document],
    *,
    min_count: int = 1,
    top_k: int | None = None,
    keep: Sequence[str] | None = None,
    one_label: bool = False,
    titles: Mapping[str, str] | None = None,
    coarse: Mapping[str, str] | None = None,
) -> Corpus:
    """Keep the labels that occur often enough, and the documents that have any of them.

    Args:
        documents: Documents of one source.
        min_count: Labels with fewer documents are dropped.
        top_k: Keep only so many labels, the commonest (ties by name).
        keep: Keep just these labels, however rare; the two bounds before do not apply.
        one_label: Keep a document's main label alone, before anything is counted.
        titles: What labels stand for.
        coarse: What the labels of the next coarser level stand for, by label.

    Returns:
        The corpus; ``dropped`` counts the labels and documents that were left out.

    Raises:
        RequestError: A label to keep does not occur.
    """
    documents = list(documents)
    if one_label:
        documents = [replace(document, labels=document.labels[:1]) for document in documents]
    counts = Counter(label for document in documents for label in document.labels)
    if keep is None:
        frequent = sorted((n for n, count in counts.items() if count >= min_count), key=lambda n: (-counts[n], n))
        kept = set(frequent[:top_k])
    elif absent := [name for name in keep if name not in counts]:
        raise RequestError(*(f"data.keep_labels: no document has the label {closest(name, counts)}" for name in absent))
    else:
        kept = set(keep)
    remaining = [
        replace(document, labels=tuple(label for label in document.labels if label in kept)) for document in documents
    ]
    labelled = tuple(document for document in remaining if document.labels)
    return Corpus(
        labelled,
        LabelSpace(tuple(sorted(kept)), _only(titles, kept), _only(coarse, kept)),
        {"labels_dropped": len(counts) - len(kept), "documents_without_label": len(documents) - len(labelled)},
        frozenset(document.split for document in documents),
    )


def restrict_types(
    documents: Iterable[Document],
    *,
    min_count: int = 1,
    top_k: int | None = None,
    keep: Sequence[str] | None = None,
    titles: Mapping[str, str] | None = None,
) -> Corpus:
    """Keep the types of tagged words that occur in enough documents, and all documents.

    Args:
        documents: Of one source, with tags.
        min_count: Types in fewer documents are dropped: their words get ``O``.
        top_k: Keep only so many types, the commonest (ties by name).
        keep: Keep just these types, however rare; the two bounds before do not apply.
        titles: What types stand for.

    Returns:
        The corpus, whose label space are the types; a document's labels are the types in it, in their order.

    Raises:
        RequestError: A type to keep does not occur.
    """
    typed = [replace(document, labels=_types(document.tags)) for document in documents]
    corpus = restrict_labels(
        [document for document in typed if document.labels],
        min_count=min_count,
        top_k=top_k,
        keep=keep,
        titles=titles,
    )
    kept = set(corpus.labels.names)
    remaining = tuple(
        replace(
            document,
            labels=tuple(label for label in document.labels if label in kept),
            tags=tuple(tag if tag[2:] in kept else OUTSIDE for tag in document.tags),
        )
        for document in typed
    )
    without = sum(not document.labels for document in remaining)
    return replace(
        corpus,
        documents=remaining,
        dropped={"labels_dropped": corpus.dropped["labels_dropped"], "documents_without_type": without},
        sets=frozenset(document.split for document in typed),
    )


def with_types(corpus: Corpus, min_count: int = 1) -> Corpus:
    """A corpus of labels whose label space has the types of tagged words too.

    Args:
        corpus: Of documents with labels and tags.
        min_count: Types in fewer documents are dropped: their words get ``O``.

    Raises:
        RequestError: There are no types.
    """
    tagged = restrict_types(corpus.documents, min_count=min_count)
    if corpus.documents and not tagged.labels:
        raise RequestError("data: no word has a tag but O")
    documents = tuple(
        replace(document, tags=other.tags) for document, other in zip(corpus.documents, tagged.documents, strict=True)
    )
    return replace(corpus, documents=documents, labels=replace(corpus.labels, types=tagged.labels.names))


def _types(tags: Sequence[str]) -> tuple[str, ...]:
    """Types of tagged words, each once."""
    return tuple(dict.fromkeys(tag[2:] for tag in tags if tag != OUTSIDE))


def _only(texts: Mapping[str, str] | None, kept: set[str]) -> dict[str, str]:
    return {name: text for name, text in (texts or {}).items() if name in kept}


def fingerprint(documents: Iterable[Document]) -> str:
    """SHA-256 over ids, texts, labels, origins and tags, in order.

    Args:
        documents: Any documents.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for document in documents:
        tags = [document.tags] if document.tags else []
        digest.update(json.dumps([document.id, document.text, document.labels, document.origin, *tags]).encode())
    return digest.hexdigest()


def derive_seed(seed: int, purpose: str) -> int:
    """A seed of its own for each purpose, so that two arms of a comparison share all but what should differ.

    Args:
        seed: The experiment's seed.
        purpose: ``split``, ``regime``, ``mixing``, ``training``, …

    Returns:
        A number below 2³² (SHA-256 of both, first four bytes).
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:4], "big")
