"""Tags of words: the schemes that they come in, and what they are here, IOB2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from patentlab.corpus import OUTSIDE

SCHEMES = ("iob2", "iob1", "bioes")
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
