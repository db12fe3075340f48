"""Several data sets in one: their labels and types are told apart by the name of the part before them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from patentlab.config import DataConfig, RequestError, UnionConfig
from patentlab.config.registry import SOURCES, TASKS
from patentlab.corpus import OUTSIDE, PART_END, Corpus, Document, LabelSpace
from patentlab.data.sources import Source, data_fingerprint, read_corpus

T = TypeVar("T")


def read(config: DataConfig) -> Corpus:
    """Read all parts.

    Args:
        config: ``parts`` is used.

    Returns:
        One corpus, as of :func:`united`.

    Raises:
        RequestError: Of a part; it is named.
    """
    assert isinstance(config, UnionConfig)
    return united(each_part(config, read_corpus), config)


def fingerprint(config: DataConfig) -> str:
    """SHA-256 of the parts' names and fingerprints."""
    assert isinstance(config, UnionConfig)
    found = each_part(config, data_fingerprint)
    return hashlib.sha256("".join(f"{name}\0{one}\0" for name, one in found.items()).encode()).hexdigest()


def each_part(config: UnionConfig, call: Callable[[DataConfig], T]) -> dict[str, T]:
    """What becomes of each part.

    Args:
        config: Of the union.
        call: Given the settings of a part.

    Returns:
        By the part's name, sorted.

    Raises:
        RequestError: Of a part; it is named.
    """
    found = {}
    for name, part in sorted(config.parts.items()):
        try:
            found[name] = call(part)
        except RequestError as error:
            raise RequestError(*(f"data.parts.{name}: {problem}" for problem in error.problems)) from error
    return found


def united(corpora: Mapping[str, Corpus], config: UnionConfig) -> Corpus:
    """One corpus of several.

    Args:
        corpora: By part.
        config: Says what each is asked.

    Returns:
        Labels are called ``part/label``, and types of tagged words, and ids of documents, likewise. ``dropped`` has
        the counts of each part under its name.
    """
    documents: list[Document] = []
    names, types = list[str](), list[str]()
    titles, coarse = dict[str, str](), dict[str, str]()
    dropped: dict[str, int] = {}
    for part, corpus in corpora.items():
        labelled = TASKS.get(config.parts[part].task).labels_documents
        documents += (of_part(document, part, labelled=labelled) for document in corpus.documents)
        (names if labelled else types).extend(_of(part, name) for name in corpus.labels.names)
        types += (_of(part, name) for name in corpus.labels.types)
        titles |= {_of(part, name): title for name, title in corpus.labels.titles.items()}
        coarse |= {_of(part, name): title for name, title in corpus.labels.coarse.items()}
        dropped |= {f"{part}_{reason}": count for reason, count in corpus.dropped.items()}
    labels = LabelSpace(tuple(sorted(names)), titles, coarse, tuple(sorted(types)))
    return Corpus(tuple(documents), labels, dropped, frozenset().union(*(corpus.sets for corpus in corpora.values())))


def of_part(document: Document, part: str, *, labelled: bool) -> Document:
    """A document as it stands in a union.

    Args:
        document: Of a part.
        part: Its name.
        labelled: Whether documents have labels there; else those that they have are types of their tags.
    """
    return replace(
        document,
        id=_of(part, document.id),
        labels=tuple(_of(part, label) for label in document.labels) if labelled else (),
        tags=tuple(tag if tag == OUTSIDE else f"{tag[:2]}{_of(part, tag[2:])}" for tag in document.tags),
        part=part,
    )


def _of(part: str, name: str) -> str:
    return f"{part}{PART_END}{name}"


SOURCES.add("union", settings=UnionConfig)(Source(read, fingerprint, split=True, tags=True))
