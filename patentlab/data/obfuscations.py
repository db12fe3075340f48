"""Ways to write a text so that a reader who looks for its words misses them, and a language model may not.

An obfuscation of your own is a function that registers itself, in a module of yours that an entry point names
(``patentlab.obfuscations``):

    @OBFUSCATIONS.add("doubled")
    @of_family("spelling")
    def doubled(text, rng):
        ...

Families are what training leaves out whole, so that one can see what was learned of obfuscations that were never seen.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from patentlab.config.registry import OBFUSCATIONS

Obfuscation = Callable[[str, np.random.Generator], str]
"""A text and a source of randomness → the text, written otherwise."""

FAMILIES = ("spelling", "encoding", "layout", "code")

LEET = {"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"}
# letters of Cyrillic and Greek that look like those of Latin
_SMALL = "\u0430\u0441\u0435\u0456\u0458\u043e\u0440\u0455\u0445\u0443\u04bb"
_CAPITAL = "\u0391\u0392\u0421\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7"
HOMOGLYPHS = dict(zip("aceijopsxyhABCEHIKMNOPTX", _SMALL + _CAPITAL, strict=True))
ZERO_WIDTH = ("\u200b", "\u200c", "\u200d", "\u2060")
TAGS_BLOCK = 0xE0000  # Unicode's tag characters: ASCII moved up, shown as nothing
_OFTEN = 0.7  # the share of letters or gaps that are changed, where some are


def of_family(family: str) -> Callable[[Obfuscation], Obfuscation]:
    """Say which family an obfuscation belongs to.

    Args:
        family: One of ``FAMILIES``, or a name of your own.

    Returns:
        A decorator that returns what it is given.
    """

    def mark(obfuscation: Any) -> Obfuscation:
        obfuscation.family = family
        return obfuscation  # type: ignore[no-any-return]

    return mark


def family_of(name: str) -> str:
    """The family of an obfuscation; one that says nothing of it is a family by itself."""
    return str(getattr(OBFUSCATIONS.get(name), "family", name))


def names_without(family: str | None) -> list[str]:
    """The obfuscations of all families but one; of all where it is None."""
    return [name for name in OBFUSCATIONS.names() if family is None or family_of(name) != family]


def _spelt(text: str, rng: np.random.Generator, letters: dict[str, str]) -> str:
    return "".join(letters[sign] if sign in letters and rng.random() < _OFTEN else sign for sign in text)


def _words(text: str, write: Callable[[str], str]) -> str:
    """With each word written otherwise, and white space as it is."""
    return "".join(write(part) if part and not part.isspace() else part for part in re.split(r"(\s+)", text))


@OBFUSCATIONS.add("case")
@of_family("spelling")
def case(text: str, rng: np.random.Generator) -> str:
    """Letters in upper and lower case by chance."""
    return "".join(sign.upper() if rng.random() < 0.5 else sign.lower() for sign in text)


@OBFUSCATIONS.add("leetspeak")
@of_family("spelling")
def leetspeak(text: str, rng: np.random.Generator) -> str:
    """Digits for most of the letters that look like them."""
    return _spelt(text.lower(), rng, LEET)


@OBFUSCATIONS.add("homoglyphs")
@of_family("spelling")
def homoglyphs(text: str, rng: np.random.Generator) -> str:
    """Cyrillic and Greek letters for most of those that look the same."""
    return _spelt(text, rng, HOMOGLYPHS)


@OBFUSCATIONS.add("zero_width")
@of_family("spelling")
def zero_width(text: str, rng: np.random.Generator) -> str:
    """Characters without width inside words."""

    def write(word: str) -> str:
        gaps = (ZERO_WIDTH[rng.integers(len(ZERO_WIDTH))] if rng.random() < _OFTEN else "" for _ in word[1:])
        return word[0] + "".join(gap + sign for gap, sign in zip(gaps, word[1:], strict=True))

    return _words(text, write)


@OBFUSCATIONS.add("unicode_tags")
@of_family("spelling")
def unicode_tags(text: str, rng: np.random.Generator) -> str:
    """ASCII as Unicode's tag characters, which are not shown."""
    return "".join(chr(TAGS_BLOCK + ord(sign)) if 0x20 <= ord(sign) < 0x7F else sign for sign in text)


@OBFUSCATIONS.add("base64")
@of_family("encoding")
def in_base64(text: str, rng: np.random.Generator) -> str:
    """UTF-8 in base64."""
    return base64.b64encode(text.encode()).decode()


@OBFUSCATIONS.add("hex")
@of_family("encoding")
def in_hex(text: str, rng: np.random.Generator) -> str:
    """UTF-8 as hexadecimal digits, with or without blanks between bytes."""
    return text.encode().hex(" ") if rng.random() < 0.5 else text.encode().hex()


@OBFUSCATIONS.add("rot13")
@of_family("encoding")
def rot13(text: str, rng: np.random.Generator) -> str:
    """Letters moved by half of the alphabet."""
    return codecs.encode(text, "rot13")


@OBFUSCATIONS.add("spacing")
@of_family("layout")
def spacing(text: str, rng: np.random.Generator) -> str:
    """A blank after each character, and three between words."""
    return "   ".join(" ".join(word) for word in text.split())


@OBFUSCATIONS.add("line_breaks")
@of_family("layout")
def line_breaks(text: str, rng: np.random.Generator) -> str:
    """Line ends inside words of four letters and more."""

    def write(word: str) -> str:
        if len(word) < 4:
            return word
        cut = int(rng.integers(2, len(word) - 1))
        return f"{word[:cut]}-\n{word[cut:]}" if rng.random() < 0.5 else f"{word[:cut]}\n{word[cut:]}"

    return _words(text, write)


@OBFUSCATIONS.add("reversed_words")
@of_family("layout")
def reversed_words(text: str, rng: np.random.Generator) -> str:
    """Each word from its end to its beginning."""
    return _words(text, lambda word: word[::-1])


@OBFUSCATIONS.add("comments")
@of_family("code")
def comments(text: str, rng: np.random.Generator) -> str:
    """Empty comments of C inside words of four letters and more."""

    def write(word: str) -> str:
        if len(word) < 4:
            return word
        cut = int(rng.integers(1, len(word)))
        return f"{word[:cut]}/**/{word[cut:]}"

    return _words(text, write)


@OBFUSCATIONS.add("string_splitting")
@of_family("code")
def string_splitting(text: str, rng: np.random.Generator) -> str:
    """Pieces of three to seven characters, as strings that a program adds up."""
    return " + ".join(f'"{piece}"' for piece in _pieces(text, rng))


@OBFUSCATIONS.add("symbols")
@of_family("code")
def symbols(text: str, rng: np.random.Generator) -> str:
    """A word a symbol, each at an address of its own."""
    address = int(rng.integers(0x1000, 0xF000)) * 16
    lines = []
    for word in text.split():
        address += int(rng.integers(1, 40)) * 16
        lines.append(f"{address:08x} T fn_{re.sub(r'[^0-9A-Za-z]', '', word).lower()}")
    return "\n".join(lines)


def _pieces(text: str, rng: np.random.Generator) -> Iterable[str]:
    start = 0
    while start < len(text):
        end = start + int(rng.integers(3, 8))
        yield text[start:end]
        start = end
