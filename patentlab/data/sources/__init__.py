"""Where labelled documents come from. A file a format; each registers as a :class:`Source`."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from patentlab.config import DataConfig, RequestError
from patentlab.config.registry import SOURCES, TASKS
from patentlab.corpus import Corpus, Document
from patentlab.data.masking import mask_names
from patentlab.storage import file_digest


@dataclass(frozen=True)
class Source:
    """A format that labelled documents come in.

    Attributes:
        read: Reads or makes the corpus that the data group describes.
        fingerprint: What the corpus is made of, as 64 hexadecimal digits, without reading it into documents.
        columns: Whether ``data.text`` and ``data.labels`` name columns of the user's; else the text is made of
            ``TEXT_FIELDS``, and the source knows its labels.
        dated: Whether its documents have dates without ``data.date``.
        split: Whether it may have sets of its own without ``data.split.column``.
        tags: Whether words of its documents have tags.
        made: Whether documents are made, any number of them, so that ``data.size`` cuts no set off.
        rewritten: Documents of it → the same under an obfuscation, if it can tell what of them to obfuscate.
        labels: Whether its documents have labels.
        one_label: Whether its documents have exactly one label: then a head that answers with labels is asked for one.
    """

    read: Callable[[DataConfig], Corpus]
    fingerprint: Callable[[DataConfig], str]
    columns: bool = True
    dated: bool = False
    split: bool = False
    tags: bool = False
    labels: bool = True
    one_label: bool = False
    made: bool = False
    rewritten: Callable[[DataConfig, Sequence[Document], str], list[Document]] | None = None


def read_corpus(config: DataConfig) -> Corpus:
    """Read the corpus that a configuration names.

    Args:
        config: The data group.

    Returns:
        At least two labels and three documents.

    Raises:
        RequestError: The source is unknown, a file is wrong, or too little is left.
    """
    corpus = SOURCES.get(config.name).read(config)
    if config.titles is not None:
        given = _titles(Path(config.titles))
        known = {name: title for name, title in given.items() if name in corpus.labels.names}
        corpus = replace(corpus, labels=replace(corpus.labels, titles={**corpus.labels.titles, **known}))
    if not corpus.labels:
        dropped = corpus.dropped.get("labels_dropped", 0)
        why = f"{corpus.dropped.get('documents_without_label', len(corpus.documents))} documents had none"
        rare = f"lower data.min_count={config.min_count}, which left out all {dropped}"
        raise RequestError(f"data={config.name}: no labels are left; {rare if dropped else why}")
    fewest = 2 if TASKS.get(config.task).labels_documents else 1  # of tags, O is another
    if len(corpus.labels) < fewest or len(corpus.documents) < 3:
        raise RequestError(
            f"data={config.name}: {len(corpus.labels)} labels and {len(corpus.documents)} documents are left, too few; "
            "lower data.min_count, or raise data.top_k or data.size"
        )
    return mask_names(corpus) if config.mask_labels else corpus


def _titles(path: Path) -> dict[str, str]:
    """Titles or definitions of labels, from a table of the user's."""
    from patentlab.data.sources.csv_table import table_rows
    from patentlab.data.sources.rows import BadRowError

    titles = {}
    for where, row in table_rows(path, "utf-8", "\t" if path.suffix == ".tsv" else ",", ("label", "title")):
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
    own: str = SOURCES.get(config.name).fingerprint(config)
    if config.titles is None:
        return own
    from patentlab.data.sources.rows import check_file

    check_file(Path(config.titles))
    return hashlib.sha256(own.encode() + file_digest(Path(config.titles))).hexdigest()
