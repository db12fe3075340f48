"""Texts with and without injected instructions: a fabricated corpus, or a file of your own.

Without ``data.path`` the corpus is made of :mod:`patentlab.data.carriers`; it is fabricated, and is called so wherever
it is named. With one, a file of JSON lines is read, with ``text`` and ``label`` (``benign`` or ``injection``).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np

from patentlab.config import DataConfig, RequestError
from patentlab.config.bounds import bounded
from patentlab.config.registry import OBFUSCATIONS, SOURCES
from patentlab.corpus import SETS, Corpus, Document, derive_seed
from patentlab.data import carriers
from patentlab.data.normalisation import normalise
from patentlab.data.obfuscations import family_of, names_without
from patentlab.data.sources import Source
from patentlab.data.sources.jsonl import file_fingerprint, json_rows
from patentlab.data.sources.rows import keep_labels, read_rows

BENIGN, INJECTION = LABELS = ("benign", "injection")
SIZE = 3000  # of the fabricated corpus: 500 benign validation documents


@dataclass
class InjectionConfig(DataConfig):
    """Settings of ``data=injection``.

    Attributes:
        obfuscated: The share of training documents that are obfuscated.
        obfuscations: By which, each as often; None: by all that are not of the family that is held out.
        held_out: The family of obfuscations that training never sees; None: it sees all.
        normalise: Whether texts are written plainly before a classifier reads them.
    """

    text: str = "text"
    labels: str | None = "label"
    obfuscated: float = bounded(0.0, least=0, most=1)
    obfuscations: list[str] | None = None
    held_out: str | None = None
    normalise: bool = False

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from super().check()
        families = sorted({family_of(name) for name in OBFUSCATIONS.names()})
        if self.held_out is not None and self.held_out not in families:
            yield f"data.held_out={self.held_out}: allowed are {', '.join(families)}, or null"
        for name in self.obfuscations or ():
            if name not in OBFUSCATIONS:
                yield f"data.obfuscations={name}: allowed are {', '.join(OBFUSCATIONS.names())}"
            elif family_of(name) == self.held_out:
                yield f"data.obfuscations={name}: data.held_out={self.held_out} keeps its family from training"
        if self.obfuscations == []:
            yield "data.obfuscations: must name one at least; null takes all that are not held out"
        if self.path is None and self.split.method != "given":
            yield "data.split.method: the fabricated corpus has sets that share no templates; set it to given"
        if self.path is not None and self.split.method == "given" and self.split.column is None:
            yield "data.split.method=given: a file has no sets of its own; set data.split.method=stratified"
        if self.obfuscated and self.path is not None:
            yield "data.obfuscated: is for the fabricated corpus alone; set it to 0, or leave out data.path"

    @property
    def idle(self) -> dict[str, str]:
        """Settings that change nothing beside the others, and why."""
        return (
            {} if self.obfuscated else dict.fromkeys(("obfuscations", "held_out"), "data.obfuscated=0 obfuscates none")
        )

    @property
    def of_training(self) -> list[str]:
        """The obfuscations that training documents may have."""
        return self.obfuscations if self.obfuscations is not None else names_without(self.held_out)


def read(config: DataConfig) -> Corpus:
    """Make the corpus, or read the file.

    Args:
        config: ``path``, ``size``, ``corpus_seed``, the settings above, and what chooses labels.

    Returns:
        Documents with one label each, ``benign`` or ``injection``. Fabricated ones know their set, and those for
        training may be obfuscated; documents of a file are all as they stand there, since none of them is for training
        before the split.

    Raises:
        RequestError: The file is missing or broken; file and line are named.
    """
    assert isinstance(config, InjectionConfig)
    if config.path is not None:
        corpus = read_rows(json_rows(Path(config.path), config.encoding or "utf-8"), config, str(config.path))
        if corpus.labels.names != LABELS:
            raise RequestError(
                f"{config.path}: {config.labels} has {', '.join(corpus.labels.names)}; wanted are {', '.join(LABELS)}"
            )
        return replace(corpus, documents=tuple(plain(config, document) for document in corpus.documents))
    return keep_labels([_fabricated(config, index) for index in range(config.size or SIZE)], config)


def fingerprint(config: DataConfig) -> str:
    """SHA-256 of the file's bytes, or of the corpus' version and vocabulary."""
    if config.path is not None:
        return file_fingerprint(Path(config.path))
    content = resources.files("patentlab.data").joinpath(carriers.VOCABULARY).read_bytes()
    return hashlib.sha256(f"injection {carriers.VERSION}\n".encode() + content).hexdigest()


def rewritten(config: DataConfig, documents: Sequence[Document], obfuscation: str) -> list[Document]:
    """The same documents, obfuscated.

    Args:
        config: That they were read by.
        documents: Of the corpus.
        obfuscation: Its name.

    Returns:
        Of fabricated ones, the payload is obfuscated or, in benign ones, one of the remarks; of others the whole text.
    """
    assert isinstance(config, InjectionConfig)
    return [plain(config, _obfuscated(config, document, obfuscation)) for document in documents]


def _fabricated(config: InjectionConfig, index: int) -> Document:
    piece = carriers.piece(index, config.corpus_seed or 0)
    label = INJECTION if piece.injected else BENIGN
    document = Document(f"injection-{index:06d}", piece.text(), (label,), split=piece.held)
    rng = np.random.default_rng(derive_seed(config.corpus_seed or 0, f"obfuscated {index}"))
    if piece.held == "train" and rng.random() < config.obfuscated:
        document = _obfuscated(config, document, config.of_training[rng.integers(len(config.of_training))])
    return plain(config, document)


def _obfuscated(config: InjectionConfig, document: Document, obfuscation: str) -> Document:
    write = OBFUSCATIONS.get(obfuscation)
    rng = np.random.default_rng(derive_seed(config.corpus_seed or 0, f"{obfuscation} {document.id}"))
    if config.path is not None:
        return replace(document, text=write(document.text, rng))
    piece = carriers.piece(int(document.id.rpartition("-")[2]), config.corpus_seed or 0)
    return replace(document, text=piece.text(lambda span: write(span, rng)))


def plain(config: DataConfig, document: Document) -> Document:
    """A document as a classifier reads it: normalised, where the configuration says so."""
    assert isinstance(config, InjectionConfig)
    return replace(document, text=normalise(document.text)) if config.normalise else document


def carried(config: DataConfig, payloads: Sequence[Document]) -> list[Document]:
    """Payloads from elsewhere, each in a fabricated carrier of the test set.

    Args:
        config: ``corpus_seed`` and ``normalise`` are used.
        payloads: Whose texts stand in the place of the carriers' own.

    Returns:
        As many documents.
    """
    assert isinstance(config, InjectionConfig)
    seed = config.corpus_seed or 0
    pieces = (piece for index in itertools.count() if (piece := carriers.piece(index, seed)).held == SETS[2])
    injected = (piece for piece in pieces if piece.injected)
    return [
        plain(config, replace(payload, text=piece.text(lambda _, text=payload.text: " ".join(text.split()))))  # type: ignore[misc]
        for payload, piece in zip(payloads, injected)  # noqa: B905  # carriers have no end
    ]


SOURCES.add("injection", settings=InjectionConfig)(
    Source(read, fingerprint, split=True, one_label=True, made=True, rewritten=rewritten)
)
