"""The generator group: who writes synthetic documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from patentlab.config.bounds import bounded, out_of_bounds
from patentlab.config.registry import GENERATORS


@dataclass
class AdaptationConfig:
    """How a generator is fine-tuned on the regime's real documents before it generates."""

    epochs: int = MISSING
    steps: int | None = bounded(None, least=1, hint=", or null")
    learning_rate: float = MISSING
    batch_size: int = MISSING
    max_length: int = MISSING
    rank: int = MISSING
    alpha: float = MISSING
    dropout: float = MISSING
    targets: list[str] = MISSING


@dataclass
class GeneratorConfig:
    """The language model that writes synthetic documents."""

    name: str = MISSING
    kind: str = bounded(words=GENERATORS.names)
    path: str = MISSING
    revision: str | None = None
    trust_remote_code: bool = False
    licence: str | None = None
    context: int = bounded(least=1)
    precision: str | None = bounded(None, words=("auto", "fp32", "bf16", "nf4"))
    attn_implementation: str | None = None
    form: str = bounded(words=("chat", "text"))
    batch_size: int = bounded(least=1)
    temperature: float = bounded(least=0, most=5)
    top_p: float = bounded(above=0, most=1)
    max_new_tokens: int = bounded(least=1)
    no_repeat_ngram: int | None = bounded(None, least=1)
    adapt: str = bounded("none", words=("none", "lora"))
    adaptation: AdaptationConfig | None = None
    base_url: str | None = None
    api_key_variable: str | None = None
    concurrency: int | None = bounded(None, least=1)
    timeout: float | None = None
    retries: int | None = None
    extra: dict[str, Any] | None = None

    def check(self) -> Iterator[str]:
        """A line per problem; it matters where the generator is asked."""
        yield from out_of_bounds(self, "generator.")
        if self.kind == "openai":
            for name in ("base_url", "api_key_variable", "concurrency", "timeout", "retries"):
                if getattr(self, name) is None:
                    yield f"generator.{name}: must be given for generator={self.name}"
            if self.adapt != "none":
                yield f"generator.adapt={self.adapt}: a server's model cannot be fine-tuned from here"
        elif self.adapt != "none" and self.adaptation is None:
            yield f"generator.adaptation: must be given for generator.adapt={self.adapt}"
        if self.adaptation is not None:
            yield from out_of_bounds(self.adaptation, "generator.adaptation.")
