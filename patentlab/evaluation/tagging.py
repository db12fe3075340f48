"""Tagged words: entities of tags, and how far those that were given are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from patentlab.corpus import OUTSIDE

if TYPE_CHECKING:
    import pandas as pd

Entity = tuple[int, int, str]
"""First word, the word behind the last, type."""

Tags = Sequence[Sequence[str]]
"""Of documents: IOB2 tags of their words."""

NOTHING = "nothing"  # what an entity is taken for that is not given at all


def entities(tags: Sequence[str]) -> list[Entity]:
    """Entities of tags, read strictly: each begins with ``B-``, and words with ``I-`` and its type go on with it.

    An ``I-`` that goes on with nothing is no entity; conlleval and the default of seqeval would count it as one.

    Args:
        tags: Of one document, IOB2, well formed or not.

    Returns:
        In their order.
    """
    found: list[Entity] = []
    start, kind = 0, ""
    for position, tag in enumerate((*tags, OUTSIDE)):
        if kind and tag != f"I-{kind}":
            found.append((start, position, kind))
            kind = ""
        if tag.startswith("B-"):
            start, kind = position, tag[2:]
    return found


@dataclass(frozen=True, eq=False)
class EntityCounts:
    """Entities by document and type, each of shape ``(documents, types)``.

    Attributes:
        right: Given with the right words and type.
        true: Those that there are.
        given: Those that were given.
    """

    right: NDArray[np.int64]
    true: NDArray[np.int64]
    given: NDArray[np.int64]


def count_entities(true: Tags, given: Tags, types: Sequence[str]) -> EntityCounts:
    """Count entities.

    Args:
        true: Tags of documents.
        given: As many of each.
        types: The columns.
    """
    column = {name: index for index, name in enumerate(types)}
    counts = np.zeros((3, len(true), len(types)), dtype=np.int64)
    for row, (own, other) in enumerate(zip(true, given, strict=True)):
        there, said = set(entities(own)), set(entities(other))
        for layer, found in enumerate((there & said, there, said)):
            for *_, kind in found:
                counts[layer, row, column[kind]] += 1
    return EntityCounts(*counts)


def evaluate(true: Tags, given: Tags, types: Sequence[str]) -> dict[str, float]:
    """Metrics of tags.

    Args:
        true: Tags of documents.
        given: As many of each.
        types: All of them.

    Returns:
        F1, precision and recall of entities, strictly read (right words and right type): ``micro`` over all entities,
        ``macro`` as the mean over all types (seqeval leaves out those that neither occur nor were given);
        ``token_accuracy`` (words with the right tag) and
        ``accuracy`` (documents with all tags right). Undefined values are 0.
    """
    counts = count_entities(true, given, types)
    right, there, said = (layer.sum(axis=0) for layer in (counts.right, counts.true, counts.given))
    by_type = _scores(right, there, said)
    overall = _scores(right.sum(), there.sum(), said.sum())
    words = np.concatenate([np.equal(own, other) for own, other in zip(true, given, strict=True)] or [np.zeros(0)])
    whole = [list(tags) == list(others) for tags, others in zip(true, given, strict=True)]
    return {
        **{f"{name}_micro": float(value) for name, value in overall.items()},
        **{f"{name}_macro": float(value.mean()) for name, value in by_type.items()},
        "token_accuracy": float(words.mean()) if len(words) else 0.0,
        "accuracy": float(np.mean(whole)) if whole else 0.0,
    }


def _scores(
    right: NDArray[np.int64], there: NDArray[np.int64], said: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """F1, precision and recall; 0 where there is nothing to divide by."""

    def share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(part / np.maximum(whole, 1), dtype=np.float64)

    return {"f1": share(2 * right, there + said), "precision": share(right, said), "recall": share(right, there)}


def unparsable(true: Tags, given: Tags, scores: Sequence[NDArray[np.floating]]) -> dict[str, float]:
    """What could not be read of answers that were written.

    Args:
        true: Tags of documents.
        given: As many of each.
        scores: Of documents, shape ``(words, tags)``; a word's add up to 1 / (1 + the number of entities written that
            could not be read). NaN for words that were not shown.

    Returns:
        Nothing unless all scores are of one tag a word; else ``unparsable``, the share of documents with anything that
        could not be read, ``unparsable_pieces``, the share of entities written that could not, and
        ``f1_micro_written``, the F1 of entities in which those count as given, and wrong.
    """
    shown = [rows[~np.isnan(rows).any(axis=1)] for rows in scores]
    if not any(map(len, shown)) or any((rows > 0).sum(axis=1).max(initial=0) > 1 for rows in shown):
        return {}
    lost = np.array([round(1 / rows[0].sum() - 1) if len(rows) else 0 for rows in shown])
    there, said = ([set(entities(tags)) for tags in part] for part in (true, given))
    right = sum(len(one & other) for one, other in zip(there, said, strict=True))
    pieces = sum(map(len, said)) + int(lost.sum())
    return {
        "unparsable": float((lost > 0).mean()),
        "unparsable_pieces": int(lost.sum()) / max(pieces, 1),
        "f1_micro_written": 2 * right / max(sum(map(len, there)) + pieces, 1),
    }


def per_type(true: Tags, given: Tags, types: Sequence[str]) -> pd.DataFrame:
    """Precision, recall, F1 and support of each type of entity.

    Args:
        true: Tags of documents.
        given: As many of each.
        types: All of them, in order.

    Returns:
        A row per type: ``label, precision, recall, f1, support, predicted``; the last two count entities.
    """
    import pandas as pd

    counts = count_entities(true, given, types)
    right, there, said = (layer.sum(axis=0) for layer in (counts.right, counts.true, counts.given))
    scores = _scores(right, there, said)
    return pd.DataFrame(
        {
            "label": list(types),
            "precision": scores["precision"],
            "recall": scores["recall"],
            "f1": scores["f1"],
            "support": there,
            "predicted": said,
        }
    )


def confusions(true: Tags, given: Tags) -> pd.DataFrame:
    """What entities were taken for.

    Args:
        true: Tags of documents.
        given: As many of each.

    Returns:
        ``label, given, entities, share``: entities of a type that were given with the same words and a type; with other
        words (of which some are the same), ``part of`` and the type; or not at all, ``nothing``. The share is of the
        entities of the type.
    """
    import pandas as pd

    counts: Counter[tuple[str, str]] = Counter()
    support: Counter[str] = Counter()
    for own, other in zip(true, given, strict=True):
        said = entities(other)
        for start, end, kind in entities(own):
            support[kind] += 1
            same = next((name for first, last, name in said if (first, last) == (start, end)), None)
            part = next((f"part of {name}" for first, last, name in said if first < end and last > start), NOTHING)
            counts[kind, same or part] += 1
    rows = [(kind, name, n, n / support[kind]) for (kind, name), n in sorted(counts.items())]
    return pd.DataFrame(rows, columns=["label", "given", "entities", "share"])
