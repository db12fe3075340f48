"""Generators: what answers requests. A kind of them registers by name, and says of itself what it is and can."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

from patentlab.config import GeneratorConfig, RequestError
from patentlab.config.registry import GENERATORS
from patentlab.corpus import derive_seed
from patentlab.protocols import Advance, Progress

if TYPE_CHECKING:
    from patentlab.synthesis.prompts import Request

NextRequest: TypeAlias = "Callable[[], Request | None]"


@dataclass(frozen=True)
class Answer:
    """What a generator said.

    Attributes:
        text: As it came; empty where there was an error.
        tokens: Generated.
        complete: Whether the model ended by itself, not at the limit of tokens.
        error: Why there is no text.
    """

    text: str
    tokens: int = 0
    complete: bool = True
    error: str | None = None


class Generator(Protocol):
    """Answers requests. A class that extends this one registers as a kind: ``@GENERATORS.add("transformers")``.

    Args:
        config: The generator group.
        adapter: What :meth:`adapt` made, where ``generator.adapt`` asks for it.
        progress: Told of long work.

    Attributes:
        version: Raised when the same model, asked with the same settings and seed, answers otherwise: earlier answers,
            and runs that learned from them, then count as others.
    """

    version: ClassVar[int] = 1
    config: GeneratorConfig

    def __init__(self, config: GeneratorConfig, adapter: Path | None, progress: Progress) -> None:
        self.config = config

    @abstractmethod
    def answer(self, requests: Sequence[Request], seed: int, advance: Advance) -> list[Answer]:
        """An answer for each request, in their order.

        Args:
            requests: Any number.
            seed: The same requests and seed yield the same answers, as far as the generator can promise it.
            advance: Told of every answer.
        """

    def stream(self, ask: NextRequest, seed: int, advance: Advance) -> Iterator[tuple[Request, Answer]]:
        """Answers as they come, in an order that follows from requests and seed alone.

        Unless a kind knows better, ``generator.batch_size`` requests are asked at a time. What was begun when no more
        answers are taken is given up.

        Args:
            ask: The next request, None where no more are wanted now; called when there is room for one. Requests begin
                with the first of a shard.
            seed: As of :meth:`answer`.
            advance: Told while answers are written.
        """
        size = self.config.batch_size
        while batch := list(islice(iter(ask, None), size)):
            shard_seed = derive_seed(seed, f"shard {batch[0].number // size}")
            yield from zip(batch, self.answer(batch, shard_seed, advance), strict=True)

    def seconds_each(self, requests: Sequence[Request]) -> float | None:
        """Seconds that an answer would take at most among others, None where that cannot be known before."""
        return None

    @classmethod
    def precision(cls, config: GeneratorConfig) -> str | None:
        """What weights are held in on this machine: ``generator.precision``, unless a kind knows better."""
        return config.precision

    @classmethod
    def fingerprint(cls, config: GeneratorConfig) -> str:
        """What a generator is, without loading it: answers of generators with other fingerprints are kept apart.

        Args:
            config: The generator group.

        Returns:
            Unless a kind knows better, its name, the path and the revision.

        Raises:
            RequestError: It is not there.
        """
        return f"{config.kind}:{config.path}#{config.revision or ''}"

    @classmethod
    def is_guided(cls, config: GeneratorConfig) -> bool:
        """Whether it writes the heading of the body after a title by itself, whatever its model would have written."""
        return False

    @classmethod
    def adapt(
        cls, config: GeneratorConfig, pairs: Sequence[tuple[Request, str]], seed: int, progress: Progress
    ) -> Path:
        """Fine-tune it on documents, or find what was fine-tuned on them before.

        Args:
            config: The generator group; ``adaptation`` is given.
            pairs: Requests without examples, and the documents that answer them.
            seed: Of whatever is drawn.
            progress: Shows the training.

        Returns:
            The adapter that the generator is then built with.

        Raises:
            RequestError: This kind cannot be fine-tuned.
        """
        raise RequestError(
            f"generator.adapt={config.adapt}: generator.kind={config.kind} cannot be fine-tuned from here"
        )


def build_generator(config: GeneratorConfig, adapter: Path | None, progress: Progress) -> Generator:
    """The generator of the configured kind, ready to answer.

    Args:
        config: The generator group.
        adapter: As of :meth:`Generator.adapt`, None for the model as it is.
        progress: Told of long work.

    Returns:
        The generator.

    Raises:
        RequestError: There is no such kind, or it cannot be had.
    """
    return generator_kind(config)(config, adapter, progress)


def generator_kind(config: GeneratorConfig) -> type[Generator]:
    """The class that is registered under ``generator.kind``; RequestError where there is none."""
    kind: type[Generator] = GENERATORS.get(config.kind)
    return kind


def generator_fingerprint(config: GeneratorConfig) -> str:
    """What a generator is; see :meth:`Generator.fingerprint`."""
    return generator_kind(config).fingerprint(config)
