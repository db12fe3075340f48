"""From texts to batches of tokens, with little padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from patentlab.protocols import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Item = dict[str, Any]
"""One document: ``input_ids`` and ``attention_mask`` as lists, or ``features``; and its ``labels``, if known."""

Collate = Callable[[Sequence[Item]], dict[str, Tensor]]


def tokenise(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[Item]:
    """Token ids of texts, cut to a length, without padding.

    Args:
        texts: Any texts; of an empty one the end token remains.
        tokenizer: Of the backbone.
        max_length: Tokens at most.

    Returns:
        An item per text.
    """
    encoded = tokenizer(list(texts), truncation=True, max_length=max_length)["input_ids"]
    # a text without a token has no last token to pool
    filler = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.pad_token_id
    return [{"input_ids": ids or [filler], "attention_mask": [1] * max(len(ids), 1)} for ids in encoded]


def with_labels(items: Sequence[Item], labels: NDArray[Any]) -> list[Item]:
    """Add targets to items.

    Args:
        items: As of :func:`tokenise`.
        labels: In the form that the loss takes, first axis documents.

    Returns:
        New items.
    """
    return [{**item, "labels": label} for item, label in zip(items, labels, strict=True)]


class Collator:
    """Makes a batch of items, padded to the longest.

    Args:
        tokenizer: Knows the padding token and side.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer

    def __call__(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """Tensors of shape ``(documents, tokens)``, and labels."""
        tokens = [{key: item[key] for key in ("input_ids", "attention_mask")} for item in items]
        longest = max(len(item["input_ids"]) for item in tokens)
        batch = dict(self.tokenizer.pad(tokens, padding="max_length", max_length=longest, return_tensors="pt"))
        if "labels" in items[0]:
            batch["labels"] = torch.as_tensor(np.stack([item["labels"] for item in items]))
        return batch


def collate_features(items: Sequence[Item]) -> dict[str, Tensor]:
    """A batch of feature items: features of shape ``(documents, width)``, and labels."""
    return {key: torch.as_tensor(np.stack([item[key] for item in items])) for key in items[0]}


def by_length(items: Sequence[Item], batch_size: int) -> Iterator[list[int]]:
    """Positions of items in batches of like length, the longest first.

    Args:
        items: As of :func:`tokenise`.
        batch_size: Documents a batch.

    Yields:
        Positions; each occurs once.
    """
    order = sorted(range(len(items)), key=lambda position: -len(items[position]["input_ids"]))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def ask(
    network: torch.nn.Module,
    call: Callable[[dict[str, Tensor]], Tensor],
    items: Sequence[Item],
    collate: Collate,
    batch_size: int,
    progress: Progress,
    task: str,
) -> Iterator[tuple[list[int], Tensor]]:
    """Run a network over items, in batches of like length, on the accelerator where there is one.

    Args:
        network: Is moved there.
        call: A batch → a tensor whose first axis is documents.
        items: As of :func:`tokenise`.
        collate: Makes a batch of them.
        batch_size: Documents a batch.
        progress: Shows how far it is.
        task: What it is called there.

    Yields:
        Positions of items, and what the call made of them, in fp32 and on the CPU.
    """
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    network.to(device)
    network.eval()
    with torch.inference_mode(), progress.task(task, len(items)) as advance:
        for positions in by_length(items, batch_size):
            batch = {key: value.to(device) for key, value in collate([items[p] for p in positions]).items()}
            yield positions, call(batch).float().cpu()
            advance(len(positions))
