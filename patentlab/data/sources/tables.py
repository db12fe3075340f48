"""Files beside the labelled documents, told apart by their suffix: a document a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from patentlab.config import RequestError
from patentlab.data.sources.csv_table import table_rows
from patentlab.data.sources.jsonl import json_rows
from patentlab.data.sources.rows import Row, check_file

SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")


def file_rows(path: Path, setting: str, wanted: Sequence[str]) -> Iterator[Row]:
    """Rows of JSON lines, of a table (comma- or tab-separated, with a header) or of parquet.

    Args:
        path: The file, in UTF-8.
        setting: That named it, for messages.
        wanted: Columns that a table must have.

    Yields:
        Where a row stands, and its values or why it has none.

    Raises:
        RequestError: The file is missing, of another format, or broken.
    """
    check_file(path, setting)
    match path.suffix.lower():
        case ".jsonl":
            yield from json_rows(path, "utf-8")
        case ".csv" | ".tsv" as suffix:
            yield from table_rows(path, "utf-8", "\t" if suffix == ".tsv" else ",", wanted)
        case ".parquet":
            import pyarrow.parquet

            try:
                table = pyarrow.parquet.read_table(path)
            except (pyarrow.ArrowException, OSError) as error:
                raise RequestError(f"{setting}={path}: no parquet file that can be read ({error})") from None
            yield from ((f"{path}:{number}", row) for number, row in enumerate(table.to_pylist(), start=1))
        case _:
            raise RequestError(f"{setting}={path}: must end in one of {', '.join(SUFFIXES)}")
