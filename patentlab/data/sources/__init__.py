"""A file a format: each has ``read(config) -> Corpus`` and ``fingerprint(config) -> str``."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from patentlab.config import DataConfig, RequestError
from patentlab.corpus import Corpus
from patentlab.data.masking import mask_names
from patentlab.data.sources import csv_table, demo, hub, jsonl, patentsview
from patentlab.data.sources.rows import BadRowError, check_file
from patentlab.storage import file_digest


class Source(Protocol):
    """What a module of this folder offers."""

    def read(self, config: DataConfig) -> Corpus:
        """Read or make the corpus."""
        ...

    def fingerprint(self, config: DataConfig) -> str:
        """What the corpus is made of, as 64 hexadecimal digits."""
        ...


SOURCES: dict[str, Source] = {
    "demo": demo,
    "patentsview": patentsview,
    "jsonl": jsonl,
    "csv": csv_table,
    "hub": hub,
}


def read_corpus(config: DataConfig) -> Corpus:
    """Read the corpus that a configuration names.

    Args:
        config: The data group.

    Returns:
        At least two labels and three documents.

    Raises:
        RequestError: The source is unknown, a file is wrong, or too little is left.
    """
    corpus = _source(config).read(config)
    if config.titles is not None:
        given = _titles(Path(config.titles))
        known = {name: title for name, title in given.items() if name in corpus.labels.names}
        corpus = replace(corpus, labels=replace(corpus.labels, titles={**corpus.labels.titles, **known}))
    if not corpus.labels:
        dropped = corpus.dropped.get("labels_dropped", 0)
        why = f"{corpus.dropped.get('documents_without_label', 0)} documents had none"
        rare = f"lower data.min_count={config.min_count}, which left out all {dropped}"
        raise RequestError(f"data={config.name}: no labels are left; {rare if dropped else why}")
    if len(corpus.labels) < 2 or len(corpus.documents) < 3:
        raise RequestError(
            f"data={config.name}: {len(corpus.labels)} labels and {len(corpus.documents)} documents are left, too few; "
            "lower data.min_count, or raise data.top_k or data.size"
        )
    return mask_names(corpus) if config.mask_labels else corpus


def _titles(path: Path) -> dict[str, str]:
    """Titles or definitions of labels, from a table of the user's."""
    titles = {}
    for where, row in csv_table.table_rows(path, "utf-8", "\t" if path.suffix == ".tsv" else ",", ("label", "title")):
        if isinstance(row, BadRowError):
            raise RequestError(f"{where}: {row}")
        titles[row["label"].strip()] = row["title"].strip()
    return titles


def data_fingerprint(config: DataConfig) -> str:
    """What the corpus is made of, as 64 hexadecimal digits, without reading it into documents.

    Args:
        config: The data group.

    Returns:
        SHA-256 of the files' bytes, or of the version of a corpus that is made.

    Raises:
        RequestError: The source is unknown or a file is missing.
    """
    own = _source(config).fingerprint(config)
    if config.titles is None:
        return own
    check_file(Path(config.titles))
    return hashlib.sha256(own.encode() + file_digest(Path(config.titles))).hexdigest()


def _source(config: DataConfig) -> Source:
    if config.name not in SOURCES:
        raise RequestError(f"data.name={config.name}: no such source; allowed are {', '.join(SOURCES)}")
    return SOURCES[config.name]
