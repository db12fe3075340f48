"""A generator fine-tuned on real documents: label set → document, with LoRA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from patentlab import weights
from patentlab.config import GeneratorConfig, RequestError
from patentlab.language_models.loading import load_causal
from patentlab.protocols import Progress
from patentlab.storage import cache_folder, digest, make_once
from patentlab.synthesis.generators.transformers import encode
from patentlab.synthesis.prompts import ADAPTATION_VERSION, RECORD_END, Request

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from patentlab.language_models.finetuning import Item


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
        RequestError: The generator cannot be loaded, or ``adaptation.max_length`` leaves nothing to learn.
        FloatingPointError: The loss is not a number any more.
    """
    settings = config.adaptation
    if settings is None:
        raise TypeError("generator.adapt needs generator.adaptation")
    content = [(request.text, [message.content for message in request.messages], answer) for request, answer in pairs]
    identity = weights.fingerprint(config.path, config.revision)
    key = digest(ADAPTATION_VERSION, identity, config.form, config.precision, asdict(settings), content, seed)

    def train(folder: Path) -> None:
        from patentlab.language_models.finetuning import finetune

        loaded = load_causal(config, "generator", progress, precision=config.precision)
        items = [
            _item(loaded.tokenizer, config.form, request, answer, settings.max_length) for request, answer in pairs
        ]
        items = [item for item in items if item.learned]  # of a prompt that fills the length nothing is left to learn
        if not items:
            raise RequestError(
                f"generator.adaptation.max_length={settings.max_length}: no longer than the prompts; raise it"
            )
        finetune(loaded.model, items, loaded.tokenizer.pad_token_id, settings, seed, progress, folder)

    return make_once(cache_folder() / "adapters" / key, train)


def _item(tokenizer: PreTrainedTokenizerBase, form: str, request: Request, answer: str, max_length: int) -> Item:
    from patentlab.language_models.finetuning import Item

    rest = answer.removeprefix(request.start)
    if form == "text":
        rest += RECORD_END
    learned = [*tokenizer(rest, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return Item.of(encode(tokenizer, request, form), learned, max_length)
