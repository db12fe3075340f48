"""Tags of words: the schemes that they come in, and what they are here, IOB2."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from patentlab.corpus import OUTSIDE

SCHEMES = ("iob2", "iob1", "bioes")
_ANNOTATED = re.compile(r"\[([^\[\]:]*) : ([^\[\]]*)\]")
_LETTERS = {"iob2": "BI", "iob1": "BI", "bioes": "BIES"}
_ALIASES = str.maketrans({"L": "E", "U": "S", "W": "S", "M": "I"})  # BILOU, BMEWO: other letters for the same places


def to_iob2(tags: Sequence[str], scheme: str) -> list[str]:
    """Tags of one document in IOB2: the first word of an entity has ``B-`` and its type, the others ``I-``.

    Args:
        tags: ``O``, or a letter, a dash and a type.
        scheme: ``iob2``; ``iob1``, where ``B-`` marks only an entity that follows another of its type at once
            (Ramshaw and Marcus 1995); ``bioes``, whose last words have ``E-`` and whose single ones ``S-`` (also
            ``L-`` and ``U-``, or ``M-``, ``E-`` and ``W-``).

    Returns:
        As many tags.

    Raises:
        ValueError: A tag is none of the scheme, or stands where the scheme has no place for it; its position is the
            second argument.
    """
    found: list[str] = []
    open_type: str | None = None  # of the entity that the word before belongs to, and may go on
    for position, (letter, kind) in enumerate(_parsed(tags, scheme)):
        begins = letter in "BS" or (scheme == "iob1" and letter == "I" and kind != open_type)
        if letter == OUTSIDE:
            _check_closed(open_type, scheme, tags, position)
            found.append(OUTSIDE)
            open_type = None
            continue
        if begins:
            _check_closed(open_type, scheme, tags, position)
        elif kind != open_type:
            raise ValueError(f"{tags[position]} without its B-{kind}", position)
        found.append(f"{'B' if begins else 'I'}-{kind}")
        open_type = None if letter in "ES" else kind
    _check_closed(open_type, scheme, tags, len(tags))
    return found


def _parsed(tags: Sequence[str], scheme: str) -> Iterator[tuple[str, str]]:
    for position, tag in enumerate(tags):
        letter, dash, kind = tag.partition("-")
        letter = letter.translate(_ALIASES) if scheme == "bioes" else letter
        if tag != OUTSIDE and not (dash and kind and len(letter) == 1 and letter in _LETTERS[scheme]):
            wanted = ", ".join(f"{one}-TYPE" for one in _LETTERS[scheme])
            raise ValueError(f"{tag!r} is no tag of {scheme}: allowed are O, {wanted}", position)
        yield letter, kind


def _check_closed(open_type: str | None, scheme: str, tags: Sequence[str], position: int) -> None:
    if scheme == "bioes" and open_type is not None:
        raise ValueError(f"{tags[position - 1]} is not ended by E-{open_type}", position - 1)


def tagged_words(annotated: str) -> tuple[list[str], list[str]]:
    """Words of an annotated text, and their tags.

    Args:
        annotated: With entities, or slots, as ``[name : words]``; what stands beside a bracket without white space
            belongs to its word.

    Returns:
        Words, and as many tags (IOB2).

    Raises:
        ValueError: A bracket does not close, or says nothing.
    """
    plain, spans, end = "", [], 0
    for match in _ANNOTATED.finditer(annotated):
        plain += annotated[end : match.start()]
        spans.append((len(plain), len(plain) + len(match[2].strip()), match[1].strip()))
        plain += match[2].strip()
        end = match.end()
    plain += annotated[end:]
    if wrong := re.search(r"[\[\]]", plain):
        raise ValueError(f"a bracket that is no slot [name : words]: {plain[wrong.start() :]!r:.40}")
    if any(start == stop or not name for start, stop, name in spans):
        raise ValueError(f"a slot without name or words: {annotated!r:.80}")
    words, tags, last = [], [], -1
    for word in re.finditer(r"\S+", plain):
        at = next((n for n, (start, stop, _) in enumerate(spans) if word.start() < stop and word.end() > start), -1)
        tags.append(OUTSIDE if at < 0 else f"{'I' if at == last else 'B'}-{spans[at][2]}")
        words.append(word[0])
        last = at
    return words, tags


def without_annotation(annotated: str) -> str:
    """The text of :func:`tagged_words` as it is, without brackets and names."""
    return _ANNOTATED.sub(lambda match: match[2], annotated)
