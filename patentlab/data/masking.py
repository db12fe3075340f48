"""Leakage controls: how far texts call their labels by name, and texts without the words that name labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from patentlab.corpus import Corpus, Document, LabelSpace

MASK = "…"
_WORD = re.compile(r"[^\W\d_]+")
_SHORT = 4  # letters; shorter words of a name say nothing by themselves
_FILLERS = frozenset(
    [
        *["general", "with", "from", "that", "this", "these", "those", "other", "others", "such", "their", "which"],
        *["specially", "adapted", "relating", "thereto", "therefor", "therewith", "otherwise", "provided", "including"],
        *["into", "onto", "upon", "than", "them", "they", "being", "been", "were", "have", "using", "used", "covered"],
        *["group", "groups", "subclass", "subclasses", "least", "each", "either", "same"],
    ]
)


def name_words(labels: LabelSpace) -> frozenset[str]:
    """The words that name labels: those of their titles, or of their own names where they have none.

    Args:
        labels: The label space.

    Returns:
        Lower-case words of four letters and more, in the singular, without those that any title may have.
    """
    return frozenset(word for name in labels.names for word in words_naming(name, labels))


def words_naming(label: str, labels: LabelSpace) -> frozenset[str]:
    """The same for one label."""
    words = words_of(labels.titles.get(label, label))
    return frozenset(singular(word) for word in words if len(word) >= _SHORT and word not in _FILLERS)


def name_overlap(document: Document, label: str, labels: LabelSpace) -> float | None:
    """The share of a label's name words that stand in a document; None where the name has no such word."""
    named = words_naming(label, labels)
    return len(named & set(map(singular, words_of(document.text)))) / len(named) if named else None


def words_of(text: str) -> list[str]:
    """Words of a text, in lower case."""
    return _WORD.findall(text.casefold())


def mask_names(corpus: Corpus) -> Corpus:
    """Put a sign in place of every word that names a label, and of every plural or singular of one.

    Args:
        corpus: Any.

    Returns:
        The corpus with masked texts and titles.
    """
    masked = _masker(name_words(corpus.labels))
    return replace(
        corpus,
        documents=tuple(
            replace(
                document,
                text=masked(document.text),
                title=None if document.title is None else masked(document.title),
            )
            for document in corpus.documents
        ),
    )


def mask_text(text: str, labels: LabelSpace) -> str:
    """The same for one text."""
    return _masker(name_words(labels))(text)


def _masker(named: frozenset[str]) -> Callable[[str], str]:
    def mask(found: re.Match[str]) -> str:
        return MASK if singular(found.group().casefold()) in named else found.group()

    return lambda text: _WORD.sub(mask, text)


def singular(word: str) -> str:
    """A lower-case word without the ending of an English plural, as far as its spelling tells."""
    for ending, end in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word.removesuffix(ending) + end
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
