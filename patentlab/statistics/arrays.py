"""Arrays as the statistics of this room take them, and what they must be."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from patentlab.statistics.undecidable import UndecidableError

Floats = NDArray[np.float64]
Labels = NDArray[np.bool_]
"""Shape ``(documents, labels)``; of single-label classifiers one-hot."""

FEWEST = 4  # values, documents or clusters to resample: four have 35 different resamples, and three have 10
CHUNK = 64 * 2**20  # bytes that resamples may take at a time


def booleans(*arrays: ArrayLike, dimensions: int) -> list[NDArray[np.bool_]]:
    """Check arrays of what is true or false.

    Args:
        arrays: Of one shape; booleans, or 1 and 0.
        dimensions: That they must have.

    Returns:
        The same as booleans.

    Raises:
        ValueError: Shapes differ or have another number of dimensions, or values are not boolean.
        UndecidableError: Values are missing.
    """
    values = [np.asarray(array) for array in arrays]
    shape = values[0].shape
    if len(shape) != dimensions or any(value.shape != shape for value in values):
        found = ", ".join(str(value.shape) for value in values)
        raise ValueError(f"arrays of one shape with {dimensions} dimensions, not {found}")
    if any(value.dtype.kind == "f" and np.isnan(value).any() for value in values):
        raise UndecidableError("values are missing")
    if not all(np.isin(value, (0, 1)).all() for value in values):
        raise ValueError("values are true or false, 1 or 0")
    return [value.astype(np.bool_) for value in values]
