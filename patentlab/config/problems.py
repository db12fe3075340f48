"""What a user is told of a mistake."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RequestError(Exception):
    """What was asked for cannot be done: the user's mistake, told in one line each, never with a traceback.

    Args:
        problems: One line per problem: what is wrong, and what is allowed.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def closest(word: str, known: Iterable[str]) -> str:
    """A word that is not known, with the known ones that look like it.

    Args:
        word: As it was written.
        known: What could have been meant.

    Returns:
        ``trainer.epoch (did you mean trainer.epochs?)``, or the word alone.
    """
    similar = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"{word} (did you mean {' or '.join(similar)}?)" if similar else word
