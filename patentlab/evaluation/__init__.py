"""Metrics of predictions. Works on arrays and knows nothing of models."""

import re

_LOWER = re.compile(
    r"(.*_)?(ece|brier|hamming_loss|false_alarms|unparsable|unparsable_pieces|unread_words|partly_read|\w*error|\w*loss)"
)


def lower_is_better(metric: str) -> bool:
    """Whether less of a metric is better: errors, losses, and what was not read.

    Args:
        metric: Its name, with that of a part before it or without. One from another package that falls as things get
            better ends in ``error`` or ``loss``, as scikit-learn's do.
    """
    return _LOWER.fullmatch(metric) is not None
