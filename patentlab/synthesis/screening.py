"""What a generator's answer needs before it is a document; every answer that is none has a reason."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from patentlab.config import STANDARD_FAMILY, ScreeningConfig
from patentlab.corpus import Document, LabelSpace
from patentlab.data.audit import SimilarityIndex, shingles
from patentlab.data.masking import mask_text, words_of
from patentlab.synthesis.generators import Answer
from patentlab.synthesis.prompts import FAMILIES, TITLE, Request

VERSION = 2  # raise when the same answers are judged otherwise

_SHORT, _LONG = 30, 400  # words that are enough, and that are not too many, whatever the real documents have
_LOOP_WORDS = 4
_COPY_WORDS = 8
_HEADINGS = "|".join(family.heading for family in FAMILIES.values())
_BODY = re.compile(rf"(?:^|\n)\W*(?:{_HEADINGS})s?\W*:\W*", re.IGNORECASE)
_TITLE = re.compile(rf"(?:^|\n)\W*{TITLE}[*\s]*", re.IGNORECASE)
_EMPTY = re.compile(rf"\b(?:Title|{_HEADINGS})\b", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:I(?:'m| am) (?:sorry|unable|not able)|I (?:can(?:no|')t|can not|won't|apologi[sz]e)|"
    r"as an? (?:AI|artificial intelligence|(?:large )?language model))\b",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r"\n\s*(?:\W*note\b|i hope\b|let me know\b|please\b|feel free\b|"
    r"this (?:abstract|title|document|answer)\b|---|\*\*\*)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*(?=\s|$)")


@dataclass(frozen=True)
class Verdict:
    """What became of an answer.

    Attributes:
        document: If it passed.
        reason: If it did not: one of ``REASONS``.
        mentions: Labels of the document that its text calls by name.
    """

    document: Document | None = None
    reason: str | None = None
    mentions: tuple[str, ...] = ()


REASONS = (
    "error",  # there was no answer
    "empty",
    "refusal",
    "not_parsed",  # no title, or no body under a heading
    "unfinished",  # cut off before the first sentence ended
    "too_short",
    "too_long",
    "loop",  # says the same over and over
    "language",
    "copies_example",  # or, of a paraphrase, its source
    "copies_train",
    "copies_validation",
    "copies_test",
    "copies_synthetic",  # an earlier document of the corpus
    "label_mentions",
    "unknown_label",  # of a document made elsewhere: none of the space's
    "source_held_out",  # of a document made elsewhere: its source is a validation or test document
    "not_standard",  # another genre than asked for by strategy.standard_only
    "disagrees",  # with a classifier trained on real documents, for mix=filtered
)


class Screen:
    """Judges answers one by one, against real documents and against those that it is told to remember.

    Args:
        config: Bounds.
        labels: Of the corpus.
        real: Real documents by set: ``train`` (the regime's), ``validation``, ``test``.
        strategy: The origin of accepted documents.
        seed: Goes into their ids.
        standard_only: Whether other genres are left out.
        masked: Whether words that name labels are taken out of accepted texts, as they are of the real ones.

    Attributes:
        bounds: Fewest and most words of a text.
    """

    def __init__(
        self,
        config: ScreeningConfig,
        labels: LabelSpace,
        real: Mapping[str, Sequence[Document]],
        strategy: str,
        seed: int,
        *,
        standard_only: bool = False,
        masked: bool = False,
    ) -> None:
        self.config, self.labels, self.strategy, self.seed = config, labels, strategy, seed
        self.standard_only, self.masked = standard_only, masked
        self.bounds = word_bounds(config, real["train"])
        self._examples = {document.id: _runs(document.text) for document in real["train"]}
        # words that name labels are gone from the real texts, and then cannot be compared
        self._runs = {name: frozenset().union(*(_runs(d.text) for d in held)) for name, held in real.items()}
        self._like = {name: SimilarityIndex(config.similarity) for name in (*real, "synthetic")}
        for name, held in real.items():
            for document in held:
                self._like[name].add(shingles(document.text))

    def judge(self, request: Request, answer: Answer) -> Verdict:
        """Judge an answer.

        Args:
            request: What was asked.
            answer: What came.

        Returns:
            The document, or the reason why there is none.
        """
        if answer.error is not None:
            return Verdict(reason="error")
        parsed = parse(answer.text, titled=request.start == TITLE, complete=answer.complete)
        if isinstance(parsed, str):
            return Verdict(reason=parsed)
        if self.standard_only and request.family != STANDARD_FAMILY:
            return Verdict(reason="not_standard")
        title, body = parsed
        document = Document(
            f"{self.strategy}-{self.seed}-{request.number:06d}",
            f"{title.rstrip('.')}. {body}" if title else body,
            request.labels,
            origin=self.strategy,
            source_id=request.source_id,
            title=title or None,
        )
        return self.examine(document, request.examples)

    def examine(self, document: Document, examples: Sequence[str] = ()) -> Verdict:
        """Judge a document.

        Args:
            document: With labels of the space.
            examples: Ids of the training documents that it was made from.

        Returns:
            The document, its text masked where real ones are, or the reason why it cannot be added.
        """
        mentions = label_mentions(document.text, document.labels, self.labels)
        if self.masked:
            title = None if document.title is None else mask_text(document.title, self.labels)
            document = replace(document, text=mask_text(document.text, self.labels), title=title)
        reason = self._form(document.text) or self._origin(document, examples)
        if reason is None and self.config.max_label_mentions is not None:
            reason = "label_mentions" if len(mentions) > self.config.max_label_mentions else None
        return Verdict(document if reason is None else None, reason, mentions)

    def remember(self, document: Document) -> None:
        """Take up a document of the corpus: later ones must differ from it."""
        self._like["synthetic"].add(shingles(document.text))

    def _form(self, text: str) -> str | None:
        """What is wrong with a text by itself."""
        words, config = text.split(), self.config
        if len(words) < self.bounds[0]:
            return "too_short"
        if len(words) > self.bounds[1]:
            return "too_long"
        if repetition(text) > config.max_repetition or compression(text) > config.max_compression:
            return "loop"
        if config.language is not None and language(text) != config.language:
            return "language"
        return None

    def _origin(self, document: Document, examples: Sequence[str]) -> str | None:
        """What a text was taken from."""
        runs, members = _runs(document.text), shingles(document.text)
        shown = [self._examples[name] for name in examples if name in self._examples]
        if runs and max((len(runs & example) / len(runs) for example in shown), default=0) > self.config.max_copied:
            return "copies_example"
        # a test document that was written by heart is worse than anything
        for name in ("test", "validation", "train"):
            if name not in self._runs:
                continue
            # a paraphrase was held against its source
            allowed = document.source_id in self._examples and name == "train"
            if not allowed and runs and len(runs & self._runs[name]) / len(runs) > self.config.max_copied:
                return f"copies_{name}"
            if self._like[name].similar(members):
                return f"copies_{name}"
        return "copies_synthetic" if self._like["synthetic"].similar(members) else None


def word_bounds(config: ScreeningConfig, real: Sequence[Document]) -> tuple[int, int]:
    """Fewest and most words of a text.

    Args:
        config: Bounds; those that are not given follow the real documents.
        real: Training documents of the regime.

    Returns:
        By default half the length that 95% of the real documents have, at most 30 words; and twice the length that 95%
        keep below, at least 400.
    """
    low, high = np.percentile([len(document.text.split()) for document in real], (5, 95))
    fewest = min(_SHORT, round(low / 2)) if config.min_words is None else config.min_words
    return max(fewest, 1), max(_LONG, round(2 * high)) if config.max_words is None else config.max_words


def parse(text: str, *, titled: bool = True, complete: bool = True) -> tuple[str, str] | str:
    """Title and body of an answer, without what a model says around them.

    Args:
        text: The answer.
        titled: Whether it must have a title.
        complete: Whether it ended by itself; else it is cut after its last whole sentence.

    Returns:
        Title (empty where none is asked for) and body, or the reason for rejecting it.
    """
    if "<think>" in text:
        _, thought, text = text.rpartition("</think>")
        if not thought:
            return "unfinished"
    text = text.strip().removeprefix("```").removesuffix("```").strip()
    if not text or not _EMPTY.sub("", text).strip(" :*\n"):
        return "empty"
    start = _TITLE.search(text) if titled else None
    heading = _BODY.search(text, 0 if start is None else start.end())
    if _REFUSAL.search(text if heading is None else text[: heading.end()]):
        return "refusal"
    if heading is None or (titled and start is None):
        return "not_parsed"
    title = " ".join(text[start.end() : heading.start()].replace("**", "").split()) if start is not None else ""
    body = text[heading.end() :]
    for end in (_REMARK, _BODY, _TITLE):  # remarks, or the beginning of another document
        found = end.search(body)
        if found is not None:
            body = body[: found.start()]
    body = " ".join(body.replace("**", "").split())
    if not body or (titled and not title):
        return "not_parsed"
    if not complete:
        ends = list(_SENTENCE_END.finditer(body))
        if not ends:
            return "unfinished"
        body = body[: ends[-1].end()]
    return title, body


def repetition(text: str) -> float:
    """Share of word 4-grams of a text that occurred before in it; 0 for a text of fewer words."""
    grams = _grams(text.casefold().split(), _LOOP_WORDS)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def compression(text: str) -> float:
    """Bytes of a text over those that zlib makes of it: about 2.2 for a patent's abstract, more for what repeats."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def language(text: str) -> str:
    """The language that a text is most likely in, as two letters (langid, Lui and Baldwin 2012)."""
    import py3langid

    return str(py3langid.classify(text)[0])


def label_mentions(text: str, labels: Sequence[str], space: LabelSpace) -> tuple[str, ...]:
    """The labels that a text calls by name: by their whole title, or by the part of it before a comma or semicolon."""
    words = " ".join(words_of(text))
    found = []
    for label in labels:
        parts = re.split(r"[;,(]", space.titles.get(label, label))
        names = [" ".join(words_of(part)) for part in parts]
        if any(name and f" {name} " in f" {words} " for name in names):
            found.append(label)
    return tuple(found)


def _runs(text: str) -> frozenset[int]:
    """Word 8-grams of a text, hashed."""
    return frozenset(map(hash, _grams(words_of(text), _COPY_WORDS)))


def _grams(words: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(length)), strict=False))
