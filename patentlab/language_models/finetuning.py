"""Fine-tuning a causal language model with LoRA: prompts and their answers, of which the answers are learned."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, TaskType, get_peft_model, prepare_model_for_kbit_training
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.loss.loss_utils import ForCausalLMLoss

from patentlab.config import AdaptationConfig
from patentlab.protocols import Advance, Progress
from patentlab.weights import quiet_peft

_AT_ONCE = 2  # items in memory: the scores over a whole vocabulary take a hundred times what the rest does
_IGNORED = -100  # no target


@dataclass(frozen=True)
class Item:
    """A prompt with its answer, in tokens.

    Attributes:
        tokens: Of both.
        targets: As many; what is not learned is -100.
    """

    tokens: list[int]
    targets: list[int]

    @classmethod
    def of(cls, prompt: list[int], answer: list[int], max_length: int) -> Item:
        """Both, cut to a length.

        Args:
            prompt: Tokens that are given, at least one.
            answer: Tokens that are learned.
            max_length: Of both together.

        Returns:
            The item; nothing is left to learn where the prompt fills the length.
        """
        return cls((prompt + answer)[:max_length], ([_IGNORED] * len(prompt) + answer)[:max_length])

    @property
    def learned(self) -> int:
        """Tokens that are targets."""
        return sum(target != _IGNORED for target in self.targets)


def finetune(
    model: Any, items: Sequence[Item], pad: int, config: AdaptationConfig, seed: int, progress: Progress, folder: Path
) -> None:
    """Train an adapter, and save it as peft does.

    The loss is averaged over all learned tokens of a batch. AdamW without decay; the rate rises over the first tenth of
    the steps and falls to 0; gradients are clipped to a norm of 1.

    Args:
        model: A causal language model, is changed.
        items: Each with something to learn.
        pad: The token to pad with, which is masked.
        config: ``generator.adaptation``.
        seed: Of initial weights, dropout and the order of batches.
        progress: Shows steps and loss.
        folder: Where the adapter is saved.

    Raises:
        FloatingPointError: The loss is not a finite number any more.
    """
    if getattr(model, "is_loaded_in_4bit", False):
        model = prepare_model_for_kbit_training(model)  # type: ignore[no-untyped-call]
    elif torch.cuda.is_available():
        model.to("cuda")  # before the adapter, whose initial weights are drawn where the model is
    set_seed(seed)
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,  # type: ignore[arg-type]  # peft divides by it, fractions work
        lora_dropout=config.dropout,
        target_modules=list(config.targets),
        task_type=TaskType.CAUSAL_LM,
    )
    with quiet_peft():
        model = get_peft_model(model, lora)
    steps = config.steps or math.ceil(len(items) / config.batch_size) * config.epochs
    watch = _Watch()
    with torch.random.fork_rng():  # seeded anew by Trainer, dropout would repeat the draws of the initial weights
        trainer = _Trainer(
            model=model,
            args=_arguments(config, steps, seed, folder),
            train_dataset=list(items),
            data_collator=lambda batch: _collate(batch, pad),
            compute_loss_func=watch.loss,
            callbacks=[watch],
        )
    trainer.order = _Order(len(items), config.batch_size, seed)
    trainer.remove_callback(PrinterCallback)
    with progress.task("adapting the generator", steps) as advance:
        watch.advance = advance
        trainer.train()
    model.save_pretrained(str(folder))


def _arguments(config: AdaptationConfig, steps: int, seed: int, folder: Path) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=_AT_ONCE,
        gradient_accumulation_steps=math.ceil(config.batch_size / _AT_ONCE),
        learning_rate=config.learning_rate,
        weight_decay=0.0,
        optim="adamw_torch",
        lr_scheduler_type="linear",
        warmup_steps=round(0.1 * steps),
        max_grad_norm=1.0,
        seed=seed,
        use_cpu=not torch.cuda.is_available(),
        logging_strategy="no",
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # it would spread two items over all GPUs
    return arguments


class _Trainer(Trainer):
    """Takes its batches in parts: two items at a time, and the odd one at a batch's end."""

    order: _Order

    def get_train_dataloader(self) -> DataLoader[Any]:
        # a generator of its own, else it would draw from dropout's at every epoch
        return DataLoader(
            self.train_dataset,  # type: ignore[arg-type]
            batch_sampler=self.order,
            collate_fn=self.data_collator,
            generator=torch.Generator(),
        )


class _Order(Sampler[list[int]]):
    """Places of the items in each part of a batch; every epoch in an order of its own."""

    def __init__(self, count: int, size: int, seed: int) -> None:
        self.count, self.size = count, size
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        whole, rest = divmod(self.count, self.size)
        return whole * math.ceil(self.size / _AT_ONCE) + math.ceil(rest / _AT_ONCE)

    def __iter__(self) -> Iterator[list[int]]:
        order = torch.randperm(self.count, generator=self._generator).tolist()
        for first in range(0, self.count, self.size):
            batch = order[first : first + self.size]
            for start in range(0, len(batch), _AT_ONCE):
                yield batch[start : start + _AT_ONCE]


class _Watch(TrainerCallback):
    """The loss of a batch, summed over its parts: computed, checked and shown."""

    def __init__(self) -> None:
        self.advance: Advance | None = None
        self._loss = 0.0

    def loss(self, outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        """The loss of a part: its share in the mean over the learned tokens of the whole batch."""
        share = int(labels.ne(_IGNORED).sum()) / int(num_items_in_batch)
        part = ForCausalLMLoss(outputs.logits, labels, outputs.logits.shape[-1]) * share
        self._loss += part.item()
        if not math.isfinite(self._loss):
            raise FloatingPointError("the loss of the generator is not a finite number; lower the rate")
        return part

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.advance is not None:
            self.advance(1, f"epoch {math.ceil(state.epoch)}, loss {self._loss:.3f}")
        self._loss = 0.0


def _collate(items: Sequence[Item], pad: int) -> dict[str, Tensor]:
    width = max(len(item.tokens) for item in items)

    def padded(rows: Iterator[list[int]], value: int) -> Tensor:
        return torch.tensor([row + [value] * (width - len(row)) for row in rows])

    return {
        "input_ids": padded((item.tokens for item in items), pad),
        "attention_mask": padded(([1] * len(item.tokens) for item in items), 0),
        "labels": padded((item.targets for item in items), _IGNORED),
    }
