"""Throughput of generation by the embedded SmolLM2-135M.

``python -m benchmarks.generation [ANSWERS [ROUNDS]]``: label-conditioned prompts of the demonstration corpus, in
batches by patentlab's decoding and one by one by plain ``generate``. Both sample with the same settings in fp32; plain
``generate`` gets the same end of a record to stop at.

``python -m benchmarks.generation PATENTSVIEW [DOCUMENTS [ROUNDS]]``: whole corpora of real patents (1:10, a folder with
PatentsView's tables), screened as always, each from an empty cache; rows that are filled again as soon as an answer is
complete beside batches that wait for their longest answer, in fp32 and, where the processor multiplies it, in bf16.
The arms take turns. Seconds are processor time, which other work on the machine stretches less than the clock's: set
OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from patentlab.config.registry import GENERATORS
from patentlab.console.command_line import compose
from patentlab.corpus import derive_seed
from patentlab.data.documents import read_documents
from patentlab.data.regimes import keep_part
from patentlab.data.sources import read_corpus
from patentlab.data.splits import split_corpus
from patentlab.protocols import Advance, Silent
from patentlab.synthesis.generators import Answer, NextRequest
from patentlab.synthesis.generators.transformers import TransformersGenerator, encode
from patentlab.synthesis.prompts import RECORD_END, Request
from patentlab.synthesis.strategies import Context, find_strategy
from patentlab.synthesis.strategies.prompted import label_conditioned
from patentlab.weights import model_folder

STRATEGIES = ("label_conditioned", "paraphrase")


def main() -> None:
    """Time what the command line names, and print a table."""
    given = sys.argv[1:]
    if given and Path(given[0]).is_dir():
        count, rounds = (int(number) for number in (*given[1:], *("60", "3")[len(given) - 1 :]))
        corpora(given[0], count, rounds)
    else:
        count, rounds = (int(number) for number in (*given, *("32", "3")[len(given) :]))
        beside_generate(count, rounds)


@GENERATORS.add("transformers_in_batches")
class Batches(TransformersGenerator):
    """The same answers, a batch after the other."""

    def stream(self, ask: NextRequest, seed: int, advance: Advance) -> Iterator[tuple[Request, Answer]]:
        """A batch is begun when the one before is complete."""
        taken = iter(ask, None)
        while batch := list(islice(taken, self.config.batch_size)):
            left = iter(batch)
            yield from super().stream(partial(next, left, None), seed, advance)


def corpora(folder: str, count: int, rounds: int) -> None:
    """Make corpora in turns, and print what a token and an accepted document take."""
    precisions = dict.fromkeys(("fp32", str(TransformersGenerator.precision(compose("mix=0.5").generator))))
    arms = [(kind, one) for one in precisions for kind in ("transformers_in_batches", "transformers")]
    print("| | | tokens a second | seconds a document | ratio | accepted | wall-clock |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for strategy in STRATEGIES:
        made: dict[tuple[str, str], list[dict[str, Any]]] = {arm: [] for arm in arms}
        for round_ in range(rounds):
            for arm in arms:
                made[arm].append(_corpus(folder, strategy, *arm, count, round_))
                print(strategy, *arm, made[arm][-1], file=sys.stderr, flush=True)
        each = {
            arm: statistics.median(one["processor"] / one["accepted"] for one in found) for arm, found in made.items()
        }
        for arm, found in made.items():
            kind, precision = arm
            rate = statistics.median(one["tokens"] / one["processor"] for one in found)
            passed = statistics.mean(one["accepted"] / one["attempts"] for one in found)
            clock = statistics.median(one["clock"] / one["accepted"] for one in found)
            name = "refilled" if kind == "transformers" else "batches"
            ratio = each[arm] / each[arms[0]]
            cells = [strategy, f"{name}, {precision}", f"{rate:.1f}", f"{each[arm]:.2f}", f"{ratio:.2f}"]
            print("| " + " | ".join([*cells, f"{passed:.0%}", f"{clock:.2f}"]) + " |", flush=True)


def _corpus(folder: str, strategy: str, kind: str, precision: str, count: int, seed: int) -> dict[str, Any]:
    """What the production's report says, and the seconds of processor and clock."""
    config = compose(
        *("data=patentsview", f"data.path={folder}", "regime=1:10", "mix=0.5", f"strategy={strategy}", f"seed={seed}"),
        f"generator.precision={precision}",
    )
    config.generator.kind = kind
    documents = read_documents(config)
    sources = sorted(documents.real, key=lambda document: document.id)
    context = Context(config, sources, sources, sources, documents.split, documents.corpus.labels, Silent())
    before = os.environ.get("PATENTLAB_CACHE")
    with tempfile.TemporaryDirectory() as cache:
        (Path(cache) / "models").symlink_to(model_folder("smollm2_135m", Silent()).parent)
        os.environ["PATENTLAB_CACHE"] = cache
        try:
            started = time.process_time(), time.perf_counter()
            report = find_strategy(strategy).add(context, count).report
            processor, clock = time.process_time() - started[0], time.perf_counter() - started[1]
        finally:
            os.environ.pop("PATENTLAB_CACHE") if before is None else os.environ.update(PATENTLAB_CACHE=before)
    return {name: report[name] for name in ("accepted", "attempts", "tokens")} | {
        "processor": processor,
        "clock": clock,
    }


def beside_generate(count: int, rounds: int) -> None:
    """Time all in turns, and print answers and tokens a second, and the ratios."""
    config = compose("regime=1:10", "mix=0.2", "generator.precision=fp32")
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
