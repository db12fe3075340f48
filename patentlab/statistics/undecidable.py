"""What the data cannot tell."""

from __future__ import annotations


class UndecidableError(ValueError):
    """A statistic that the data cannot give; the message is the sentence that tables print in its place."""
