"""The small protocols by which a room is handed what it needs from rooms to its right, or keeps itself exchangeable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from patentlab.corpus import Document, Examples, LabelSpace

Targets = NDArray[np.int8]
"""Zeros and ones of shape ``(documents, labels)``."""

Scores = NDArray[np.float32]
"""Probabilities of shape ``(documents, labels)``."""

Measure = Callable[[Any, Any], dict[str, float]]
"""Metrics of targets and outputs in the form of a task, at whatever decisions suit these outputs best."""


class Advance(Protocol):
    """Moves a progress bar on."""

    def __call__(self, steps: int, note: str = "") -> None:
        """Move on by so many steps, with a short note."""
        ...


class Progress(Protocol):
    """Where long work reports how far it is."""

    def task(self, description: str, total: int) -> AbstractContextManager[Advance]:
        """A bar over ``total`` steps, for as long as the context is open."""
        ...

    def say(self, line: str) -> None:
        """One line above the bars."""
        ...


class Silent:
    """Progress that nobody watches."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """A task without a bar."""

        def advance(steps: int, note: str = "") -> None:
            pass

        yield advance

    def say(self, line: str) -> None:
        """Nobody hears it."""


@dataclass(frozen=True)
class Observer:
    """Who watches a training run: what measures it, what shows it, and what keeps its curve.

    Attributes:
        measure: Metrics of validation targets and outputs; the monitored one is among them.
        progress: Progress bars.
        on_epoch: Called with each row of the history as it comes.
        monitor: The metric that chooses an epoch.
    """

    measure: Measure
    progress: Progress = field(default_factory=Silent)
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None
    monitor: str = "f1_micro"


@dataclass(frozen=True)
class Choice:
    """Which was kept: what was trained, or the probe on frozen layers that it had to beat.

    Attributes:
        kept: ``tuned`` or ``probe``.
        weights: Of the other.
        outputs: Of the other, in the order of the validation examples; None where they are not known.
    """

    kept: str
    weights: Any
    outputs: Any


@dataclass(frozen=True)
class TrainingReport:
    """How a training run went.

    Attributes:
        history: A row per epoch: ``epoch, step, train_loss, validation_loss, validation_…``; empty for baselines.
        optimiser_steps: Steps that were taken, those after the best epoch included.
        examples_seen: Training documents that passed through, counted each time.
        best_epoch: The epoch whose weights were kept.
        validation_outputs: Those of the kept weights, in the order of the validation examples, where they are known.
        choice: Where there was a probe to fall back to.
        chosen: Settings that were chosen on validation documents.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    optimiser_steps: int = 0
    examples_seen: int = 0
    best_epoch: int | None = None
    validation_outputs: Any = None
    choice: Choice | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ParameterCounts:
    """Numbers of parameters: those that training changes, and all."""

    trained: int
    total: int


class Classifier(Protocol):
    """The one interface of every model, network or not."""

    def fit(self, train: Examples, validation: Examples, observer: Observer, seed: int) -> TrainingReport:
        """Learn from training examples, in an order by the seed; validation examples decide which epoch to keep."""
        ...

    def predict(self, texts: list[str], progress: Progress) -> Any:
        """Outputs in the form of the task; of documents' labels, probabilities of shape ``(texts, labels)``."""
        ...

    def count_parameters(self) -> ParameterCounts:
        """Trained and total parameters, after :meth:`fit`."""
        ...

    def count_bytes(self) -> int:
        """Bytes that all parameters take in memory, after :meth:`fit`."""
        ...

    def count_saved_bytes(self) -> int:
        """Bytes that :meth:`save` would write, about."""
        ...

    def save(self, folder: Path) -> None:
        """Save what prediction needs, into a folder that exists."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A classifier that has a vector for each text."""

    def embed(self, texts: list[str], progress: Progress) -> NDArray[np.float32]:
        """What its head reads, of shape ``(texts, width)``."""
        ...


@runtime_checkable
class Replaceable(Protocol):
    """A classifier that can be asked with other weights than its own."""

    def replaced(self, weights: Any) -> AbstractContextManager[None]:
        """With other weights, as of a :class:`Choice`, for as long as the context is open."""
        ...


@runtime_checkable
class AnswersAnew(Protocol):
    """A classifier that keeps what it once computed, and can do without."""

    def answer_anew(self, texts: list[str], batch_size: int) -> Any:
        """Outputs as of :meth:`Classifier.predict`, all of them computed now, so many texts at once."""
        ...


class Judge(Protocol):
    """Judges documents by their labels."""

    def agreement(self, documents: Sequence[Document]) -> list[float]:
        """Of each document, how far its labels are those that it would be given: from 0 to 1."""
        ...


Judging = Callable[[Sequence[Document], LabelSpace, int], Judge]
"""Real documents, their label space, a seed → a judge that has learned from them."""
