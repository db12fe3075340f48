"""Detection of what is rare and matters: the threshold comes from false alarms, and recall is measured at it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FALSE_ALARMS = 0.01  # the share of benign validation documents that may be taken for an alarm
FEWEST_BENIGN = 500  # validation documents that such a share can be told from: five of them are the alarms

Raised = NDArray[np.bool_]


def threshold_at(scores: NDArray[np.floating], rate: float = FALSE_ALARMS) -> float:
    """The lowest threshold that lets at most a share of benign documents through.

    Args:
        scores: Of benign documents, shape ``(documents,)``; what scores at least the threshold is an alarm.
        rate: The share.

    Returns:
        The smallest number above the highest score that must not be an alarm. Ties are on the side of no alarm, so the
        share that is let through may be smaller, and is zero where fewer than ``1 / rate`` documents are given.
    """
    ranked = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    allowed = int(np.floor(rate * len(ranked) + 1e-9))
    return float(np.nextafter(ranked[allowed], np.inf)) if len(ranked) > allowed else float("-inf")


def rate(name: str, happened: Raised, level: float = 0.05) -> dict[str, float]:
    """A share of documents, with an interval.

    Args:
        name: Of the share.
        happened: By document.
        level: One minus the interval's coverage.

    Returns:
        The share under its name, with ``_low`` and ``_high`` (Wilson 1927; documents count as independent of each
        other); nothing where there are no documents.
    """
    from scipy.stats import binomtest

    if not len(happened):
        return {}
    interval = binomtest(int(happened.sum()), len(happened)).proportion_ci(1 - level, method="wilson")
    return {name: float(happened.mean()), f"{name}_low": float(interval.low), f"{name}_high": float(interval.high)}


def rates(raised: Raised, positive: Raised) -> dict[str, float]:
    """Recall and false alarms, with intervals.

    Args:
        raised: Which documents are alarms, shape ``(documents,)``.
        positive: Which should be.

    Returns:
        ``recall``, and ``false_alarms``, the share of all others that are alarms, as of :func:`rate`.
    """
    return rate("recall", raised[positive]) | rate("false_alarms", raised[~positive])
