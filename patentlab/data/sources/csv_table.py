"""Delimited tables with a header: a document a row."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from patentlab.config import DataConfig, RequestError
from patentlab.config.registry import SOURCES
from patentlab.corpus import Corpus
from patentlab.data.sources import Source
from patentlab.data.sources.jsonl import file_fingerprint
from patentlab.data.sources.rows import BadRowError, Row, lines, read_rows, template_fields


def read(config: DataConfig) -> Corpus:
    """Read a delimited table.

    Args:
        config: ``path``, ``encoding``, ``delimiter``, and what :func:`patentlab.data.sources.rows.read_rows` uses.

    Returns:
        The corpus, in the table's order.

    Raises:
        RequestError: The file is missing, empty or broken, or a column is missing; file and line are named.
    """
    columns = (*template_fields(config.text), config.labels, config.id, config.date, config.split.column)
    wanted = [name for name in columns if name is not None]
    delimiter = (config.delimiter or ",").replace("\\t", "\t")
    rows = table_rows(Path(config.path or ""), config.encoding or "utf-8", delimiter, wanted)
    return read_rows(rows, config, str(config.path))


def fingerprint(config: DataConfig) -> str:
    """SHA-256 of the file's bytes."""
    return file_fingerprint(Path(config.path or ""))


def table_rows(path: Path, encoding: str, delimiter: str, wanted: Sequence[str]) -> Iterator[Row]:
    """Rows of a delimited table with a header, by the line that each begins on.

    Args:
        path: The file.
        encoding: Known to Python.
        delimiter: One character between columns.
        wanted: Columns that there must be.

    Yields:
        Rows by column, or why a row has none.

    Raises:
        RequestError: The file is missing or empty, a column is missing or there twice, or quotes do not match.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    undecoded: dict[int, BadRowError] = {}

    def decoded() -> Iterator[str]:
        for line in lines(path, encoding):
            if line.problem is not None:  # the row keeps its place, and is told by its line
                undecoded[line.number] = line.problem
            yield line.text

    reader = csv.reader(decoded(), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next((cells for cells in reader if cells), [])]
        found = f"found {', '.join(header) or 'none'}"
        missing = [name for name in wanted if name not in header]
        twice = [name for name in wanted if header.count(name) > 1]
        if missing:
            raise RequestError(f"{path}:{reader.line_num}: no column {', '.join(missing)}; {found}")
        if twice:
            raise RequestError(f"{path}:{reader.line_num}: more than one column {', '.join(twice)}; {found}")
        while True:
            first = reader.line_num + 1
            cells = next(reader, None)
            if cells is None:
                return
            if not cells:  # an empty line
                continue
            broken = next((undecoded[n] for n in range(first, reader.line_num + 1) if n in undecoded), None)
            yield f"{path}:{first}", broken or _values(header, cells)
    except csv.Error as error:
        raise RequestError(f"{path}:{reader.line_num}: {error}; the rest of the file cannot be read") from None


def _values(header: list[str], cells: list[str]) -> dict[str, str] | BadRowError:
    if len(cells) != len(header):
        return BadRowError(f"{len(cells)} columns, the header has {len(header)}")
    return dict(zip(header, cells, strict=True))


SOURCES.add("csv")(Source(read, fingerprint))
