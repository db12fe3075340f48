"""Gradient training on transformers' ``Trainer``: bucketed batches, early stopping, the best epoch kept."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate.utils import extract_model_from_parallel
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import RandomSampler, Sampler
from transformers import EvalPrediction, PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_pt_utils import LengthGroupedSampler

from patentlab.config import RequestError, TrainerConfig
from patentlab.corpus import derive_seed
from patentlab.protocols import Advance, Observer, Scores, TrainingReport
from patentlab.training.batching import Item
from patentlab.training.losses import Loss

_OPTIMISER_NOISE = {"eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "eval_model_preparation_time"}


@dataclass(frozen=True)
class Known:
    """Weights that need no validation any more.

    Attributes:
        weights: As of :func:`trainable_weights`.
        metrics: On the validation documents.
        scores: Of those documents, shape ``(documents, labels)``.
        margin: By how much they must be better than the best epoch to be kept in its place.
    """

    weights: Mapping[str, Tensor]
    metrics: Mapping[str, float]
    scores: Scores
    margin: float = 0.0


def trainable_weights(model: nn.Module) -> dict[str, Tensor]:
    """Copies of the weights that training may change, on the CPU, by name."""
    return {
        name: parameter.detach().cpu().clone()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def train(
    model: nn.Module,
    train_items: Sequence[Item],
    validation_items: Sequence[Item],
    collate: Callable[[Sequence[Item]], dict[str, Tensor]],
    config: TrainerConfig,
    loss: Loss,
    observer: Observer,
    seed: int,
    *,
    fallback: Known | None = None,
    added: NDArray[np.bool_] | None = None,
) -> TrainingReport:
    """Train a model's trainable weights and leave it with those of its best validated epoch.

    Args:
        model: Takes a batch and returns ``{"logits": …}``; has a ``head``, which gets its own learning rate.
        train_items: Documents with ``labels``.
        validation_items: Documents that choose the epoch, and nothing else.
        collate: Makes a batch of items.
        config: The trainer group, complete.
        loss: What is minimised.
        observer: Measures validation documents, shows and keeps the curve.
        seed: Of dropout and batch order.
        fallback: Weights whose validation metrics are known; they count as epoch 0, and are kept where no epoch comes
            near them.
        added: For a curriculum, which documents come first, shape ``(train_items,)``.

    Returns:
        The curve, steps and examples.

    Raises:
        RequestError: There is no such schedule.
        FloatingPointError: The loss is not a number any more.
    """
    set_seed(derive_seed(seed, "training"))
    counter = _Counter(loss)
    monitor = _BestEpoch(model, config, observer)

    order = sorted(range(len(validation_items)), key=lambda position: _length(validation_items[position]))

    def measure(prediction: EvalPrediction) -> dict[str, float]:
        scores = loss.probabilities(torch.as_tensor(prediction.predictions)).numpy()
        monitor.scores = np.empty_like(scores)
        monitor.scores[order] = scores
        return observer.measure(_as_matrix(prediction.label_ids, scores), scores)

    steps = trainer_steps(len(train_items), config)
    with tempfile.TemporaryDirectory() as folder:
        trainer = _Trainer(
            model=model,
            args=_arguments(config, steps, folder, seed),
            train_dataset=list(train_items),
            eval_dataset=[validation_items[position] for position in order],
            data_collator=collate,
            compute_loss_func=counter,
            compute_metrics=measure,
            callbacks=[monitor],
            optimizers=(_optimiser(model, config), None),
        )
        trainer.order_seed = derive_seed(seed, "batches")
        if added is not None and added.any() and not added.all():
            # the last step of an epoch takes what is left of it
            per_step = (config.batch_size or 1) * (config.accumulation or 1)
            whole, rest = divmod(steps, -(-len(added) // per_step))
            total = whole * len(added) + rest * per_step
            trainer.curriculum = curriculum_order(added, total, trainer.order_seed)
            # an epoch before the first real document is no candidate, and no reason to stop
            monitor.not_before = _before_real(added, total) // len(added) + 1
        trainer.remove_callback(PrinterCallback)
        with observer.progress.task("training", steps) as advance:
            monitor.advance = advance
            if fallback is not None:
                monitor.note(fallback.metrics)
            trainer.train()
    # under mixed precision the forward pass stays wrapped, and would predict otherwise than the saved model does
    extract_model_from_parallel(model, keep_fp32_wrapper=False)
    monitor.restore(fallback)
    return TrainingReport(
        monitor.history, trainer.state.global_step, counter.examples, monitor.best_epoch, monitor.best_scores
    )


def _length(item: Item) -> int:
    return len(item.get("input_ids", ()))


def trainer_steps(documents: int, config: TrainerConfig) -> int:
    """Optimiser steps of a full training run: the fewest that epochs, ``max_steps`` and ``max_examples`` allow.

    Args:
        documents: Training documents.
        config: Those three, ``batch_size`` and ``accumulation`` are used. Without ``epochs`` one of the others counts.

    Returns:
        Steps, at least one, were training not stopped early.
    """
    per_step = (config.batch_size or 1) * (config.accumulation or 1)
    per_epoch = -(-documents // per_step)
    bounds = [config.max_steps] if config.max_steps else []
    if config.epochs is not None:
        bounds.append(config.epochs * per_epoch)
    if config.max_examples is not None:
        whole, rest = divmod(config.max_examples, documents)
        bounds.append(whole * per_epoch + rest // per_step)
    return max(min(bounds), 1)


def curriculum_order(added: NDArray[np.bool_], total: int, seed: int) -> NDArray[np.int64]:
    """Added documents first and real ones last, each for their share of the training.

    Args:
        added: Which documents are added ones, some and not all; shape ``(documents,)``.
        total: Documents that pass through in all.
        seed: Of the order within each pass.

    Returns:
        Positions of documents, shape ``(total,)``: passes over the added ones, then passes over the real ones.
    """
    generator = np.random.default_rng(seed)
    first = _before_real(added, total)
    order = []
    for positions, length in ((np.flatnonzero(added), first), (np.flatnonzero(~added), total - first)):
        passes = [generator.permutation(positions) for _ in range(-(-length // len(positions)))]
        order.append(np.concatenate([*passes, positions[:0]])[:length])
    return np.concatenate(order)


def _before_real(added: NDArray[np.bool_], total: int) -> int:
    # counts, not their mean: 28 * (29 / 56) is above 14.5, and would round up where 28 * 29 / 56 rounds down
    return round(total * int(added.sum()) / len(added))


def _arguments(config: TrainerConfig, steps: int, folder: str, seed: int) -> TrainingArguments:
    try:
        return TrainingArguments(
            output_dir=folder,
            max_steps=steps,  # it replaces the epochs, also where it is larger
            per_device_train_batch_size=config.batch_size or 1,
            per_device_eval_batch_size=config.eval_batch_size or 1,
            gradient_accumulation_steps=config.accumulation or 1,
            lr_scheduler_type=config.schedule or "linear",
            warmup_steps=config.warmup_share or 0.0,  # below 1, transformers takes it as a share
            max_grad_norm=config.max_grad_norm or 0.0,
            bf16=precision(config) == "bf16",
            use_cpu=not torch.accelerator.is_available(),  # else it refuses bf16 there
            seed=derive_seed(seed, "training"),
            eval_strategy="no",  # _BestEpoch asks for it
            logging_strategy="epoch",
            logging_nan_inf_filter=False,  # else a loss that is no number is passed over in silence
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=torch.accelerator.is_available(),
            label_names=["labels"],
        )
    except ValueError as error:
        raise RequestError(f"trainer: {' '.join(str(error).split())[:300]}") from error


def precision(config: TrainerConfig) -> str:
    """``fp32`` or ``bf16``, with ``auto`` decided by the machine: on a CPU fp32 is faster and more exact."""
    if config.precision in ("fp32", "bf16"):
        return config.precision
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"


def _optimiser(model: nn.Module, config: TrainerConfig) -> torch.optim.Optimizer:
    """AdamW with a learning rate for the head and one for the rest; vectors (biases, norms) do not decay."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith("head."), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": config.head_learning_rate if in_head else config.learning_rate,
                "weight_decay": config.weight_decay if decays else 0.0,
            }
            for (in_head, decays), parameters in groups.items()
        ]
    )


def _as_matrix(label_ids: Any, scores: Any) -> Any:
    """Targets of shape ``(documents, labels)``, also where the loss took label indices."""
    if label_ids.ndim == 2:
        return label_ids.astype("int8")
    matrix = (scores * 0).astype("int8")
    matrix[range(len(label_ids)), label_ids] = 1
    return matrix


class _Trainer(Trainer):
    """Batch order from a generator of its own: the same for two runs that differ in the model alone."""

    order_seed = 0
    curriculum: NDArray[np.int64] | None = None

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        items: Any = self.train_dataset if train_dataset is None else train_dataset
        if self.curriculum is not None:
            return _InStages(self.curriculum, len(items))
        generator = torch.Generator().manual_seed(self.order_seed)
        if "input_ids" not in items[0]:
            return RandomSampler(items, generator=generator)
        lengths = [len(item["input_ids"]) for item in items]
        batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return LengthGroupedSampler(batch_size, lengths=lengths, generator=generator)


class _InStages(Sampler[int]):
    """An order over all epochs, dealt out epoch by epoch."""

    def __init__(self, order: NDArray[np.int64], per_epoch: int) -> None:
        self.order, self.per_epoch = order, per_epoch
        self._epoch = 0

    def __len__(self) -> int:
        return self.per_epoch

    def __iter__(self) -> Iterator[int]:
        start = self._epoch * self.per_epoch
        self._epoch += 1
        return iter(np.take(self.order, range(start, start + self.per_epoch), mode="wrap").tolist())


class _Counter:
    """The loss, averaged over all targets of a step, accumulated batches included; counts training documents."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.examples = 0

    def __call__(self, outputs: dict[str, Tensor], labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        if torch.is_grad_enabled():
            self.examples += len(labels)
        return self.loss(outputs["logits"], labels) / (
            labels.numel() if num_items_in_batch is None else num_items_in_batch
        )


class _BestEpoch(TrainerCallback):
    """Asks for validation, keeps the trainable weights of the best epoch in memory, stops when none was better lately.

    Checkpoints on disk would hold the frozen weights and the optimiser too, at every epoch.
    """

    def __init__(self, model: nn.Module, config: TrainerConfig, observer: Observer) -> None:
        self.model = model
        self.config = config
        self.observer = observer
        self.history: list[dict[str, float]] = []
        self.best_epoch: int | None = None
        self.scores: Scores | None = None  # of the last validation
        self.best_scores: Scores | None = None
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
        if self.config.validations is not None:
            self._interval = -(-state.num_train_epochs // self.config.validations)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._epochs += 1
        last = state.global_step >= state.max_steps
        control.should_evaluate = last or self._epochs % self._interval == 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.advance is not None:
            self.advance(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        self._train_loss = (logs or {}).get("loss", self._train_loss)
        if self._train_loss is not None and not math.isfinite(self._train_loss):
            raise FloatingPointError(
                f"the training loss is not a finite number at step {state.global_step}; lower the rate"
            )

    def on_prediction_step(
        self, args: Any, state: Any, control: Any, eval_dataloader: Any = None, **kwargs: Any
    ) -> None:
        self._validated += 1
        if self.advance is not None:
            self.advance(0, f"validating, batch {self._validated} of {len(eval_dataloader)}")

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        self._validated = 0
        values = {
            name.removeprefix("eval_"): float(value)
            for name, value in (metrics or {}).items()
            if name.startswith("eval_") and name not in _OPTIMISER_NOISE
        }
        score = self.note(values, state.global_step)
        if self._epochs < self.not_before and state.global_step < state.max_steps:
            return
        self._since += 1
        if score > self._best:
            self._best, self.best_epoch, self._since = score, self._epochs, 0
            self.best_scores = self.scores
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

    def restore(self, fallback: Known | None) -> None:
        """Put the best epoch's weights back, or the fallback's."""
        if fallback is not None and fallback.metrics[self.observer.monitor] > self._best + fallback.margin:
            self.best_epoch, self.best_scores, self._weights = 0, fallback.scores, fallback.weights
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, value in self._weights.items():
                parameters[name].copy_(value)
