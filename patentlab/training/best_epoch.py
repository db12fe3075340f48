"""The best validated epoch: asked for, found, and put back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback

from patentlab.config import TrainerConfig
from patentlab.protocols import Advance, Choice, Observer

_OPTIMISER_NOISE = {"eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "eval_model_preparation_time"}


@dataclass(frozen=True)
class Known:
    """Weights that need no validation any more.

    Attributes:
        weights: As of :func:`trainable_weights`.
        metrics: On the validation documents.
        outputs: Of those documents, in the form of the task.
        margin: By how much they must be better than the best epoch to be kept in its place.
    """

    weights: Mapping[str, Tensor]
    metrics: Mapping[str, float]
    outputs: Any
    margin: float = 0.0


def trainable_weights(model: nn.Module) -> dict[str, Tensor]:
    """Copies of the weights that training may change, on the CPU, by name."""
    return {
        name: parameter.detach().cpu().clone()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def put_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a model weights of :func:`trainable_weights`."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in weights.items():
            parameters[name].copy_(value)


class BestEpoch(TrainerCallback):
    """Asks for validation, keeps the trainable weights of the best epoch in memory, stops when none was better lately.

    Checkpoints on disk would hold the frozen weights and the optimiser too, at every epoch.
    """

    def __init__(self, model: nn.Module, config: TrainerConfig, observer: Observer) -> None:
        self.model = model
        self.config = config
        self.observer = observer
        self.history: list[dict[str, float]] = []
        self.best_epoch: int | None = None
        self.outputs: Any = None  # of the last validation
        self.best_outputs: Any = None
        self.advance: Advance | None = None
        self.not_before = 0  # epochs before are validated, and neither kept nor counted
        self._best = float("-inf")
        self._since = 0  # validations since the best one
        self._weights: Mapping[str, Tensor] = {}
        self._train_loss: float | None = None
        self._validated = 0
        self._epochs = 0
        self._interval = 1

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Spread the validations over the epochs."""
        if self.config.validations is not None:
            self._interval = -(-state.num_train_epochs // self.config.validations)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for a validation, if one is due."""
        self._epochs += 1
        last = state.global_step >= state.max_steps
        control.should_evaluate = last or self._epochs % self._interval == 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move the bar on."""
        if self.advance is not None:
            self.advance(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Note the training loss; raises FloatingPointError where it is no finite number."""
        self._train_loss = (logs or {}).get("loss", self._train_loss)
        if self._train_loss is not None and not math.isfinite(self._train_loss):
            raise FloatingPointError(
                f"the training loss is not a finite number at step {state.global_step}; lower the rate"
            )

    def on_prediction_step(
        self, args: Any, state: Any, control: Any, eval_dataloader: Any = None, **kwargs: Any
    ) -> None:
        """Show how far a validation is."""
        self._validated += 1
        if self.advance is not None:
            self.advance(0, f"validating, batch {self._validated} of {len(eval_dataloader)}")

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Note a validation: keep the weights if it is the best, stop if none was lately."""
        self._validated = 0
        values = {
            name.removeprefix("eval_"): float(value)
            for name, value in (metrics or {}).items()
            if name.startswith("eval_")
            and name not in _OPTIMISER_NOISE
            and not math.isnan(float(value))  # what is written has no loss
        }
        score = self.note(values, state.global_step)
        if self._epochs < self.not_before and state.global_step < state.max_steps:
            return
        self._since += 1
        if score > self._best:
            self._best, self.best_epoch, self._since = score, self._epochs, 0
            self.best_outputs = self.outputs
            self._weights = trainable_weights(self.model)
        if self.config.patience is not None and self._since >= self.config.patience:
            control.should_training_stop = True

    def note(self, metrics: Mapping[str, float], step: int = 0) -> float:
        """Add a row to the history; the score that counts."""
        row: dict[str, float] = {"epoch": self._epochs, "step": step}
        if self._train_loss is not None:  # epoch 0 has none
            row["train_loss"] = self._train_loss
        row |= {f"validation_{name}": value for name, value in metrics.items()}
        self.history.append(row)
        self.observer.on_epoch(row)
        score = row[f"validation_{self.observer.monitor}"]
        if self.advance is not None:
            loss = "" if self._train_loss is None else f"loss {self._train_loss:.3f}, "
            self.advance(0, f"epoch {self._epochs}, {loss}validation {score:.3f}")
        return score

    def restore(self, fallback: Known | None) -> Choice | None:
        """Put the best epoch's weights back, or the fallback's; which, if there is one."""
        if fallback is None:
            put_weights(self.model, self._weights)
            return None
        if fallback.metrics[self.observer.monitor] <= self._best + fallback.margin:
            put_weights(self.model, self._weights)
            return Choice("tuned", fallback.weights, fallback.outputs)
        put_weights(self.model, fallback.weights)
        rejected = Choice("probe", self._weights, self.best_outputs)
        self.best_epoch, self.best_outputs = 0, fallback.outputs
        return rejected
