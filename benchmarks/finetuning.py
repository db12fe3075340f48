"""Fine-tuning of a generator: transformers' ``Trainer`` as patentlab uses it, beside the same loop written out.

``python -m benchmarks.finetuning [DOCUMENTS [STEPS [ROUNDS]]]``: the embedded SmolLM2-135M learns texts of the
demonstration corpus with LoRA, both ways in turns; prints seconds and how far the weights lie apart.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, TaskType, get_peft_model, prepare_model_for_kbit_training
from safetensors.torch import load_file
from transformers import get_scheduler, set_seed

from patentlab.config import AdaptationConfig
from patentlab.console.command_line import compose
from patentlab.data.sources import read_corpus
from patentlab.language_models.finetuning import Item, finetune
from patentlab.language_models.loading import load_causal
from patentlab.protocols import Silent

Finetune = Callable[[Any, Sequence[Item], int, AdaptationConfig, int, Path], None]


def main() -> None:
    """Train both ways in turns, and print seconds, their ratio and the difference."""
    documents, steps, rounds = (int(given) for given in (*sys.argv[1:], *("16", "4", "3")[len(sys.argv) - 1 :]))
    config = compose("mix=0.5", f"generator.adaptation.steps={steps}")
    generator, settings = config.generator, config.generator.adaptation
    assert settings is not None
    texts = [document.text for document in read_corpus(config.data).documents[:documents]]
    arms: dict[str, Finetune] = {"a loop": plain_loop, "Trainer": _with_trainer}
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    weights: dict[str, dict[str, torch.Tensor]] = {}
    for _ in range(rounds):
        for name, train in arms.items():
            loaded = load_causal(generator, "generator", Silent(), precision="fp32")
            items = [
                Item.of(tokens[:4], tokens[4:], settings.max_length)
                for tokens in loaded.tokenizer(texts, add_special_tokens=False)["input_ids"]
            ]
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                train(loaded.model, items, loaded.tokenizer.pad_token_id, settings, 0, Path(folder))
                seconds[name].append(time.perf_counter() - start)
                weights[name] = load_file(Path(folder) / "adapter_model.safetensors")
    print("| | seconds, each round | sum |\n| --- | --- | --- |")
    for name, taken in seconds.items():
        print(f"| {name} | {', '.join(f'{each:.1f}' for each in taken)} | {sum(taken):.1f} |")
    first, second = weights.values()
    apart = max(float((first[name] - second[name]).abs().max()) for name in first)
    print(
        f"ratio of the sums {sum(seconds['Trainer']) / sum(seconds['a loop']):.3f}, weights differ by at most {apart}"
    )


def plain_loop(
    model: Any, items: Sequence[Item], pad: int, config: AdaptationConfig, seed: int, folder: Path, at_once: int = 2
) -> None:
    """What :func:`patentlab.language_models.finetuning.finetune` does, without ``Trainer``; on a CPU.

    Args:
        model: A causal language model, is changed.
        items: Each with something to learn.
        pad: The token to pad with.
        config: ``generator.adaptation``.
        seed: Of initial weights, dropout and the order of batches.
        folder: Where the adapter is saved.
        at_once: Items in memory.
    """
    if getattr(model, "is_loaded_in_4bit", False):
        model = prepare_model_for_kbit_training(model)  # type: ignore[no-untyped-call]
    set_seed(seed)
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,  # type: ignore[arg-type]
        lora_dropout=config.dropout,
        target_modules=list(config.targets),
        task_type=TaskType.CAUSAL_LM,
    )
    model = get_peft_model(model, lora)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.0)
    steps = config.steps or math.ceil(len(items) / config.batch_size) * config.epochs
    schedule = get_scheduler("linear", optimiser, num_warmup_steps=round(0.1 * steps), num_training_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    places: list[list[int]] = []
    model.train()
    for _ in range(steps):
        if not places:
            order = torch.randperm(len(items), generator=generator).tolist()
            places = [order[first : first + config.batch_size] for first in range(0, len(order), config.batch_size)]
        batch = [items[place] for place in places.pop(0)]
        learned = sum(item.learned for item in batch)
        for start in range(0, len(batch), at_once):
            part = batch[start : start + at_once]
            width = max(len(item.tokens) for item in part)
            rows = [(item.tokens, item.targets, width - len(item.tokens)) for item in part]
            loss = model(
                input_ids=torch.tensor([tokens + [pad] * missing for tokens, _, missing in rows]),
                attention_mask=torch.tensor([[1] * len(tokens) + [0] * missing for tokens, _, missing in rows]),
                labels=torch.tensor([targets + [-100] * missing for _, targets, missing in rows]),
            ).loss
            (loss * (sum(item.learned for item in part) / learned)).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    model.save_pretrained(str(folder))


def _with_trainer(
    model: Any, items: Sequence[Item], pad: int, config: AdaptationConfig, seed: int, folder: Path
) -> None:
    finetune(model, items, pad, config, seed, Silent(), folder)


if __name__ == "__main__":
    main()
