"""The groups that say what answers: model, head, adapter, loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from patentlab.config.bounds import bounded, out_of_bounds
from patentlab.config.merging import MergeConfig
from patentlab.config.registry import LOSSES

FITTED = ("tfidf_linear", "constant")  # kinds of models that are no neural network


@dataclass
class RecommendedSettings:
    """What a model's file recommends for one adapter."""

    epochs: int = MISSING
    learning_rate: float = MISSING
    head_learning_rate: float = MISSING
    batch_size: int = MISSING
    patience: int | None = None
    start: str = MISSING


_TRIED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "ngram_max": (lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 1, "1 or more"),
    "class_weight": (lambda value: value in ("balanced", None), "balanced or null"),
    "inverse_regularisation": (
        lambda value: isinstance(value, int | float) and 0 < value < math.inf and not isinstance(value, bool),
        "a number above 0",
    ),
}


@dataclass
class TfidfConfig:
    """Settings of the TF-IDF baseline: one value each, or of those that :meth:`tried` is asked for a list."""

    ngram_max: Any = MISSING
    min_df: int = bounded(least=1)
    sublinear_tf: bool = MISSING
    class_weight: Any = None
    inverse_regularisation: Any = MISSING

    def __post_init__(self) -> None:
        # 10 and 10.0 are one setting, and one key
        numbers = [float(c) if isinstance(c, int) else c for c in self.tried("inverse_regularisation")]
        self.inverse_regularisation = numbers if isinstance(self.inverse_regularisation, list) else numbers[0]

    def tried(self, name: str) -> list[Any]:
        """The values of a setting, one or several."""
        value = getattr(self, name)
        return value if isinstance(value, list) else [value]

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "model.tfidf.")
        for name, (admits, allowed) in _TRIED.items():
            values = self.tried(name)
            wrong = [value for value in values if not admits(value)]
            if wrong or not values:
                shown = "null" if wrong and wrong[0] is None else wrong[0] if wrong else "[]"
                yield f"model.tfidf.{name}={shown}: must be {allowed}, or a list of such"


@dataclass
class ModelConfig:
    """A backbone or a baseline."""

    name: str = MISSING
    kind: str = bounded(words=("transformer", *FITTED))
    path: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    pooling: str | None = None
    max_length: int | None = None
    padding_side: str | None = bounded(None, words=("left", "right"))
    attn_implementation: str | None = bounded(None, words=("sdpa", "eager"))
    attention: str = bounded("causal", words=("causal", "bidirectional"))
    lora_targets: list[str] | None = None
    merge: MergeConfig = field(default_factory=MergeConfig)
    recommended: dict[str, RecommendedSettings] = field(default_factory=dict)
    tfidf: TfidfConfig | None = None

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "model.")
        if self.kind == "transformer" and not self.path:
            yield f"model.path: must be given for model={self.name}"
        yield from self.merge.check()
        if self.tfidf is not None:
            yield from self.tfidf.check()


@dataclass
class AdapterConfig:
    """Which weights are trained."""

    name: str = bounded(words=("full", "frozen", "lora", "qlora", "none"))
    rank: int | None = bounded(None, least=1)
    alpha: float | None = bounded(None, above=0)
    dropout: float | None = bounded(None, least=0, below=1)
    targets: list[str] | None = None
    quantisation: str | None = bounded(None, words=("nf4", "fp4"))
    double_quantisation: bool | None = None

    @property
    def is_low_rank(self) -> bool:
        """Whether weights get low-rank updates."""
        return self.name in ("lora", "qlora")

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "adapter.")
        if self.is_low_rank:
            for name in ("rank", "alpha"):
                if getattr(self, name) is None:
                    yield f"adapter.{name}=null: must be given for adapter={self.name}"
        if self.name == "qlora" and self.quantisation is None:
            yield "adapter.quantisation=null: allowed are nf4, fp4"


@dataclass
class LossConfig:
    """What training minimises."""

    name: str = bounded(words=LOSSES.names)
    gamma: float | None = bounded(None, least=0)
    gamma_negative: float | None = bounded(None, least=0)
    alpha: float | None = bounded(None, least=0, below=1)
    clip: float | None = bounded(None, least=0, below=1)
    power: float | None = bounded(None, least=0)
    max_weight: float | None = None

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "loss.")
        needed = {
            "focal": ("gamma",),
            "asymmetric": ("gamma", "gamma_negative", "clip"),
            "weighted_bce": ("power",),
            "weighted_cross_entropy": ("power",),
        }
        for name in needed.get(self.name, ()):
            if getattr(self, name) is None:
                yield f"loss.{name}=null: must be given for loss={self.name}"
        if self.max_weight is not None and (math.isnan(self.max_weight) or self.max_weight < 1):
            yield f"loss.max_weight={self.max_weight:g}: must be 1 or more"
