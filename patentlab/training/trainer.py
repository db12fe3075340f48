"""Gradient training on transformers' ``Trainer``: bucketed batches, early stopping, the best epoch kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate.utils import extract_model_from_parallel
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import RandomSampler, Sampler
from transformers import EvalPrediction, PrinterCallback, Trainer, set_seed
from transformers.trainer_pt_utils import LengthGroupedSampler

from patentlab.config import TrainerConfig
from patentlab.corpus import derive_seed
from patentlab.losses.answer import IGNORED
from patentlab.models.batching import Collate, Item
from patentlab.protocols import Observer, TrainingReport
from patentlab.training.arguments import optimiser, training_arguments
from patentlab.training.best_epoch import BestEpoch, Known
from patentlab.training.curriculum import InStages, before_real, curriculum_order
from patentlab.training.length import trainer_steps
from patentlab.training.parts import PartsMixed, epoch_length


@dataclass(frozen=True)
class TrainingData:
    """What is learned from, and what chooses the epoch.

    Attributes:
        train: Documents with ``labels``.
        validation: Documents with ``labels``, which choose the epoch and nothing else.
        targets: Of the validation documents, in the form of the task.
        collate: Makes a batch of items.
        added: For a curriculum, which documents come first, shape ``(train,)``.
        parts: The data set of each document to train on, shape ``(train,)``, where batches mix several.
        even: Whether each of these is drawn as often.
    """

    train: Sequence[Item]
    validation: Sequence[Item]
    targets: NDArray[Any]
    collate: Collate
    added: NDArray[np.bool_] | None = None
    parts: NDArray[np.int64] | None = None
    even: bool = False

    @property
    def epoch(self) -> int:
        """Documents that pass through in one."""
        return len(self.train) if self.parts is None else epoch_length(self.parts, even=self.even)


def train(
    model: nn.Module,
    data: TrainingData,
    config: TrainerConfig,
    loss: Callable[[Any, Any], Tensor],
    outputs: Callable[[Tensor, Sequence[Item]], NDArray[Any]],
    observer: Observer,
    seed: int,
    *,
    order_seed: int | None = None,
    fallback: Known | None = None,
) -> TrainingReport:
    """Train a model's trainable weights and leave it with those of its best validated epoch.

    Args:
        model: Takes a batch and returns ``{"logits": …}``; has a ``head``, which gets its own learning rate.
        data: What is learned from, and what chooses the epoch.
        config: The trainer group, complete.
        loss: What is minimised: of logits and labels, summed.
        outputs: What logits of validation items mean, in the form of the task.
        observer: Measures validation documents, shows and keeps the curve.
        seed: Of dropout.
        order_seed: Of the order of batches; None for the same.
        fallback: Weights whose validation metrics are known; they count as epoch 0, and are kept where no epoch comes
            near them.

    Returns:
        The curve, steps and examples.

    Raises:
        RequestError: There is no such schedule.
        FloatingPointError: The loss is not a number any more.
    """
    order_seed = seed if order_seed is None else order_seed
    set_seed(derive_seed(seed, "training"))
    counter = _Counter(loss)
    epoch = data.epoch
    monitor = BestEpoch(model, config, observer)

    added = data.added
    order = sorted(range(len(data.validation)), key=lambda position: _length(data.validation[position]))
    validation = [data.validation[position] for position in order]

    def measure(prediction: EvalPrediction) -> dict[str, float]:
        found = outputs(torch.as_tensor(prediction.predictions), validation)
        monitor.outputs = np.empty_like(found)
        monitor.outputs[order] = found
        return observer.measure(data.targets[order], found)

    steps = trainer_steps(epoch, config)
    with tempfile.TemporaryDirectory() as folder:
        trainer = _Trainer(
            model=model,
            args=training_arguments(config, steps, folder, seed, order_seed),
            train_dataset=list(data.train),
            eval_dataset=validation,
            data_collator=data.collate,
            compute_loss_func=counter,
            compute_metrics=measure,
            callbacks=[monitor],
            optimizers=(optimiser(model, config), None),
        )
        trainer.model_accepts_loss_kwargs = False  # else it hands the network one, which takes any
        trainer.order_seed = derive_seed(order_seed, "batches")
        trainer.parts, trainer.even, trainer.per_document = data.parts, data.even, counter.per_document
        if added is not None and added.any() and not added.all():
            # the last step of an epoch takes what is left of it
            per_step = (config.batch_size or 1) * (config.accumulation or 1)
            whole, rest = divmod(steps, -(-len(added) // per_step))
            total = whole * len(added) + rest * per_step
            trainer.curriculum = curriculum_order(added, total, trainer.order_seed)
            # an epoch before the first real document is no candidate, and no reason to stop
            monitor.not_before = before_real(added, total) // len(added) + 1
        trainer.remove_callback(PrinterCallback)
        with observer.progress.task("training", steps) as advance:
            monitor.advance = advance
            if fallback is not None:
                monitor.note(fallback.metrics)
            trainer.train()
    # under mixed precision the forward pass stays wrapped, and would predict otherwise than the saved model does
    extract_model_from_parallel(model, keep_fp32_wrapper=False)
    choice = monitor.restore(fallback)
    return TrainingReport(
        monitor.history, trainer.state.global_step, counter.examples, monitor.best_epoch, monitor.best_outputs, choice
    )


def _length(item: Item) -> int:
    return len(item.get("input_ids", ()))


class _Trainer(Trainer):
    """Batch order from a generator of its own: the same for two runs that differ in the model alone."""

    order_seed = 0
    curriculum: NDArray[np.int64] | None = None
    parts: NDArray[np.int64] | None = None
    even = False
    per_document = False

    def get_batch_samples(self, *arguments: Any, **named: Any) -> Any:
        """The batches of a step, and what it is averaged over."""
        batches, count = super().get_batch_samples(*arguments, **named)
        return batches, sum(len(batch["labels"]) for batch in batches) if self.per_document else count

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        items: Any = self.train_dataset if train_dataset is None else train_dataset
        if self.curriculum is not None:
            return InStages(self.curriculum, len(items))
        generator = torch.Generator().manual_seed(self.order_seed)
        batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        if self.parts is not None:
            return PartsMixed(self.parts, [*map(_length, items)], batch_size, generator, even=self.even)
        if "input_ids" not in items[0]:
            return RandomSampler(items, generator=generator)
        lengths = [len(item["input_ids"]) for item in items]
        return LengthGroupedSampler(batch_size, lengths=lengths, generator=generator)


class _Counter:
    """The loss, averaged over all targets of a step, accumulated batches included; counts training documents."""

    def __init__(self, loss: Callable[[Any, Any], Tensor]) -> None:
        self.loss = loss
        self.per_document = bool(getattr(loss, "per_document", False))
        self.examples = 0

    def __call__(self, outputs: dict[str, Tensor], labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        if torch.is_grad_enabled():
            self.examples += len(labels)
        if self.per_document and not torch.is_grad_enabled():
            num_items_in_batch = len(labels)
        if num_items_in_batch is None:  # of validation documents
            num_items_in_batch = labels.numel() if labels.is_floating_point() else int((labels != IGNORED).sum())
        # a step may have nothing that is learned: a document of which no word could be read
        mean: Tensor = self.loss(outputs["logits"], labels) / max(num_items_in_batch, 1)
        return mean
