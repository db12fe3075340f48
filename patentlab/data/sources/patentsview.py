"""PatentsView's bulk tables: tab-separated, every field quoted, a table a kind of fact.

Layout: https://patentsview.org/download/data-download-tables
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from patentlab.config import DataConfig, RequestError
from patentlab.config.registry import SOURCES
from patentlab.corpus import Corpus, Document
from patentlab.data.sources import Source
from patentlab.data.sources.csv_table import table_rows
from patentlab.data.sources.rows import BadRowError, BadRows, fill, keep_labels, read_date, template_fields, title_of
from patentlab.storage import file_digest

PATENTS, ABSTRACTS, CODES, TITLES = "g_patent.tsv", "g_patent_abstract.tsv", "g_cpc_current.tsv", "g_cpc_title.tsv"


def read(config: DataConfig) -> Corpus:
    """Read granted patents with their CPC codes as labels.

    Patents without an abstract are left out and counted, as are those that lose all labels.

    Args:
        config: ``path``, ``level``, ``text``, ``task``, ``min_count``, ``top_k``, ``keep_labels``, ``on_bad_row``
            and ``size`` are used.

    Returns:
        The corpus, in the order of the patent table.

    Raises:
        RequestError: A table or a column is missing, or a row is broken; file and line are named.
    """
    folder, bad = _folder(config), BadRows(config.on_bad_row)
    column = f"cpc_{config.level}"
    codes: dict[str, dict[int, str]] = {}
    for where, row in _rows(folder / CODES, ("patent_id", "cpc_sequence", column), bad):
        try:
            codes.setdefault(row["patent_id"], {})[int(row["cpc_sequence"])] = row[column]
        except ValueError:
            bad.add(where, f"cpc_sequence={row['cpc_sequence']!r} is no number")
    abstracts = {
        row["patent_id"]: row["patent_abstract"].strip()
        for _, row in _rows(folder / ABSTRACTS, ("patent_id", "patent_abstract"), bad)
    }
    with_claims = "claim" in template_fields(config.text)
    claims = _first_claims(folder, bad) if with_claims else {}
    documents: list[Document] = []
    left_out = {"documents_without_abstract": 0, "documents_without_code": 0, "documents_without_claim": 0}
    seen: set[str] = set()
    for where, row in _rows(folder / PATENTS, ("patent_id", "patent_date", "patent_title"), bad):
        patent = row["patent_id"]
        try:
            day = read_date(row["patent_date"], "patent_date")
            if patent in seen:
                raise BadRowError(f"patent_id={patent} occurs twice")
        except BadRowError as problem:
            bad.add(where, problem)
            continue
        seen.add(patent)
        if not abstracts.get(patent):
            left_out["documents_without_abstract"] += 1
        elif patent not in codes:
            left_out["documents_without_code"] += 1
        elif with_claims and not claims.get(patent):
            left_out["documents_without_claim"] += 1
        else:
            sequence = codes[patent]
            labels = tuple(dict.fromkeys(sequence[position] for position in sorted(sequence)))
            fields = {
                "title": row["patent_title"].strip(),
                "abstract": abstracts[patent],
                "claim": claims.get(patent, ""),
            }
            text = fill(config.text, fields)
            documents.append(Document(patent, text, labels, date=day, title=title_of(text, fields)))
    titles = _titles(folder, config.level, bad)
    bad.check(len(documents))
    coarse = _coarse_titles(folder, config.level, bad)
    corpus = keep_labels(documents[: config.size], config, titles, coarse)
    return replace(corpus, dropped={"rows_skipped": bad.count, **left_out, **corpus.dropped})


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
    claims = [path.name for path in _claim_files(folder)] if "claim" in template_fields(config.text) else []
    for name in (PATENTS, ABSTRACTS, CODES, TITLES, *claims):
        path = folder / name
        if path.is_file():
            digest.update(name.encode() + file_digest(path))
        elif name != TITLES:
            raise RequestError(f"{path}: no such file; data=patentsview needs {PATENTS}, {ABSTRACTS} and {CODES}")
    return digest.hexdigest()


def _folder(config: DataConfig) -> Path:
    folder = Path(config.path or "")
    if not folder.is_dir():
        raise RequestError(f"data.path={config.path}: no such folder; data=patentsview needs one with {PATENTS}")
    return folder


def _rows(path: Path, columns: tuple[str, ...], bad: BadRows) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of one table, with their places; what cannot be read is noted as bad."""
    if not path.is_file():
        raise RequestError(f"{path}: no such file; data=patentsview needs {PATENTS}, {ABSTRACTS} and {CODES}")
    for where, row in table_rows(path, "utf-8", "\t", columns):
        if isinstance(row, BadRowError):
            bad.add(where, row)
        else:
            yield where, dict(row)


def _claim_files(folder: Path) -> list[Path]:
    """The tables of claims: one, or one a year."""
    files = sorted(folder.glob("g_claims*.tsv"))
    if not files:
        raise RequestError(
            f"{folder}/g_claims_*.tsv: no such file; data.text names {{claim}}, which is read from there"
        )
    return files


def _first_claims(folder: Path, bad: BadRows) -> dict[str, str]:
    """The first claim of each patent."""
    first: dict[str, tuple[int, str]] = {}
    for path in _claim_files(folder):
        for where, row in _rows(path, ("patent_id", "claim_sequence", "claim_text"), bad):
            try:
                claim = int(row["claim_sequence"]), row["claim_text"].strip()
            except ValueError:
                bad.add(where, f"claim_sequence={row['claim_sequence']!r} is no number")
                continue
            first[row["patent_id"]] = min(claim, first.get(row["patent_id"], claim))
    return {patent: text for patent, (_, text) in first.items()}


def _coarse_titles(folder: Path, level: str | None, bad: BadRows) -> dict[str, str]:
    """Titles of the next coarser level by label: of G06F16/35 that of G06F, of G06F that of G06."""
    coarser = {"group": "subclass", "subclass": "class"}.get(level or "")
    if coarser is None:
        return {}
    titles = _titles(folder, coarser, bad)
    own, above = f"cpc_{level}", f"cpc_{coarser}"
    pairs = {row[own]: row[above] for _, row in _rows(folder / CODES, (own, above), bad)}
    return {label: titles[code] for label, code in pairs.items() if code in titles}


def _titles(folder: Path, level: str | None, bad: BadRows) -> dict[str, str]:
    """Titles of the labels, where the table of titles is there and has that level."""
    code, title = f"cpc_{level}", f"cpc_{level}_title"
    path = folder / TITLES
    if level == "section" or not path.is_file():
        return {}
    return {row[code]: row[title] for _, row in _rows(path, (code, title), bad) if row[title]}


SOURCES.add("patentsview")(Source(read, fingerprint, columns=False, dated=True))
