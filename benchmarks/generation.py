"""Throughput of generation: batches of patentlab's decoding beside plain ``generate``, one prompt at a time.

``python -m benchmarks.generation [ANSWERS [ROUNDS]]``: label-conditioned prompts of the demonstration corpus, by the
embedded SmolLM2-135M.
Both sample with the same settings; plain ``generate`` gets the same end of a record to stop at.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import torch

from patentlab.console.command_line import compose
from patentlab.corpus import derive_seed
from patentlab.data.regimes import keep_part
from patentlab.data.sources import read_corpus
from patentlab.data.splits import split_corpus
from patentlab.protocols import Silent
from patentlab.synthesis.generators.transformers import TransformersGenerator, encode
from patentlab.synthesis.prompts import RECORD_END, Request
from patentlab.synthesis.strategies.prompted import label_conditioned


def main() -> None:
    """Time all in turns, and print answers and tokens a second, and the ratios."""
    count, rounds = (int(given) for given in (*sys.argv[1:], *("32", "3")[len(sys.argv) - 1 :]))
    config = compose("regime=1:10", "mix=0.2")
    corpus = read_corpus(config.data)
    split = split_corpus(corpus, config.data.split, derive_seed(0, "split"))
    real = keep_part(split.pool, corpus.labels, 10, derive_seed(0, "regime"))
    ask = label_conditioned(real, corpus.labels, config.strategy, 0)
    requests = [ask(number) for number in range(count)]
    generator = TransformersGenerator(config.generator, None, Silent())

    def batched(size: int) -> Callable[[int], int]:
        def run(seed: int) -> int:
            generator.config.batch_size = size
            return sum(answer.tokens for answer in generator.answer(requests, seed, lambda steps, note="": None))

        return run

    arms: dict[str, Callable[[int], int]] = {"generate, one by one": partial(_plain, generator, requests)}
    for size in (16, 32):
        arms[f"patentlab, batches of {size}"] = batched(size)
    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in arms}
    for round_ in range(rounds):
        for name, run in arms.items():
            start = time.perf_counter()
            tokens = run(round_)
            taken[name].append((time.perf_counter() - start, tokens))
    rates = {name: sum(t for _, t in found) / sum(s for s, _ in found) for name, found in taken.items()}
    seconds = {name: sum(s for s, _ in found) / count / rounds for name, found in taken.items()}
    base = next(iter(arms))
    print("| | seconds an answer | tokens a second | ratio of tokens a second |\n| --- | --- | --- | --- |")
    for name in arms:
        print(f"| {name} | {seconds[name]:.2f} | {rates[name]:.1f} | {rates[name] / rates[base]:.2f} |")


def _plain(generator: TransformersGenerator, requests: list[Request], seed: int) -> int:
    settings, tokenizer = generator.config, generator.tokenizer
    torch.manual_seed(seed)
    tokens = 0
    for request in requests:
        prompt = torch.tensor([encode(tokenizer, request, settings.form)])
        with torch.inference_mode():
            output = generator.model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=True,
                temperature=settings.temperature,
                top_p=settings.top_p,
                top_k=0,
                no_repeat_ngram_size=settings.no_repeat_ngram,
                max_new_tokens=settings.max_new_tokens,
                pad_token_id=tokenizer.pad_token_id,
                stop_strings=[RECORD_END],
                tokenizer=tokenizer,
            )
        tokens += output.shape[1] - prompt.shape[1]
    return tokens


if __name__ == "__main__":
    main()
