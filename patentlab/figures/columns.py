"""Tables as figures read them: names in order, the rows of a name, numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd


def in_order(names: Iterable[object]) -> list[str]:
    """Each name once, in the order of its first appearance.

    Args:
        names: Repetitions allowed.
    """
    return list(dict.fromkeys(str(name) for name in names))


def rows_of(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    """The rows of a table that belong to a name.

    Args:
        table: With the column, or empty.
        column: Of names.
        value: As text.
    """
    return table if table.empty else table[table[column].astype(str) == value]


def numbers(table: pd.DataFrame, column: str) -> Any:
    """A column as an array of floats; whatever is missing is NaN.

    Args:
        table: With the column, or empty.
        column: Its name.
    """
    return table[column].to_numpy(dtype=float, na_value=np.nan) if column in table else np.empty(0)
