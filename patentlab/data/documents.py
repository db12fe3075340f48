"""The real documents of a run: read, split, and cut to the regime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from patentlab.config import ExperimentConfig
from patentlab.corpus import Corpus, Document, derive_seed
from patentlab.data.regimes import keep_part
from patentlab.data.sources import read_corpus
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
    """Read the corpus of a run, split it, and cut its training pool to the regime.

    Args:
        config: ``data``, ``regime`` and the seeds of split and regime are used.

    Returns:
        The documents; the same for the same seeds.

    Raises:
        RequestError: The data are not there or wrong, nothing is left to train on, or the regime is too small.
    """
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
    corpus = read_corpus(config.data)
    return corpus, split_corpus(corpus, config.data.split, derive_seed(config.seed_of("split"), "split"))
