"""Fabricated texts from reverse engineering, some of which carry an injected instruction.

Listings, decompiled C, string tables, symbols, commented sources and logs, none of them of a real program. Each holds
one to three remarks where a program's own words stand: in comments, strings and messages. In an injected one a payload
stands in the place of one of them, so that neither the place nor the number of remarks tells the two apart; and many
remarks use the words that injections use. Training, validation and test set share none of the templates, none of the
categories of payloads, and none of the remarks (``carriers.yaml``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml

from patentlab.corpus import SETS, derive_seed

VERSION = 1  # raise when the same seed yields other documents
VOCABULARY = "carriers.yaml"

_ROUND = (0, 0, 1, 2)  # the set of each document, by turns: half of all are for training
_INJECTED = {0: (0, 1), 1: (0, 0, 1), 2: (0, 1)}  # by set and turns: validation has two benign ones for each injection
_LINES = (5, 11)  # of a carrier, beside its remarks
_REMARKS = (1, 3)
_REGISTERS = ("eax", "ebx", "ecx", "edx", "esi", "edi", "r8", "r9", "r10", "x0", "x1", "x19")
_VERBS = ("init", "read", "write", "parse", "copy", "hash", "open", "send", "free", "load", "check", "unpack")
_NOUNS = ("buf", "hdr", "key", "blk", "conf", "sock", "tbl", "img", "ctx", "node", "str", "page")
_HERE = "\0"  # where the span goes
_TEXTS = (
    "invalid argument",
    "%s not found",
    "out of memory",
    "retry %d of %d",
    "bad magic",
    "/dev/null",
    "en_US.UTF-8",
)


@dataclass(frozen=True)
class Piece:
    """A fabricated document, with the place of what may be obfuscated.

    Attributes:
        held: One of ``SETS``.
        injected: Whether a payload stands in it.
        kind: Of carrier.
        category: Of the payload; None without one.
        before: Text before the payload or, in a benign document, before one of its remarks.
        span: That payload or remark.
        after: Text after it.
    """

    held: str
    injected: bool
    kind: str
    category: str | None
    before: str
    span: str
    after: str

    def text(self, write: Callable[[str], str] | None = None) -> str:
        """The whole text, its span written by a function if one is given."""
        return self.before + (self.span if write is None else write(self.span)) + self.after


@cache
def vocabulary() -> Mapping[str, Any]:
    """The content of ``carriers.yaml``."""
    content: Mapping[str, Any] = yaml.safe_load(
        resources.files(__package__).joinpath(VOCABULARY).read_text(encoding="utf-8")
    )
    return content


def piece(index: int, seed: int) -> Piece:
    """Fabricate a document.

    Args:
        index: In the corpus; a larger corpus begins with the smaller one.
        seed: Of the corpus.

    Returns:
        The same for the same index and seed.
    """
    rng = np.random.default_rng(derive_seed(seed, f"carrier {index}"))
    turn, place = divmod(index, len(_ROUND))
    number = _ROUND[place]
    turn = turn * _ROUND.count(number) + _ROUND[:place].count(number)  # of the documents of this set
    injected, held = bool(_INJECTED[number][turn % len(_INJECTED[number])]), SETS[number]
    words, kinds = vocabulary(), vocabulary()["carriers"][held]
    kind = _one(rng, list(kinds))
    carrier = _one(rng, kinds[kind])
    remarks = [_sentence(rng, words["remarks"][held]) for _ in range(rng.integers(_REMARKS[0], _REMARKS[1] + 1))]
    category, chosen = None, int(rng.integers(len(remarks)))
    if injected:
        category = _one(rng, list(words["payloads"][held]))
        remarks[chosen] = _sentence(rng, words["payloads"][held][category])
    lines = [_filled(rng, _one(rng, carrier["lines"])) for _ in range(rng.integers(_LINES[0], _LINES[1] + 1))]
    places = sorted(int(place) for place in rng.integers(0, len(lines) + 1, size=len(remarks)))
    frames = [_filled(rng, _one(rng, carrier["span"])) for _ in remarks]
    written = [*remarks[:chosen], _HERE, *remarks[chosen + 1 :]]
    for at, frame, remark in reversed([*zip(places, frames, written, strict=True)]):
        lines.insert(at, frame.replace("{span}", remark))
    before, _, after = "\n".join(lines).partition(_HERE)
    return Piece(held, injected, kind, category, before, remarks[chosen], after)


def _one(rng: np.random.Generator, values: Any) -> Any:
    return values[rng.integers(len(values))]


def _sentence(rng: np.random.Generator, templates: list[str]) -> str:
    """A template with its slots filled."""
    slots = vocabulary()["slots"]
    return re.sub(r"\{(\w+)\}", lambda found: str(_one(rng, slots[found[1]])), _one(rng, templates))


def _filled(rng: np.random.Generator, line: str) -> str:
    """A line with its random parts, each a % and a letter, and ``{span}`` as it is."""
    return re.sub(r"%(.)", lambda found: _PARTS[found[1]](rng), line)


def _function(rng: np.random.Generator) -> str:
    return f"{_one(rng, _VERBS)}_{_one(rng, _NOUNS)}"


_PARTS: dict[str, Callable[[np.random.Generator], str]] = {
    "%": lambda rng: "%",
    "A": lambda rng: f"{int(rng.integers(0x401000, 0x4FFFFF)):08x}",
    "C": lambda rng: f"{rng.integers(24):02d}:{rng.integers(60):02d}:{rng.integers(60):02d}",
    "D": lambda rng: str(rng.integers(1, 30)),
    "F": _function,
    "H": lambda rng: rng.bytes(int(rng.integers(3, 8))).hex(" "),
    "N": lambda rng: str(rng.integers(1, 4096)),
    "R": lambda rng: str(_one(rng, _REGISTERS)),
    "T": lambda rng: str(_one(rng, _TEXTS)),
}
