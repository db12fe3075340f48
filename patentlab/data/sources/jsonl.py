"""JSON lines: an object a line, a document each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from patentlab.config import DataConfig
from patentlab.config.registry import SOURCES
from patentlab.corpus import Corpus
from patentlab.data.sources import Source
from patentlab.data.sources.rows import BadRowError, Row, check_file, lines, read_rows
from patentlab.storage import file_digest


def read(config: DataConfig) -> Corpus:
    """Read a file of JSON lines.

    Args:
        config: ``path``, ``encoding``, and what :func:`patentlab.data.sources.rows.read_rows` uses.

    Returns:
        The corpus, in the file's order.

    Raises:
        RequestError: The file is missing, empty or broken; file and line are named.
    """
    return read_rows(json_rows(Path(config.path or ""), config.encoding or "utf-8"), config, str(config.path))


def fingerprint(config: DataConfig) -> str:
    """SHA-256 of the file's bytes."""
    return file_fingerprint(Path(config.path or ""))


def file_fingerprint(path: Path, setting: str = "data.path") -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Args:
        path: Of a data file.
        setting: That names it.

    Raises:
        RequestError: There is no such file, or it is empty.
    """
    check_file(path, setting)
    return file_digest(path).hex()


def json_rows(path: Path, encoding: str) -> Iterator[Row]:
    """Objects of a file of JSON lines, by the line that each stands on.

    Args:
        path: The file.
        encoding: Known to Python.

    Yields:
        Objects, or why a line has none.

    Raises:
        RequestError: The file is missing or empty.
    """
    for line in lines(path, encoding):
        if line.text.strip():
            yield f"{path}:{line.number}", line.problem or _parse(line.text)


def _parse(line: str) -> dict[str, object] | BadRowError:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return BadRowError(f"not JSON ({error.msg} at column {error.colno})")
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, hundreds of brackets
        return BadRowError(f"not JSON that can be read ({error})")
    return row if isinstance(row, dict) else BadRowError("not a JSON object, {…}")


SOURCES.add("jsonl")(Source(read, fingerprint))
