"""From rows to documents: what sources with a document a row have in common."""

from __future__ import annotations

import codecs
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from patentlab.config import DataConfig, RequestError
from patentlab.config.registry import TASKS
from patentlab.corpus import Corpus, Document, restrict_labels, restrict_types, with_types

_SHOWN = 5
SET_NAMES = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip


class BadRowError(Exception):
    """A row that no document can be made of; the message says why, without the place."""


Row = tuple[str, "Mapping[str, Any] | BadRowError"]
"""Where a row stands (``file:line``), and its values or why it has none."""


class BadRows:
    """Rows that no document can be made of: errors that are told together, or counted.

    Args:
        policy: ``error`` or ``skip``.
    """

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self.count = 0
        self._told: list[str] = []

    def add(self, where: str, problem: object) -> None:
        """Take note of one."""
        self.count += 1
        if len(self._told) < _SHOWN:
            self._told.append(f"{where}: {problem}")

    def check(self, documents: int) -> None:
        """Let it pass, if it may.

        Args:
            documents: Made of the other rows.

        Raises:
            RequestError: There were bad rows and the policy is ``error``, or nothing but bad rows.
        """
        if (self.policy == "skip" and documents) or not self.count:
            return
        more = self.count - len(self._told)
        last = [f"and {more} more bad rows; data.on_bad_row=skip leaves them out"] if more else []
        raise RequestError(*self._told, *last)


def read_rows(rows: Iterable[Row], config: DataConfig, file: str) -> Corpus:
    """Make a corpus of rows.

    Args:
        rows: In the order of the source.
        config: ``text``, ``labels``, ``separator``, ``id``, ``date``, ``split.column``, ``size``, ``on_bad_row``, and
            what chooses labels.
        file: What to call the source in messages.

    Returns:
        The corpus; ``dropped`` counts skipped rows, among others.

    Raises:
        RequestError: Rows are bad, or there are none.
    """
    bad = BadRows(config.on_bad_row)
    documents: list[Document] = []
    seen: set[str] = set()
    for where, row in rows:
        if config.size is not None and len(documents) >= config.size:
            break
        try:
            if isinstance(row, BadRowError):
                raise row
            document = document_of(row, config, where)
            if document.id in seen:
                raise BadRowError(f"{config.id}={document.id!r} occurs twice; ids must be unique")
        except BadRowError as problem:
            bad.add(where, problem)
            continue
        seen.add(document.id)
        documents.append(document)
    bad.check(len(documents))
    if not documents:
        raise RequestError(f"{file}: no documents in it")
    corpus = keep_labels(documents, config)
    return replace(corpus, dropped={"rows_skipped": bad.count, **corpus.dropped})


def keep_labels(
    documents: Iterable[Document],
    config: DataConfig,
    titles: Mapping[str, str] | None = None,
    coarse: Mapping[str, str] | None = None,
) -> Corpus:
    """The corpus of documents: the labels that are kept, those of documents or of their words, as the task asks.

    Args:
        documents: Of one source.
        config: ``task``, ``min_count``, ``top_k`` and ``keep_labels`` are used.
        titles: What labels stand for.
        coarse: What the labels of the next coarser level stand for, by label.

    Returns:
        The corpus; ``dropped`` counts what was left out.

    Raises:
        RequestError: A label to keep does not occur.
    """
    task = TASKS.get(config.task)
    bounds: dict[str, Any] = {"min_count": config.min_count, "top_k": config.top_k, "keep": config.keep_labels}
    if not task.labels_documents:
        return restrict_types(documents, **bounds, titles=titles)
    corpus = restrict_labels(documents, **bounds, one_label=task.one_label, titles=titles, coarse=coarse)
    return with_types(corpus) if task.tags_words else corpus


def template_fields(template: str) -> tuple[str, ...]:
    """The fields that a text template names; a template without braces is the name of one field.

    Args:
        template: As ``data.text``.

    Returns:
        Names, in order.

    Raises:
        ValueError: The braces do not match.
    """
    fields = tuple(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)
    return fields or (template,)


def fill(template: str, values: Mapping[str, str]) -> str:
    """The text of a document.

    Args:
        template: As ``data.text``.
        values: Of its fields at least.

    Returns:
        The filled template, or the value of the one field.
    """
    return template.format_map(values) if "{" in template else values[template]


def title_of(text: str, fields: Mapping[str, str]) -> str | None:
    """The title that a text begins with, if one of its fields is called so."""
    title = fields.get("title")
    return title if title and text.startswith(title) and text != title else None


def document_of(row: Mapping[str, Any], config: DataConfig, where: str) -> Document:
    """The document of a row.

    Args:
        row: Values by column.
        config: ``text``, ``labels``, ``separator``, ``id``, ``date`` and ``split.column``.
        where: The row stands, as ``file:line``.

    Returns:
        The document, with whatever labels it has.

    Raises:
        BadRowError: A column is missing, or has something else than it must.
    """
    fields = {name: text_of(row, name) for name in template_fields(config.text)}
    if not any(fields.values()):
        raise BadRowError(f"no text: {', '.join(fields)} is empty")
    # without a column of ids the place in the file, whatever the file is called
    document_id = (
        where.removeprefix(f"{Path(config.path or '')}:") if config.id is None else str(_value(row, config.id))
    )
    day = None if config.date is None else read_date(_value(row, config.date), config.date)
    held = row.get("__split__")
    if config.split.column is not None:
        held = _value(row, config.split.column)
    labels = tuple(_labels(_value(row, config.labels or ""), config))
    text, tags = fill(config.text, fields), tuple(row.get("__tags__", ()))
    if tags and len(tags) != len(text.split()):
        raise BadRowError(
            f"{len(tags)} tags for {len(text.split())} words; data.text must leave tagged words as they are"
        )
    return Document(document_id, text, labels, date=day, split=_set(held), title=title_of(text, fields), tags=tags)


def _value(row: Mapping[str, Any], name: str) -> Any:
    if name not in row:
        raise BadRowError(f"no field {name}; found {', '.join(map(str, row)) or 'none'}")
    return row[name]


def text_of(row: Mapping[str, Any], name: str) -> str:
    """The text of a field, empty where there is none; raises BadRowError where it is something else."""
    value = _value(row, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRowError(f"{name} is no text but {type(value).__name__}: {str(value)[:40]}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRowError(f"{name} has half a character (a lone surrogate) at {error.start}") from None
    return value.strip()


def _labels(value: Any, config: DataConfig) -> Iterator[str]:
    """Label names in their order, each once."""
    if value is None:
        return
    if isinstance(value, str) and config.separator:
        value = value.split(config.separator)
    if isinstance(value, list | tuple):
        names = value
    elif isinstance(value, str | int):
        names = [value]
    else:
        raise BadRowError(f"{config.labels} is neither a label nor a list of labels: {str(value)[:40]}")
    wrong = next((name for name in names if not isinstance(name, str | int)), None)
    if wrong is not None:
        raise BadRowError(f"{config.labels}: a label is neither text nor a whole number: {str(wrong)[:40]}")
    yield from dict.fromkeys(name for name in (str(name).strip() for name in names) if name)


def read_date(value: Any, name: str) -> str | None:
    """A date as ``YYYY-MM-DD``.

    Args:
        value: A date, with or without a time, or nothing.
        name: Of the field.

    Returns:
        Ten characters, or None where there is none.

    Raises:
        BadRowError: It is no date.
    """
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise BadRowError(f"{name}={value!s:.40} is no date; write YYYY-MM-DD") from None


def _set(value: Any) -> str | None:
    if value is None:
        return None
    name = SET_NAMES.get(str(value).strip().lower())
    if name is None:
        raise BadRowError(f"set {value!s:.40}: allowed are train, validation (valid, val, dev) and test")
    return name


@dataclass(frozen=True)
class Line:
    """A line of a text file.

    Attributes:
        number: From 1.
        text: With its end; what could not be decoded is replaced.
        problem: Why it cannot be taken as it is, if so.
    """

    number: int
    text: str
    problem: BadRowError | None = None


def lines(path: Path, encoding: str) -> Iterator[Line]:
    """Lines of a text file, decoded one by one so that a wrong byte has a place.

    Args:
        path: The file.
        encoding: Known to Python; a byte-order mark is cut.

    Yields:
        Every line.

    Raises:
        RequestError: There is no such file, or it is empty.
    """
    check_file(path)
    if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):  # a line end is more than a byte there
        with path.open(encoding=encoding, newline="") as text:
            try:
                for number, content in enumerate(text, start=1):
                    yield Line(number, content.removeprefix("\ufeff") if number == 1 else content)
            except UnicodeError as error:
                raise RequestError(f"{path}: not {encoding} ({error}); set data.encoding to what it is") from None
        return
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            try:
                yield Line(number, line.decode(encoding))
            except UnicodeDecodeError as error:
                problem = BadRowError(f"not {encoding} at byte {error.start + 1} of the line; set data.encoding")
                yield Line(number, line.decode(encoding, "replace"), problem)


def check_file(path: Path, setting: str = "data.path") -> None:
    """Make sure that there is a file with something in it.

    Args:
        path: Of a file.
        setting: That names it.

    Raises:
        RequestError: It is missing, a folder, empty, or may not be read.
    """
    if path.is_dir():
        raise RequestError(f"{path}: is a folder; {setting} must name a file")
    if not path.is_file():
        raise RequestError(f"{path}: no such file; give one with {setting}=…")
    if not path.stat().st_size:
        raise RequestError(f"{path}: is empty")
    try:
        path.open("rb").close()
    except PermissionError:
        raise RequestError(f"{path}: may not be read") from None
