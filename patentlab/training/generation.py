"""A generator fine-tuned on real documents: label set → document, with LoRA."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from patentlab import weights
from patentlab.config import GeneratorConfig, RequestError
from patentlab.protocols import Progress
from patentlab.storage import cache_folder, digest, make_once
from patentlab.synthesis.generators import encode, load_generator
from patentlab.synthesis.prompts import ADAPTATION_VERSION, RECORD_END, Request

_AT_ONCE = 2  # documents in memory: the scores over a whole vocabulary take a hundred times what the rest does
_IGNORED = -100  # no target


def adapt_generator(
    config: GeneratorConfig, pairs: Sequence[tuple[Request, str]], seed: int, progress: Progress
) -> Path:
    """Fine-tune a generator, or find the adapter of the same settings and documents.

    Args:
        config: The generator group; ``adaptation`` is given.
        pairs: Requests without examples, and the documents that answer them.
        seed: Of initial weights, dropout and batch order.
        progress: Shows the training.

    Returns:
        A folder with weights that peft adds.

    Raises:
        RequestError: The generator cannot be loaded.
        FloatingPointError: The loss is not a number any more.
    """
    if config.adaptation is None:
        raise TypeError("generator.adapt needs generator.adaptation")
    content = [(request.text, [message.content for message in request.messages], answer) for request, answer in pairs]
    identity = weights.fingerprint(config.path, config.revision)
    key = digest(ADAPTATION_VERSION, identity, config.form, config.precision, asdict(config.adaptation), content, seed)
    target = cache_folder() / "adapters" / key
    return make_once(target, lambda folder: _train(config, pairs, seed, progress, folder))


def _train(
    config: GeneratorConfig, pairs: Sequence[tuple[Request, str]], seed: int, progress: Progress, folder: Path
) -> None:
    import math

    import torch
    from peft import LoraConfig, TaskType, get_peft_model, prepare_model_for_kbit_training
    from transformers import get_scheduler, set_seed

    settings = config.adaptation
    assert settings is not None
    loaded = load_generator(config, progress)
    model, tokenizer = loaded.model, loaded.tokenizer
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if config.precision == "nf4":
        model = prepare_model_for_kbit_training(model)  # type: ignore[no-untyped-call]
    else:
        model.to(device)
    set_seed(seed)
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # peft divides by it, fractions work
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets),
        task_type=TaskType.CAUSAL_LM,
    )
    with weights.quiet_peft():
        model = get_peft_model(model, lora)
    items = [_item(tokenizer, config.form, request, answer, settings.max_length) for request, answer in pairs]
    items = [item for item in items if _learned(item)]  # of a prompt that fills the length nothing is left to learn
    if not items:
        raise RequestError(
            f"generator.adaptation.max_length={settings.max_length}: no longer than the prompts; raise it"
        )
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.0)
    steps = settings.steps or math.ceil(len(items) / settings.batch_size) * settings.epochs
    schedule = get_scheduler("linear", optimiser, num_warmup_steps=round(0.1 * steps), num_training_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    model.train()
    with progress.task("adapting the generator", steps) as advance:
        batches = _batches(len(items), settings.batch_size, generator)
        for _ in range(steps):
            epoch, places = next(batches)
            batch = [items[place] for place in places]
            learned = sum(_learned(item) for item in batch)
            loss = 0.0
            for start in range(0, len(batch), _AT_ONCE):
                part = batch[start : start + _AT_ONCE]
                tensors = _collate(part, tokenizer.pad_token_id)
                # the mean over the tokens of the whole batch
                share = sum(_learned(item) for item in part) / learned
                partial = model(**{name: tensor.to(device) for name, tensor in tensors.items()}).loss * share
                partial.backward()
                loss += partial.item()
            if not math.isfinite(loss):
                raise FloatingPointError("the loss of the generator is not a finite number; lower the rate")
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            advance(1, f"epoch {epoch}, loss {loss:.3f}")
    model.save_pretrained(str(folder))


def _batches(count: int, size: int, generator):  # type: ignore[no-untyped-def]
    """Epoch and places of each batch, without end; every epoch in an order of its own."""
    import torch

    for epoch in itertools.count(1):
        order = torch.randperm(count, generator=generator).tolist()
        for first in range(0, count, size):
            yield epoch, order[first : first + size]


def _item(tokenizer, form: str, request: Request, answer: str, max_length: int):  # type: ignore[no-untyped-def]
    """Tokens of a prompt and its answer; the prompt's are no targets."""
    prompt = encode(tokenizer, request, form)
    rest = answer.removeprefix(request.start)
    if form == "text":
        rest += RECORD_END
    learned = [*tokenizer(rest, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    tokens = (prompt + learned)[:max_length]
    return tokens, ([_IGNORED] * len(prompt) + learned)[:max_length]


def _learned(item: tuple[list[int], list[int]]) -> int:
    """Tokens that are targets: all but the first, which nothing predicts."""
    return sum(target != _IGNORED for target in item[1][1:])


def _collate(items, pad: int):  # type: ignore[no-untyped-def]
    import torch

    width = max(len(tokens) for tokens, _ in items)
    return {
        "input_ids": torch.tensor([tokens + [pad] * (width - len(tokens)) for tokens, _ in items]),
        "attention_mask": torch.tensor([[1] * len(tokens) + [0] * (width - len(tokens)) for tokens, _ in items]),
        "labels": torch.tensor([targets + [_IGNORED] * (width - len(targets)) for _, targets in items]),
    }
