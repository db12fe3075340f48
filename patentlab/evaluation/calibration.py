"""How far probabilities can be taken at their word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 15


def expected_calibration_error(
    stated: NDArray[np.floating], observed: NDArray[np.integer | np.bool_ | np.floating], bins: int = BINS
) -> float:
    """The mean distance between stated and observed probability, over bins of equal width.

    Guo et al. 2017, equation 3.

    Args:
        stated: Probabilities of shape ``(n,)``.
        observed: Whether what they stand for is so, of the same shape.
        bins: Their number.

    Returns:
        A value between 0 and 1, weighted by what each bin holds.
    """
    stated, outcomes = stated.astype(np.float64), observed.astype(np.float64)
    position = np.clip(np.ceil(stated * bins).astype(int) - 1, 0, bins - 1)
    held = np.bincount(position, minlength=bins)
    gaps = np.bincount(position, weights=outcomes - stated, minlength=bins)
    return float(np.abs(gaps).sum() / held.sum())
