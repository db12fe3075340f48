"""20 Newsgroups, by date: folders of training and test messages, in each a folder a group, in each a file a message.

The layout is that of ``20news-bydate.tar.gz`` (Jason Rennie; Lang 1995, NewsWeeder).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patentlab.config import DataConfig, RequestError
from patentlab.config.bounds import bounded
from patentlab.config.registry import SOURCES
from patentlab.corpus import Corpus
from patentlab.data.sources import Source
from patentlab.data.sources.rows import SET_NAMES, BadRowError, Row, read_rows
from patentlab.storage import file_digest

REMOVABLE = ("headers", "footers", "quotes")


@dataclass
class NewsgroupsConfig(DataConfig):
    """Settings of ``data=newsgroups``.

    Attributes:
        classes: 20 groups, or the 7 hierarchies that they belong to: what stands before the first dot.
        remove: What is taken out of messages: ``headers``, which name the group's people, ``footers``, ``quotes``.
    """

    classes: int = bounded(20, words=(7, 20))
    remove: list[str] = field(default_factory=list)
    text: str = "text"
    labels: str | None = "labels"
    id: str | None = "id"

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from super().check()
        if unknown := [name for name in self.remove if name not in REMOVABLE]:
            yield f"data.remove={','.join(unknown)}: allowed are {', '.join(REMOVABLE)}"


def read(config: DataConfig) -> Corpus:
    """Read all messages.

    Args:
        config: ``path``, ``encoding``, the settings above, and what :func:`patentlab.data.sources.rows.read_rows` uses.

    Returns:
        The corpus; a document knows the set of its folder. Messages of which nothing is left are bad rows.

    Raises:
        RequestError: The folder has another layout, or a message cannot be read.
    """
    assert isinstance(config, NewsgroupsConfig)
    return read_rows(_rows(config), config, str(config.path))


def fingerprint(config: DataConfig) -> str:
    """SHA-256 of the messages' places and bytes."""
    digest = hashlib.sha256()
    for held, group, path in messages(Path(config.path or "")):
        digest.update(f"{held}/{group}/{path.name}\0".encode() + file_digest(path))
    return digest.hexdigest()


def messages(folder: Path) -> list[tuple[str | None, str, Path]]:
    """All messages, with their set and group.

    Args:
        folder: With a folder whose name ends in ``train`` and one that ends in ``test``, or with the groups themselves.

    Returns:
        In the order of sets, groups and names; the set is None where there are groups alone.

    Raises:
        RequestError: There are none.
    """
    sets = {SET_NAMES.get(path.name.rpartition("-")[2].lower()): path for path in folder.glob("*") if path.is_dir()}
    sets.pop(None, None)
    found = [
        (held, group.name, path)
        for held, place in (sorted(sets.items(), key=str) if sets else [(None, folder)])
        for group in sorted(one for one in place.glob("*") if one.is_dir())
        for path in sorted(one for one in group.glob("*") if one.is_file())
    ]
    if not found:
        raise RequestError(
            f"data.path={folder}: no messages in it; wanted are folders such as 20news-bydate-train and "
            "20news-bydate-test, in each a folder a group, in each a file a message"
        )
    return found


def _rows(config: NewsgroupsConfig) -> Iterator[Row]:
    takers = [_takers()[name] for name in REMOVABLE if name in config.remove]
    for held, group, path in messages(Path(config.path or "")):
        try:
            text = path.read_bytes().decode(config.encoding or "latin-1")
        except UnicodeDecodeError as error:
            yield str(path), BadRowError(f"not {config.encoding} at byte {error.start + 1}; set data.encoding")
            continue
        for take in takers:
            text = take(text)
        label = group if config.classes == 20 else group.partition(".")[0]
        row: dict[str, Any] = {"id": f"{group}/{path.name}", "text": text.strip(), "labels": [label], "__split__": held}
        yield str(path), row


def _takers() -> dict[str, Callable[[str], str]]:
    """scikit-learn's, which are what published numbers without headers, footers and quotes mean."""
    from sklearn.datasets import _twenty_newsgroups as theirs

    return {
        "headers": theirs.strip_newsgroup_header,
        "footers": theirs.strip_newsgroup_footer,
        "quotes": theirs.strip_newsgroup_quoting,
    }


SOURCES.add("newsgroups", settings=NewsgroupsConfig)(Source(read, fingerprint, split=True, one_label=True))
