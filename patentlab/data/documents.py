"""The real documents of a run: read, split, and cut to the regime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from patentlab.config import ExperimentConfig, UnionConfig
from patentlab.config.registry import TASKS
from patentlab.corpus import Corpus, Document, derive_seed
from patentlab.data.audit import same_text
from patentlab.data.regimes import keep_part
from patentlab.data.sources import read_corpus
from patentlab.data.sources.union import each_part, of_part, united
from patentlab.data.splits import Split, split_corpus
from patentlab.data.unlabelled import read_unlabelled


@dataclass(frozen=True)
class Documents:
    """What a run has of real documents.

    Attributes:
        corpus: All of the source.
        split: Training pool, validation and test set.
        real: Those of the pool that the regime leaves.
        unlabelled: Texts without labels, for a teacher to answer.
        unlabelled_counts: How many, and how many were left out.
    """

    corpus: Corpus
    split: Split
    real: tuple[Document, ...]
    unlabelled: tuple[str, ...] = ()
    unlabelled_counts: Mapping[str, int] = field(default_factory=dict)


def read_documents(config: ExperimentConfig) -> Documents:
    """Read the corpus of a run, split it, and cut its training pool to the regime; each part of a union by itself.

    Args:
        config: ``data``, ``regime`` and the seeds of split and regime are used.

    Returns:
        The documents; the same for the same seeds, and those of a part the same as if it were alone.

    Raises:
        RequestError: The data are not there or wrong, nothing is left to train on, or the regime is too small.
    """
    if isinstance(config.data, UnionConfig):
        return _together(each_part(config.data, lambda part: read_documents(replace(config, data=part))), config.data)
    corpus, split = read_split(config)
    real = keep_part(split.pool, corpus.labels, config.regime.divisor, derive_seed(config.seed_of("regime"), "regime"))
    return Documents(corpus, split, real, *read_unlabelled(config.data, split, real, corpus.labels))


def read_split(config: ExperimentConfig) -> tuple[Corpus, Split]:
    """The same without the regime.

    Args:
        config: ``data`` and the split's seed are used.

    Returns:
        The corpus and its split.

    Raises:
        RequestError: The data are not there or wrong, or nothing is left to train on.
    """
    if isinstance(config.data, UnionConfig):
        each = each_part(config.data, lambda part: Documents(*read_split(replace(config, data=part)), ()))
        both = _together(each, config.data)
        return both.corpus, both.split
    corpus = read_corpus(config.data)
    return corpus, split_corpus(corpus, config.data.split, derive_seed(config.seed_of("split"), "split"))


def _together(each: Mapping[str, Documents], config: UnionConfig) -> Documents:
    """Parts in one, none of which changes another's sets."""

    def of(name: str, documents: tuple[Document, ...]) -> list[Document]:
        labelled = TASKS.get(config.parts[name].task).labels_documents
        return [of_part(document, name, labelled=labelled) for document in documents]

    def gathered(sets: Callable[[Documents], tuple[Document, ...]]) -> tuple[Document, ...]:
        return tuple(document for name, part in each.items() for document in of(name, sets(part)))

    pool, real = gathered(lambda part: part.split.pool), gathered(lambda part: part.real)
    validation, test = gathered(lambda part: part.split.validation), gathered(lambda part: part.split.test)
    counts = {f"{name}_{what}": count for name, part in each.items() for what, count in part.split.counts.items()}
    for name, held in (("validation", validation), ("test", test)):
        counts[f"{name}_texts_in_training"] = _repeated(held, pool)
    corpus = united({name: part.corpus for name, part in each.items()}, config)
    return Documents(corpus, Split(pool, validation, test, counts), real)


def _repeated(held: tuple[Document, ...], pool: tuple[Document, ...]) -> int:
    """How many documents of a held-out set have a text that another part has in its training pool."""
    groups = same_text([document.text for document in (*pool, *held)])
    known = set(groups[: len(pool)].tolist())
    return sum(group in known for group in groups[len(pool) :].tolist())
