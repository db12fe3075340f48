"""The trainer group: how training runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from omegaconf import MISSING

from patentlab.config.bounds import bounded, out_of_bounds

# of transformers, those that need no settings of their own
SCHEDULES = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
)

UNTRAINED = ("none", "prompted")  # trainers that take no gradient steps


@dataclass
class TrainerConfig:
    """How training runs; models that are fitted, not trained by gradient steps, know the last few settings alone."""

    name: str = MISSING
    epochs: int | None = bounded(None, least=1)
    max_steps: int | None = bounded(None, least=1)
    max_examples: int | None = bounded(None, least=1)
    validations: int | None = bounded(None, least=1)
    learning_rate: float | None = bounded(None, above=0)
    head_learning_rate: float | None = bounded(None, above=0)
    batch_size: int | None = bounded(None, least=1)
    accumulation: int | None = bounded(None, least=1)
    eval_batch_size: int | None = bounded(None, least=1)
    max_length: int | None = bounded(None, least=1)
    weight_decay: float | None = bounded(None, least=0)
    warmup_share: float | None = bounded(None, least=0, below=1)
    schedule: str | None = bounded(None, words=SCHEDULES)
    max_grad_norm: float | None = bounded(None, above=0)
    patience: int | None = bounded(None, least=1)
    monitor: str | None = None  # None: the task's main metric
    precision: str | None = bounded(None, words=("auto", "fp32", "bf16"))
    gradient_checkpointing: bool | None = None
    save_model: str = bounded("auto", words=("auto", "always", "never"))

    @property
    def metric(self) -> str:
        """The monitored metric, once :func:`patentlab.config.experiment.follow` has decided it."""
        if self.monitor is None:
            raise TypeError("trainer.monitor is not decided yet")
        return self.monitor

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "trainer.")
        if self.name not in UNTRAINED:
            optional = {"max_steps", "max_examples", "validations", "max_grad_norm", "patience", "monitor"}
            if self.max_steps is not None or self.max_examples is not None:
                optional.add("epochs")
            for name, value in vars(self).items():
                if value is None and name not in optional:
                    yield f"trainer.{name}=null: must be given"
        step = (self.batch_size or 1) * (self.accumulation or 1)
        if self.max_examples is not None and 0 < self.max_examples < step:
            yield f"trainer.max_examples={self.max_examples}: a step takes {step}; lower trainer.batch_size"


@dataclass
class TrackingConfig:
    """Where runs are mirrored to."""

    name: str = bounded(words=("mlflow", "server", "none"))
    uri: str | None = None
    artifacts: str | None = None
    experiment: str | None = None

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "tracking.")
