"""Entities written in words, ``date: this week; time: five am``, and read back into tags of a document's words."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from patentlab.config import RequestError
from patentlab.corpus import OUTSIDE
from patentlab.evaluation.tagging import entities

NOTHING = "none"  # what is written where there is no entity
_BETWEEN, _BEHIND_TYPE = "; ", ": "
_PIECES = re.compile(r"[;\n]")  # models that were not trained to answer like to begin a line
_MARKS = str.maketrans({";": ",", ":": " ", "_": " "})  # of a type's name, which no separator may occur in


@dataclass(frozen=True)
class Reading:
    """What an answer says.

    Attributes:
        tags: Of the words, IOB2.
        pieces: That the answer has; none where it says that there is nothing.
        unparsable: Those among them that name no type, or words that are not in the text any more.
    """

    tags: list[str]
    pieces: int = 0
    unparsable: int = 0

    @property
    def certainty(self) -> float:
        """1 where all could be read, 1/2 where one piece could not, 1/3 where two could not."""
        return 1 / (1 + self.unparsable)


def names_for(types: Sequence[str]) -> list[str]:
    """What types are called in an answer: ``place name`` for ``place_name``.

    Args:
        types: In their order.

    Returns:
        A name a type.

    Raises:
        RequestError: Two types would have the same, or one of them none.
    """
    names = [" ".join(one.translate(_MARKS).split()) for one in types]
    lower = [name.casefold() for name in names]  # answers are read without regard to capitals
    for number, name in enumerate(names):
        if not name or lower[number] in lower[:number]:
            other = types[lower.index(lower[number])]
            raise RequestError(
                f"head=instruction: types {other!r} and {types[number]!r} would both be written {name!r}"
            )
    return names


def pieces_of(words: Sequence[str], tags: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """What is written of each entity.

    Args:
        words: Of a document.
        tags: Of them, IOB2.
        names: Of types, as of :func:`names_for`.

    Returns:
        ``type: words`` of each, in their order.
    """
    return [
        names[kind] + _BEHIND_TYPE + " ".join(_unmarked(word) for word in words[start:end])
        for start, end, kind in entities(tags)
    ]


def answer_of(pieces: Sequence[str]) -> str:
    """The whole answer: pieces with semicolons between, or ``none``."""
    return _BETWEEN.join(pieces) or NOTHING


def read_entities(answer: str, words: Sequence[str], names: Mapping[str, str]) -> Reading:
    """Tags of what was written.

    The words of each piece are looked for behind those of the piece before, then from the beginning, where no entity
    is yet; as they stand first, then without regard to capitals, then to punctuation marks around them.

    Args:
        answer: As it was written.
        words: Of the document, those that were shown.
        names: What types are called → types.

    Returns:
        Tags of the words, and how many pieces could not be read: all that is written counts.
    """
    tags = [OUTSIDE] * len(words)
    if _bare(answer.strip().casefold()) == NOTHING:
        return Reading(tags)
    kinds = {name.casefold(): kind for name, kind in names.items()}
    pieces = [piece for piece in _PIECES.split(answer) if piece.strip()] or [""]
    behind = unparsable = 0
    for piece in pieces:
        name, _, span = piece.partition(_BEHIND_TYPE.strip())
        kind, wanted = kinds.get(" ".join(name.casefold().split())), span.split()
        place = _place(wanted, words, tags, behind) if kind is not None and wanted else None
        if place is None:
            unparsable += 1
            continue
        tags[place : place + len(wanted)] = [f"B-{kind}"] + [f"I-{kind}"] * (len(wanted) - 1)
        behind = max(behind, place + len(wanted))
    return Reading(tags, len(pieces), unparsable)


def _place(wanted: Sequence[str], words: Sequence[str], tags: Sequence[str], behind: int) -> int | None:
    """The first word of these, where none of them has a tag."""
    last = len(words) - len(wanted)
    places: list[int] = [*range(behind, last + 1), *range(min(behind, last + 1))]
    for form in _forms():
        own, others = [form(word) for word in wanted], [form(word) for word in words]
        for place in places:
            end = place + len(own)
            if others[place:end] == own and set(tags[place:end]) == {OUTSIDE}:
                return place
    return None


def _forms() -> Iterator[Callable[[str], str]]:
    """How words are compared, one way after the other."""
    yield _unmarked
    yield lambda word: _unmarked(word).casefold()
    yield lambda word: _bare(word.casefold())


def _unmarked(word: str) -> str:
    """A word without what stands between pieces."""
    return word.replace(";", ",")


def _bare(word: str) -> str:
    """A word without punctuation marks around it; one of nothing else stays."""
    return word.strip(string.punctuation) or _unmarked(word)
