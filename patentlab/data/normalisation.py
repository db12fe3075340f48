"""Texts written plainly again, before a classifier reads them: a defence against obfuscation.

It knows nothing of who wrote a text or why: what looks encoded or disguised is written out, in benign texts too.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata

from patentlab.data.obfuscations import HOMOGLYPHS, LEET, TAGS_BLOCK

_LETTERS = {ord(other): letter for letter, other in HOMOGLYPHS.items()}
_TAGS = {TAGS_BLOCK + code: chr(code) for code in range(0x20, 0x7F)}
_DIGITS = {digit: letter for letter, digit in LEET.items()}
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{16,}={0,2}(?![A-Za-z0-9+/=])")
_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2} ?){8,}(?![0-9A-Fa-f])")
_SPACED = re.compile(r"(?<!\S)\S(?: \S){3,}(?!\S)(?:   \S(?: \S)*(?!\S))*")
_SPLIT = re.compile(r'"([^"\n]*)"(?:\s*\+\s*"([^"\n]*)")+')
_SYMBOL_LINES = re.compile(r"(?:(?<!\S)[0-9a-fA-F]{6,16} [A-Za-z] fn_\w+\n?){3,}")
_DISGUISED = re.compile(r"(?<![\w.])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z\d]{2,}(?!\w)")
_NUMBER = re.compile(
    r"0[xX][0-9A-Fa-f]+|[0-9A-Fa-f]+|[A-Za-z]{1,3}\d+|[A-Za-z]*_?\d+"
)  # registers, addresses, constants
# English words that tell a text from letters by chance
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """
    the of and to a in is that it you for as with on be this are by not or your all any from use file no
    do if will must should have has an at was can but so now only
""",
    )
)
_ENOUGH = 0.12  # the share of common words in a run of words that is taken for English


def normalise(text: str) -> str:
    """Write a text plainly.

    Args:
        text: Any.

    Returns:
        The text in NFKC; without characters that are not shown, tag characters as the ASCII that they stand for;
        Cyrillic and Greek look-alikes inside words of Latin letters as Latin; letters that stand apart, strings that
        are added up, words with line ends or empty comments inside, and symbols of one word each joined; digits
        inside words as the letters that they look like; base64 and hexadecimal digits decoded where they are UTF-8
        that can be read, and lines whose words are English once moved by half of the alphabet or reversed, turned.
    """
    text = text.translate(_TAGS)
    text = "".join(sign for sign in text if unicodedata.category(sign) not in ("Cf", "Co", "Cn"))
    text = re.sub(r"\w+", _latin, unicodedata.normalize("NFKC", text))
    text = _BASE64.sub(_from_base64, text)
    text = _HEX.sub(_from_hex, text)
    text = _SYMBOL_LINES.sub(_from_symbols, text)
    text = _SPLIT.sub(_from_pieces, text)
    text = text.replace("/**/", "")
    text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", text)
    text = _SPACED.sub(_from_letters, text)
    text = _DISGUISED.sub(_from_digits, text)
    return "\n".join(_turned(line) for line in text.split("\n"))


def _latin(found: re.Match[str]) -> str:
    """Look-alikes as Latin, but not a word that is all of the other script's letters."""
    word = found[0]
    return word.translate(_LETTERS) if any("a" <= sign.lower() <= "z" for sign in word) or _all_alike(word) else word


def _all_alike(word: str) -> bool:
    return all(ord(sign) in _LETTERS for sign in word)


def _readable(content: bytes, otherwise: str) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return otherwise
    return text if text.isprintable() and re.search(r"[A-Za-z]{2}", text) else otherwise


def _from_base64(found: re.Match[str]) -> str:
    try:
        return _readable(base64.b64decode(found[0], validate=True), found[0])
    except binascii.Error:
        return found[0]


def _from_hex(found: re.Match[str]) -> str:
    content, end = found[0].rstrip(" "), " " if found[0].endswith(" ") else ""
    digits = content.replace(" ", "")
    return _readable(bytes.fromhex(digits), content) + end


def _from_symbols(found: re.Match[str]) -> str:
    words = " ".join(line.rpartition("_")[2] for line in found[0].splitlines())
    return words + ("\n" if found[0].endswith("\n") else "")


def _from_pieces(found: re.Match[str]) -> str:
    return "".join(re.findall(r'"([^"\n]*)"', found[0]))


def _from_letters(found: re.Match[str]) -> str:
    return " ".join(word.replace(" ", "") for word in found[0].split("   "))


def _from_digits(found: re.Match[str]) -> str:
    word = found[0]
    if _NUMBER.fullmatch(word):
        return word
    return "".join(_DIGITS.get(sign, sign) for sign in word)


def _turned(line: str) -> str:
    """A line, moved by half of the alphabet or with its words reversed where only that makes it English."""
    if _english(line):
        return line
    for other in (codecs.encode(line, "rot13"), re.sub(r"\S+", lambda word: word[0][::-1], line)):
        if _english(other):
            return other
    return line


def _english(line: str) -> bool:
    words = re.findall(r"[A-Za-z]+", line.lower())
    return len(words) > 3 and sum(word in _COMMON for word in words) >= _ENOUGH * len(words)
