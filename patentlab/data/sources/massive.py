"""MASSIVE: utterances to an assistant with an intent each, and words tagged by the slots that they fill.

The layout is that of FitzGerald et al. 2022 (https://arxiv.org/abs/2204.08582): a file of JSON lines a locale, slots
annotated as ``[name : words]`` inside the utterance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from patentlab.config import DataConfig, RequestError
from patentlab.config.bounds import bounded
from patentlab.config.registry import SOURCES
from patentlab.corpus import Corpus
from patentlab.data.sources import Source
from patentlab.data.sources.jsonl import file_fingerprint, json_rows
from patentlab.data.sources.rows import BadRowError, Row, read_rows, text_of
from patentlab.data.tags import tagged_words


@dataclass
class MassiveConfig(DataConfig):
    """Settings of ``data=massive``.

    Attributes:
        locale: The file of the folder.
        label: The field with the one label of an utterance: its intent, or the coarser scenario.
    """

    locale: str = "en-US"
    label: str = bounded("intent", words=("intent", "scenario"))
    text: str = "utt"
    labels: str | None = "labels"
    id: str | None = "id"


def read(config: DataConfig) -> Corpus:
    """Read the utterances of a locale.

    Args:
        config: ``path`` (a folder, or a file of JSON lines), ``locale``, ``label``, ``encoding``, and what
            :func:`patentlab.data.sources.rows.read_rows` uses.

    Returns:
        The corpus, in the file's order; every document knows the set that it was published in. Where an annotation has
        other words than its utterance (a few have another spelling), the text is the annotation's, and
        ``texts_as_annotated`` counts it.

    Raises:
        RequestError: The file is missing or broken; file and line are named.
    """
    assert isinstance(config, MassiveConfig)
    path = file_of(config)
    rows = list(_rows(json_rows(path, config.encoding or "utf-8"), config))
    corpus = read_rows(rows, config, str(path))
    other = sum(not isinstance(row, BadRowError) and row["other_words"] for _, row in rows)
    return replace(corpus, dropped={**corpus.dropped, "texts_as_annotated": other})


def fingerprint(config: DataConfig) -> str:
    """SHA-256 of the file's bytes."""
    assert isinstance(config, MassiveConfig)
    return file_fingerprint(file_of(config))


def file_of(config: MassiveConfig) -> Path:
    """The file of the locale.

    Args:
        config: ``path`` and ``locale`` are used.

    Raises:
        RequestError: The folder has none; those that it has are named.
    """
    path = Path(config.path or "")
    if not path.is_dir():
        return path
    file = path / f"{config.locale}.jsonl"
    if not file.is_file():
        found = ", ".join(sorted(other.stem for other in path.glob("*.jsonl"))) or "none"
        raise RequestError(f"data.locale={config.locale}: {path} has no {file.name}; locales in it: {found}")
    return file


def _rows(rows: Iterator[Row], config: MassiveConfig) -> Iterator[Row]:
    for where, row in rows:
        if isinstance(row, BadRowError):
            yield where, row
            continue
        try:
            yield where, _row(row, config)
        except BadRowError as problem:
            yield where, problem


def _row(row: Mapping[str, Any], config: MassiveConfig) -> dict[str, Any]:
    try:
        words, tags = tagged_words(text_of(row, "annot_utt"))
    except ValueError as problem:
        raise BadRowError(f"annot_utt has {problem}") from None
    text = text_of(row, "utt")
    other_words = [word.casefold() for word in text.split()] != [word.casefold() for word in words]
    label = text_of(row, config.label)
    if not label:
        raise BadRowError(f"{config.label} is empty")
    return {
        "id": row.get("id"),
        "utt": " ".join(words) if other_words else text,
        "labels": [label],
        "other_words": other_words,
        "__tags__": tags,
        "__split__": row.get("partition"),
    }


SOURCES.add("massive", settings=MassiveConfig)(Source(read, fingerprint, split=True, tags=True, one_label=True))
