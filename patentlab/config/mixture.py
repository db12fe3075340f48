"""The groups that say what a run learns from: regime, mix, strategy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from omegaconf import MISSING

from patentlab.config.bounds import bounded, out_of_bounds
from patentlab.config.problems import RequestError

REGIME_PATTERN = re.compile(r"1:([1-9][0-9]*)")
ORDERINGS = ("shuffled", "curriculum", "filtered", "ensemble")
PROMPT_FAMILIES = ("patent_abstract", "claims", "technical_disclosure", "product_description")
STANDARD_FAMILY = "patent_abstract"
LABEL_TEXTS = ("title", "code", "coarse")
SOURCES_PATTERN = re.compile(r"mixture|regime|[1-9][0-9]*")


@dataclass
class RegimeConfig:
    """How much of the real training pool a run may use."""

    name: str = MISSING
    keep: str = MISSING

    @property
    def divisor(self) -> int:
        """N of the regime 1:N."""
        match = REGIME_PATTERN.fullmatch(self.keep)
        if match is None:
            raise RequestError(next(self.check()))
        return int(match.group(1))

    def check(self) -> Iterator[str]:
        """A line per problem."""
        if REGIME_PATTERN.fullmatch(self.keep) is None:
            yield f"regime.keep={self.keep}: not a regime; write 1:N with a whole number N ≥ 1, as in 1:10"


@dataclass
class MixConfig:
    """How real and added documents make up a training set."""

    ordering: str = bounded(words=ORDERINGS)
    real_share: float = bounded(least=0, most=1)
    budget: int | None = bounded(None, least=1)
    max_documents: int = bounded(least=1)
    on_shortage: str = bounded(words=("error", "repeat", "shrink"))
    agreement: float | None = bounded(None, above=0, most=1)

    def __post_init__(self) -> None:
        # range(0.2,0.4,0.1) yields 0.30000000000000004
        if isinstance(self.real_share, float):
            self.real_share = round(self.real_share, 6)

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "mix.")
        if self.real_share == 0 and self.budget is None:
            yield "mix.real_share=0: cannot be had beside real documents; give a size in all with mix.budget=…"
        if self.ordering == "filtered" and self.agreement is None:
            yield "mix.agreement=null: must be given for mix=filtered"
        if self.real_share == 0 and self.ordering != "shuffled":
            yield f"mix={self.ordering}: needs real documents; mix.real_share=0 leaves none"


@dataclass
class ScreeningConfig:
    """What a generated answer needs before it counts as a document."""

    min_words: int | None = bounded(None, least=1, hint=", or null")
    max_words: int | None = bounded(None, least=1, hint=", or null")
    language: str | None = None
    max_repetition: float = bounded(above=0, most=1)
    max_compression: float = bounded(above=1)
    max_copied: float = bounded(above=0, most=1)
    similarity: float = bounded(above=0, most=1)
    max_label_mentions: int | None = None

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "strategy.screening.")
        low, high = self.min_words, self.max_words
        if low is not None and high is not None and low > high:
            yield f"strategy.screening.min_words={low}: must be no more than max_words={high}"


@dataclass
class StrategyConfig:
    """Where added documents come from."""

    name: str = MISSING
    prompts: list[str] | None = bounded(None, words=PROMPT_FAMILIES)  # noqa: RUF009
    standard_only: bool | None = None
    label_text: str | None = bounded(None, words=LABEL_TEXTS)
    examples: int | None = bounded(None, least=0, most=8)
    sources: str | None = None
    max_attempts: float | None = bounded(None, least=1)
    on_shortage: str | None = bounded(None, words=("error", "shrink"))
    screening: ScreeningConfig | None = None

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "strategy.")
        if self.sources is not None and SOURCES_PATTERN.fullmatch(self.sources) is None:
            yield f"strategy.sources={self.sources}: must be mixture, regime, or a number of documents"
        if self.screening is not None:
            yield from self.screening.check()

    def check_generation(self) -> Iterator[str]:
        """A line per problem that matters where a generator is asked."""
        needed = ("prompts", "standard_only", "label_text", "examples", "sources", "max_attempts", "on_shortage")
        for name in (*needed, "screening"):
            if getattr(self, name) is None:
                yield f"strategy.{name}=null: must be given for strategy={self.name}"
        if self.prompts == [] or (self.standard_only and STANDARD_FAMILY not in (self.prompts or ())):
            yield f"strategy.prompts: must name {'a family' if not self.prompts else STANDARD_FAMILY}"
