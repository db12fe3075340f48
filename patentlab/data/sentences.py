"""Sentences of a text, by a simple rule."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?][\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(\[\"'])"
    r"(?:[A-Za-z]|figs?|nos?|eqs?|refs?|approx|vs|cf|etc|resp|incl|dr|mr|mrs|inc|corp|co|ltd|jr|st|"
    r"e\.g|i\.e|[A-Za-z]\.[A-Za-z])\.$",
    re.IGNORECASE,
)


def split_sentences(text: str) -> list[str]:
    """Cut a text where a full stop, question or exclamation mark is followed by a capital letter or a digit.

    A full stop after a single letter or a common abbreviation (``FIG. 2``, ``No. 5``, ``e.g. A``) ends nothing.

    Args:
        text: Any text.

    Returns:
        Its sentences in their order, white space between them cut; joined by spaces they are the text again, but for
        that white space.
    """
    sentences, start = [], 0
    for found in _END.finditer(text):
        if not _ABBREVIATED.search(text[start : found.start() + 1]):
            sentences.append(text[start : found.end()].strip())
            start = found.end()
    return [sentence for sentence in (*sentences, text[start:].strip()) if sentence]
