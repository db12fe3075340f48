"""Tagged words: a line a word, with columns, and a blank line between documents (CoNLL's shared tasks)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from patentlab.config import DataConfig, RequestError
from patentlab.config.bounds import bounded
from patentlab.config.registry import SOURCES
from patentlab.corpus import Corpus
from patentlab.data.sources import Source
from patentlab.data.sources.rows import SET_NAMES, BadRowError, Line, Row, lines, read_rows
from patentlab.data.tags import SCHEMES, to_iob2
from patentlab.storage import file_digest

SUFFIXES = (".conll", ".conllu", ".bio", ".iob", ".txt", ".tsv")
_DOCUMENT_START = "-DOCSTART-"


@dataclass
class ConllConfig(DataConfig):
    """Settings of ``data=conll``.

    Attributes:
        columns: Their names, in order.
        words: Which of them has the words.
        tags: Which of them has the tags.
        scheme: Of the tags, as of :func:`patentlab.data.tags.to_iob2`.
        comment: What lines begin with that say nothing.
    """

    columns: list[str] = field(default_factory=lambda: ["word", "tag"])
    words: str = "word"
    tags: str = "tag"
    scheme: str = bounded("iob2", words=SCHEMES)
    comment: str | None = None
    text: str = "text"
    labels: str | None = "labels"
    id: str | None = "id"

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from super().check()
        for name in ("words", "tags"):
            if getattr(self, name) not in self.columns:
                yield f"data.{name}={getattr(self, name)}: must be one of data.columns={','.join(self.columns)}"
        if len(set(self.columns)) < len(self.columns):
            yield f"data.columns={','.join(self.columns)}: a name is there twice"


def read(config: DataConfig) -> Corpus:
    """Read a file, or a folder of files that are called after their sets.

    Args:
        config: ``path``, ``encoding``, the settings above, and what :func:`patentlab.data.sources.rows.read_rows` uses.

    Returns:
        The corpus, in the files' order; the text of a document are its words with blanks between.

    Raises:
        RequestError: A file is missing or broken; file and line are named.
    """
    assert isinstance(config, ConllConfig)
    found = files_of(Path(config.path or ""))
    return read_rows((row for held, path in found for row in _rows(path, held, config)), config, str(config.path))


def fingerprint(config: DataConfig) -> str:
    """SHA-256 of the sets' names and the files' bytes."""
    digest = hashlib.sha256()
    for held, path in files_of(Path(config.path or "")):
        digest.update(f"{held}\0".encode() + file_digest(path))
    return digest.hexdigest()


def files_of(path: Path) -> list[tuple[str | None, Path]]:
    """Files, each with the set that it holds: train, validation (valid, val, dev), test; of a single file none.

    Args:
        path: A file, or a folder with files that begin with the name of a set.

    Returns:
        In the order of the sets.

    Raises:
        RequestError: There is none, or two files hold one set.
    """
    if path.is_file():
        return [(None, path)]
    found: dict[str, Path] = {}
    for file in sorted(path.glob("*")):
        held = SET_NAMES.get(file.name.partition(".")[0].lower())
        if file.suffix.lower() not in SUFFIXES or held is None:
            continue
        if held in found:
            raise RequestError(f"data.path={path}: {found[held].name} and {file.name} both hold the {held} set")
        found[held] = file
    if not found:
        raise RequestError(
            f"data.path={path}: no file, and no folder with train.conll, dev.conll and test.conll "
            f"(or {', '.join(SUFFIXES[1:])})"
        )
    return [(held, found[held]) for held in dict.fromkeys(SET_NAMES.values()) if held in found]


def _rows(path: Path, held: str | None, config: ConllConfig) -> Iterator[Row]:
    """A row a document; where one of its lines is broken, the first that is."""
    block: list[Line] = []
    for line in lines(path, config.encoding or "utf-8"):
        blank = not line.text.strip()
        if blank or line.text.startswith(_DOCUMENT_START):
            if block:
                yield _row(path, block, held, config)
            block = []
        elif config.comment is None or not line.text.startswith(config.comment):
            block.append(line)
    if block:
        yield _row(path, block, held, config)


def _row(path: Path, block: list[Line], held: str | None, config: ConllConfig) -> Row:
    words, tags = [], []
    for line in block:
        try:
            word, tag = _word_and_tag(line, config)
        except BadRowError as problem:
            return f"{path}:{line.number}", problem
        words.append(word)
        tags.append(tag)
    try:
        iob2 = to_iob2(tags, config.scheme)
    except ValueError as error:
        what, position = error.args
        return f"{path}:{block[position].number}", BadRowError(f"{what} (data.scheme={config.scheme})")
    first = f"{path.name}:{block[0].number}"  # whatever the folder is called
    row = {"id": first, "text": " ".join(words), "labels": (), "__tags__": iob2, "__split__": held}
    return f"{path}:{block[0].number}", row


def _word_and_tag(line: Line, config: ConllConfig) -> tuple[str, str]:
    if line.problem is not None:
        raise line.problem
    content = line.text.rstrip("\r\n")
    tabbed = "\t" in content
    cells = [cell.strip() for cell in content.split("\t")] if tabbed else content.split()
    if len(cells) != len(config.columns):
        between = "tabs" if tabbed else "white space"
        raise BadRowError(
            f"{len(cells)} columns with {between} between, not the {len(config.columns)} of "
            f"data.columns={','.join(config.columns)}"
        )
    word, tag = (cells[config.columns.index(name)] for name in (config.words, config.tags))
    if not word:
        raise BadRowError("no word")
    if len(word.split()) > 1:
        raise BadRowError(f"white space inside the word {word!r}")
    return word, tag


SOURCES.add("conll", settings=ConllConfig)(Source(read, fingerprint, split=True, tags=True, labels=False))
