"""Scoring labels: one packed pass against a cache that is repeated, a pass a label, and greedy generation.

python -m benchmarks.label_scoring DATA [DOCUMENTS [ROUNDS [BATCH]]]

DATA is the folder with ``patentsview``; documents are read BATCH at a time (8). The embedded SmolLM2-135M is asked
about patents with 8 and with 30 subclasses by title, all ways in turns; prints seconds, ratios to a pass a label, and
how far a document's scores in fp32 are from those in fp64, by a pass a label.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from patentlab.config import InstructionHeadConfig
from patentlab.console.command_line import compose
from patentlab.data.documents import read_documents
from patentlab.language_models.loading import load_causal
from patentlab.language_models.scoring import continuation_scores, read_prefix
from patentlab.models.heads.instruction import InstructionHead
from patentlab.protocols import Silent
from patentlab.tasks.documents import SingleLabel

NEW_TOKENS = 12
Answers = Sequence[Sequence[int]]


def pass_a_label(model: Any, prompts: Sequence[list[int]], answers: Answers, pad: int, batch: int = 8) -> Tensor:
    """The plain way: every prompt with every label, in padded batches."""
    rows = [(place, [*prompt, *answer], len(answer)) for prompt in prompts for place, answer in enumerate(answers)]
    found = []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        width = max(len(row) for _, row, _ in part)
        ids = torch.tensor([[pad] * (width - len(row)) + row for _, row, _ in part])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for _, row, _ in part])
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        longest = max(length for *_, length in part)
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=longest + 1
        ).logits.log_softmax(dim=-1)
        for line, (_, row, length) in zip(logits, part, strict=True):
            found.append(sum(line[-1 - length + at, token] for at, token in enumerate(row[-length:])))
    return torch.stack(found).reshape(len(prompts), len(answers))


def repeated_cache(model: Any, prompts: Sequence[list[int]], answers: Answers, pad: int) -> Tensor:
    """A prompt's keys and values, repeated for all of its labels."""
    width = max(len(answer) for answer in answers)
    ids = torch.tensor([[*answer, *[pad] * (width - len(answer))] for answer in answers])
    there = torch.tensor([[1] * len(answer) + [0] * (width - len(answer)) for answer in answers])
    found = []
    for prompt in prompts:
        cache = DynamicCache()
        first = model(input_ids=torch.tensor([prompt]), past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        cache.batch_repeat_interleave(len(answers))
        mask = torch.cat([torch.ones(len(answers), len(prompt), dtype=torch.long), there], dim=1)
        rest = model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True).logits
        logits = torch.cat([first.expand(len(answers), -1, -1), rest[:, :-1]], dim=1).log_softmax(dim=-1)
        found.append((logits.gather(2, ids[..., None])[..., 0] * there).sum(dim=1))
    return torch.stack(found)


def packed(model: Any, head: InstructionHead, texts: Sequence[str], batch: int) -> Tensor:
    """As the product does it: the instructions once for all documents, all labels in one pass."""
    prefix = read_prefix(model, head.question.prefix, "cpu")
    found = []
    for start in range(0, len(texts), batch):
        read = head.collate(head.items(texts[start : start + batch]))
        sums, _ = continuation_scores(
            model, model.config, read["input_ids"], read["attention_mask"], head.answers, prefix
        )
        found.append(sums)
    return torch.cat(found)


def greedy(model: Any, prompts: Sequence[list[int]], pad: int, batch: int) -> None:
    """``generate`` of transformers, no label scored."""
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        width = max(map(len, part))
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in part])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in part])
        model.generate(
            ids, attention_mask=mask, do_sample=False, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS,
            pad_token_id=pad,
        )  # fmt: skip


@torch.inference_mode()
def main() -> None:
    """Print a table in Markdown."""
    folder = sys.argv[1]
    documents, rounds, batch = (int(given) for given in (*sys.argv[2:5], *("16", "3", "8")[len(sys.argv) - 2 :]))
    print("| labels | way | seconds a document | times faster than a pass a label | off by |")
    print("|---|---|---|---|---|")
    for labels in (8, 30):
        config = compose(
            "data=patentsview", f"data.path={folder}/patentsview", f"data.top_k={labels}", "data.task=single_label",
            "head=instruction", "adapter=none", "tracking=none",
        )  # fmt: skip
        assert isinstance(config.head, InstructionHeadConfig)
        loaded = load_causal(config.model, "model", Silent(), precision="fp32")
        model, tokenizer = loaded.model, loaded.tokenizer
        tokenizer.model_max_length = 8192
        read = read_documents(config)
        head = InstructionHead(config.head, SingleLabel(read.corpus.labels), tokenizer, 512)
        texts = [document.text for document in read.split.test[:documents]]
        prompts = [[*head.question.prefix, *item["input_ids"]] for item in head.items(texts)]
        pad = int(tokenizer.pad_token_id or 0)
        ways: dict[str, Callable[[], Tensor | None]] = {
            "a pass a label": lambda m=model, p=prompts, h=head, e=pad: pass_a_label(m, p, h.answers, e),  # type: ignore[misc]
            "a repeated cache": lambda m=model, p=prompts, h=head, e=pad: repeated_cache(m, p, h.answers, e),  # type: ignore[misc]
            "packed": lambda m=model, h=head, t=texts: packed(m, h, t, batch),  # type: ignore[misc]
            f"greedy, {NEW_TOKENS} tokens": lambda m=model, p=prompts, e=pad: greedy(m, p, e, batch),  # type: ignore[misc]
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        found: dict[str, Tensor | None] = {}
        for _ in range(rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                found[name] = way()
                seconds[name].append(time.perf_counter() - start)
        plain = statistics.median(seconds["a pass a label"])
        exact = pass_a_label(model.double(), prompts[:1], head.answers, pad)
        for name, values in seconds.items():
            scores = found[name]
            apart = "" if scores is None else f"{(scores[:1] - exact).abs().max():.0e}"
            median = statistics.median(values)
            print(f"| {labels} | {name} | {median / len(texts):.2f} | {plain / median:.1f} | {apart} |", flush=True)


if __name__ == "__main__":
    main()
