"""MASSIVE: utterances to an assistant with an intent each, and words tagged by the slots that they fill.

The layout is that of FitzGerald et al. 2022 (https://arxiv.org/abs/2204.08582): a file of JSON lines a locale, slots
annotated as ``[name : words]`` inside the utterance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from patentlab.config import DataConfig, RequestError
from patentlab.config.registry import SOURCES
from patentlab.corpus import OUTSIDE, Corpus
from patentlab.data.sources import Source
from patentlab.data.sources.jsonl import file_fingerprint, json_rows
from patentlab.data.sources.rows import BadRowError, Row, read_rows, text_of

_SLOT = re.compile(r"\[([^\[\]:]*) : ([^\[\]]*)\]")


@dataclass
class MassiveConfig(DataConfig):
    """Settings of ``data=massive``.

    Attributes:
        locale: The file of the folder.
        label: The field with the one label of an utterance: its intent, or the coarser scenario.
    """

    locale: str = "en-US"
    label: str = "intent"
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
    words, tags = tagged_words(text_of(row, "annot_utt"))
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


def tagged_words(annotated: str) -> tuple[list[str], list[str]]:
    """Words of an annotated utterance, and their tags.

    Args:
        annotated: With slots as ``[name : words]``; what stands beside a bracket without white space belongs to its
            word.

    Returns:
        Words, and as many tags (IOB2).

    Raises:
        BadRowError: A bracket does not close, or is no slot.
    """
    plain, spans, end = "", [], 0
    for match in _SLOT.finditer(annotated):
        plain += annotated[end : match.start()]
        spans.append((len(plain), len(plain) + len(match[2].strip()), match[1].strip()))
        plain += match[2].strip()
        end = match.end()
    plain += annotated[end:]
    if wrong := re.search(r"[\[\]]", plain):
        raise BadRowError(f"annot_utt has a bracket that is no slot [name : words]: {plain[wrong.start() :]!r:.40}")
    if any(start == stop or not name for start, stop, name in spans):
        raise BadRowError(f"annot_utt has a slot without name or words: {annotated!r:.80}")
    words, tags, last = [], [], -1
    for word in re.finditer(r"\S+", plain):
        at = next((n for n, (start, stop, _) in enumerate(spans) if word.start() < stop and word.end() > start), -1)
        tags.append(OUTSIDE if at < 0 else f"{'I' if at == last else 'B'}-{spans[at][2]}")
        words.append(word[0])
        last = at
    return words, tags


SOURCES.add("massive", settings=MassiveConfig)(Source(read, fingerprint, split=True, tags=True, one_label=True))
