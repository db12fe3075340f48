"""The data group: labelled documents, the labels that are kept, and the split."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field

from omegaconf import MISSING

from patentlab.config.bounds import bounded, out_of_bounds
from patentlab.config.registry import SOURCES, TASKS

LEVELS = ("section", "class", "subclass", "group")
TEXT_FIELDS = ("title", "abstract", "claim")
PART_TASKS = ("single_label", "tagging", "joint")  # of a part of a union
_PART = re.compile(r"[a-z][a-z0-9_]*")  # its labels are sorted beside those of others, apart from them
UNLABELLED_POOL = "pool"  # data.unlabelled: what the regime leaves of the training pool


@dataclass
class SplitConfig:
    """How the corpus is cut into training pool, validation and test set."""

    method: str = bounded(words=("stratified", "date", "given"))
    validation: float = MISSING
    test: float = MISSING
    similarity: float | None = bounded(None, above=0, most=1)
    cosine: float | None = bounded(None, above=0, most=1)
    column: str | None = None

    def check(self) -> Iterator[str]:
        """A line per problem."""
        for name in ("validation", "test"):
            size = getattr(self, name)
            if not math.isfinite(size) or size <= 0 or (size > 1 and size != int(size)) or size == 1:
                yield (
                    f"data.split.{name}={size}: must be a share between 0 and 1, or a whole number of documents above 1"
                )
        yield from out_of_bounds(self, "data.split.")


@dataclass
class DataConfig:
    """Where the labelled documents come from, which labels are kept, and how they are split."""

    name: str = MISSING
    size: int | None = bounded(None, least=1)
    corpus_seed: int | None = None
    path: str | None = None
    subset: str | None = None
    revision: str | None = None
    level: str | None = bounded(None, words=LEVELS)
    text: str = MISSING
    labels: str | None = None
    separator: str | None = None
    id: str | None = None
    date: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    on_bad_row: str = bounded("error", words=("error", "skip"))
    task: str | None = None  # None: what the head answers
    min_count: int = bounded(least=1)
    top_k: int | None = bounded(None, least=2)
    keep_labels: list[str] | None = None
    titles: str | None = None
    mask_labels: bool = False
    unlabelled: str | None = None
    split: SplitConfig = field(default_factory=SplitConfig)

    @property
    def idle(self) -> dict[str, str]:
        """Settings that change nothing beside the others, and why."""
        return {}

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "data.")
        yield from self.split.check()
        if self.keep_labels is not None:
            types = self.task in TASKS and not TASKS.get(self.task).labels_documents  # of tags, O is another
            if len(set(self.keep_labels)) < (1 if types else 2):
                yield f"data.keep_labels={','.join(self.keep_labels)}: must name two labels at least"
            if self.top_k is not None:
                yield "data.keep_labels: names the labels already; leave out data.top_k"
        yield from self._check_form()
        if self.name not in SOURCES:
            yield f"data.name={self.name}: no such source; allowed are {', '.join(SOURCES.names())}"
            return
        source = SOURCES.get(self.name)
        if source.columns and not self.labels:
            yield f"data.labels: must name where data={self.name} keeps the labels"
        if self.split.method == "date" and self.date is None and not source.dated:
            yield f"data.split.method=date: data={self.name} needs data.date, the column with dates"
        if self.split.method == "given" and self.size is not None and not (source.made and self.path is None):
            yield "data.size: cannot be had with data.split.method=given, which takes the source's sets whole"
        if self.split.method == "given" and self.split.column is None and not source.split:
            yield f"data.split.method=given: data={self.name} needs data.split.column, with train, validation or test"
        try:
            named = {name for _, name, _, _ in string.Formatter().parse(self.text) if name is not None}
            self.text.format(**dict.fromkeys(named, ""))
        except (ValueError, LookupError, AttributeError) as error:
            yield f"data.text={self.text}: {error}"
        else:
            if not source.columns and (not named or named - set(TEXT_FIELDS)):
                yield (
                    f"data.text={self.text}: must name {{title}}, {{abstract}} or {{claim}}, and nothing else in braces"
                )

    def _check_form(self) -> Iterator[str]:
        if self.encoding is not None:
            try:
                "a".encode(self.encoding)
            except LookupError:
                yield (
                    f"data.encoding={self.encoding}: no such encoding; allowed are those of Python, such as utf-8, "
                    "cp1252"
                )
        if self.delimiter is not None and len(self.delimiter.replace("\\t", "\t")) != 1:
            yield f"data.delimiter={self.delimiter}: must be one character, or \\t"


@dataclass
class UnionConfig(DataConfig):
    """Several data sets in one run, each read, labelled and split by settings of its own.

    Attributes:
        parts: The data sets, by the names that their labels and metrics begin with.
        only: Those that are used; None: all.
    """

    text: str = "text"
    min_count: int = 1
    split: SplitConfig = field(default_factory=lambda: SplitConfig("given", 0.15, 0.15))  # each part has its own
    parts: dict[str, DataConfig] = field(default_factory=dict)
    only: list[str] | None = None

    def check(self) -> Iterator[str]:
        """A line per problem."""
        if not self.parts:
            yield "data.parts: names no data set; write data@data.parts.NAME=OPTION for each"
        for name, part in self.parts.items():
            if _PART.fullmatch(name) is None:
                yield f"data.parts.{name}: its name must be small letters, digits and underscores"
            own = () if isinstance(part, UnionConfig) else part.check()
            for problem in (*own, *_check_part(part)):
                setting = problem.startswith("data.")
                yield f"data.parts.{name}{problem.removeprefix('data') if setting else f': {problem}'}"


def _check_part(part: DataConfig) -> Iterator[str]:
    """What a data set by itself may have and a part of a union may not."""
    if part.name not in SOURCES:
        return
    if isinstance(part, UnionConfig):
        yield "data=union: holds other data sets, and cannot be one of them"
    elif part.task not in PART_TASKS:
        yield f"data.task={part.task}: allowed are {', '.join(PART_TASKS)}"
    elif TASKS.get(part.task).tags_words:
        if not SOURCES.get(part.name).tags:
            yield f"data.task={part.task}: words of data={part.name} have no tags; set single_label"
        if part.mask_labels:
            yield "data.mask_labels: takes words out of texts, and leaves their tags; set it to false"
    if getattr(part, "normalise", False):
        yield "data.normalise=true: new texts would not be normalised for one task alone; set it to false"
    if part.unlabelled is not None:
        yield f"data.unlabelled={part.unlabelled}: only a teacher answers for them, and none answers several tasks"
