"""Two classifiers with errors, to be compared."""

import numpy as np


def classifiers(
    documents: int, labels: int, seed: int, flips: tuple[float, float] = (0.1, 0.15)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True labels, and two predictions of them with errors."""
    generator = np.random.default_rng(seed)
    true = generator.random((documents, labels)) < 0.35
    first, second = (true ^ (generator.random(true.shape) < flip) for flip in flips)
    return true, first, second
