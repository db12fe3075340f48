"""PatentsView's bulk tables: tab-separated, every field quoted, a table a kind of fact.

Layout: https://patentsview.org/download/data-download-tables
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from patentlab.config import DataConfig, RequestError
from patentlab.corpus import Corpus, Document, restrict_labels

PATENTS, ABSTRACTS, CODES, TITLES = "g_patent.tsv", "g_patent_abstract.tsv", "g_cpc_current.tsv", "g_cpc_title.tsv"


def read(config: DataConfig) -> Corpus:
    """Read granted patents with their CPC codes as labels.

    Patents without an abstract are left out and counted, as are those that lose all labels.

    Args:
        config: ``path``, ``level``, ``text``, ``task``, ``min_count``, ``top_k`` and ``size`` are used.

    Returns:
        The corpus, in the order of the patent table.

    Raises:
        RequestError: A table or a column is missing, or a row is broken; file and line are named.
    """
    folder = _folder(config)
    column = f"cpc_{config.level}"
    codes: dict[str, dict[int, str]] = {}
    for line, row in _rows(folder / CODES, ("patent_id", "cpc_sequence", column)):
        try:
            codes.setdefault(row["patent_id"], {})[int(row["cpc_sequence"])] = row[column]
        except ValueError:
            raise RequestError(f"{folder / CODES}:{line}: cpc_sequence={row['cpc_sequence']!r} is no number") from None
    abstracts = {
        row["patent_id"]: row["patent_abstract"].strip()
        for _, row in _rows(folder / ABSTRACTS, ("patent_id", "patent_abstract"))
    }
    documents: list[Document] = []
    without_abstract = without_code = 0
    for _, row in _rows(folder / PATENTS, ("patent_id", "patent_date", "patent_title")):
        patent = row["patent_id"]
        if not abstracts.get(patent):
            without_abstract += 1
            continue
        if patent not in codes:
            without_code += 1
            continue
        sequence = codes[patent]
        labels = tuple(dict.fromkeys(sequence[position] for position in sorted(sequence)))
        text = config.text.format(title=row["patent_title"].strip(), abstract=abstracts[patent])
        documents.append(Document(patent, text, labels, date=row["patent_date"]))
    corpus = restrict_labels(
        documents[: config.size],
        min_count=config.min_count,
        top_k=config.top_k,
        single=config.task == "single_label",
        titles=_titles(folder, config.level),
    )
    dropped = {"documents_without_abstract": without_abstract, "documents_without_code": without_code, **corpus.dropped}
    return Corpus(corpus.documents, corpus.labels, dropped)


def fingerprint(config: DataConfig) -> str:
    """SHA-256 over the bytes of the tables that are read.

    Args:
        config: ``path`` is used.

    Returns:
        64 hexadecimal digits.

    Raises:
        RequestError: A table is missing.
    """
    folder = _folder(config)
    digest = hashlib.sha256()
    for name in (PATENTS, ABSTRACTS, CODES, TITLES):
        path = folder / name
        if path.is_file():
            with path.open("rb") as file:
                digest.update(name.encode() + hashlib.file_digest(file, "sha256").digest())
        elif name != TITLES:
            raise RequestError(f"{path}: no such file; data=patentsview needs {PATENTS}, {ABSTRACTS} and {CODES}")
    return digest.hexdigest()


def _folder(config: DataConfig) -> Path:
    folder = Path(config.path or "")
    if not folder.is_dir():
        raise RequestError(f"data.path={config.path}: no such folder; data=patentsview needs one with {PATENTS}")
    return folder


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows of one table."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", strict=True)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise RequestError(
                    f"{path}:1: no column {', '.join(missing)}; found {', '.join(reader.fieldnames or ())}"
                )
            for row in reader:
                if any(row[column] is None for column in columns):
                    raise RequestError(f"{path}:{reader.line_num}: the row has too few columns")
                yield reader.line_num, row
    except FileNotFoundError:
        raise RequestError(f"{path}: no such file; data=patentsview needs {PATENTS}, {ABSTRACTS} and {CODES}") from None
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: not UTF-8 at byte {error.start}") from None
    except csv.Error as error:
        raise RequestError(f"{path}:{reader.line_num}: {error}") from None


def _titles(folder: Path, level: str | None) -> dict[str, str]:
    """Titles of the labels, where the table of titles is there and has that level."""
    code, title = f"cpc_{level}", f"cpc_{level}_title"
    path = folder / TITLES
    if level == "section" or not path.is_file():
        return {}
    return {row[code]: row[title] for _, row in _rows(path, (code, title)) if row[title]}
