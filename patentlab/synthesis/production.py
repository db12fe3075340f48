"""From a strategy, a generator and real documents to as many synthetic documents as are wanted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from patentlab.config import GeneratorConfig, RequestError, StrategyConfig
from patentlab.corpus import Document, LabelSpace, derive_seed, fingerprint
from patentlab.protocols import Progress
from patentlab.synthesis import prompts, screening
from patentlab.synthesis.generators import Answer, Generator, NextRequest, build_generator, generator_kind
from patentlab.synthesis.prompts import Request
from patentlab.synthesis.screening import Screen
from patentlab.synthesis.shards import Shards
from patentlab.synthesis.store import ShardStore
from patentlab.synthesis.strategies import Added, Context

Ask = Callable[[Sequence[Document], LabelSpace, StrategyConfig, int], Callable[[int], Request]]
"""Sources sorted by id, their label space, settings, a seed → what is asked at each attempt."""

_PASSING = 0.5  # share of answers, for an estimate before the first one
_HOPED = 0.8  # the same, for how many are asked for at first


def synthesise(context: Context, ask: Ask, count: int) -> Added:
    """Documents by a generator; those that any run asked for before come from the cache.

    The same sources, settings and seed give the same documents, and a larger number begins with the smaller one. Where
    answers hang on their neighbours by rounding (:func:`patentlab.language_models.decoding.decode`), the latter holds
    within one cache.

    Args:
        context: Of its configuration ``strategy``, ``generator``, ``seed`` and ``data.mask_labels`` are used; accepted
            documents are held against the real ones of the regime and of the held-out sets.
        ask: What is asked.
        count: Documents wanted.

    Returns:
        ``count`` documents; fewer only with ``strategy.on_shortage=shrink``. The report has attempts, rejects by
        reason, tokens, seconds, and the folder of the answers (``store``).

    Raises:
        RequestError: Too few answers passed, or the model or server cannot be had.
        ConnectionError: A server failed on most requests.
    """
    config, labels, progress = context.config, context.labels, context.progress
    strategy, generator, seed = config.strategy, config.generator, context.seed
    if generator.adapt != "none":
        strategy = replace(strategy, examples=0)  # it has learned what to write
    ordered = sorted(context.sources, key=lambda document: document.id)
    asking = ask(ordered, labels, strategy, seed)
    store = ShardStore(_description(strategy, generator, ordered, labels, seed))
    settings = strategy.screening
    if settings is None:
        raise TypeError("a strategy that generates has settings for screening")
    screen = Screen(
        settings,
        labels,
        {"train": context.real, "validation": context.split.validation, "test": context.split.test},
        strategy.name,
        config.seed_of("generation"),
        standard_only=bool(strategy.standard_only),
        masked=config.data.mask_labels,
    )
    pairs = partial(_pairs, ordered, labels, strategy)
    source = _Lazy(generator, pairs, derive_seed(seed, "adaptation"), progress)
    rows: list[dict[str, Any]] = []
    documents: list[Document] = []
    rejects: Counter[str] = Counter()
    families: Counter[str] = Counter()
    attempts = tokens = 0
    seconds = 0.0
    size = generator.batch_size
    most = max(1, -(-round((strategy.max_attempts or 1) * count) // size))  # shards
    if store.read(0) is None:
        source.load()  # its adaptation is no part of the time that documents take
    with progress.task("generating", count) as advance, ExitStack() as begun:

        def begin(following: NextRequest) -> Iterator[tuple[Request, Answer]]:
            passing = len(documents) / attempts if documents else _PASSING
            source.tell_time([asking(attempts + position) for position in range(size)], count - len(documents), passing)
            return source.load().stream(following, seed, lambda steps, note="": advance(0, note))

        def told(made: int) -> None:
            advance(0, f"{made} answers, {sum(rejects.values())} rejected")

        shards = begun.enter_context(Shards(store, size, asking, begin, generator.name, told))
        for number in range(most):
            if len(documents) == count:
                break
            # begins with the hope that most pass: what is asked in vain at the end costs more than to ask again
            passing = (len(documents) + _HOPED * size) / (attempts + size)
            wanted = min(-(-(count - len(documents)) // (passing * size)), most - number)
            shard = shards.get(number, int(wanted))
            seconds += shard.seconds
            for position, answer in enumerate(shard.answers):
                request = asking(number * size + position)
                attempts, tokens = attempts + 1, tokens + answer.tokens
                verdict = screen.judge(request, answer)
                document, reason = verdict.document, verdict.reason
                if document is not None and context.agrees is not None and not context.agrees(document):
                    document, reason = None, "disagrees"
                if document is None:
                    rejects[str(reason)] += 1
                    continue
                screen.remember(document)
                documents.append(document)
                families[request.family] += 1
                rows.append(_row(document, request, verdict.mentions, answer.tokens, len(answer.text)))
                advance(1, f"{sum(rejects.values())} rejected")
                if len(documents) == count:
                    break
    if len(documents) < count and strategy.on_shortage != "shrink":
        raise RequestError(_shortage(strategy, len(documents), count, attempts, rejects))
    report = {
        "key": store.key,
        "requested": count,
        "accepted": len(documents),
        "attempts": attempts,
        "rejected": dict(rejects.most_common()),
        "families": dict(families.most_common()),
        "min_words": screen.bounds[0],
        "max_words": screen.bounds[1],
        "tokens": tokens,
        "generation_seconds": round(seconds, 3),
        "adaptation_seconds": source.adaptation_seconds,
        "label_mentions": sum(bool(row["label_mentions"]) for row in rows) / max(len(rows), 1),
        "precision": generator_kind(generator).precision(generator),
        "prompt_version": prompts.VERSION,
        "screening_version": screening.VERSION,
        "generator_version": generator_kind(generator).version,
        "store": str(store.folder),
    }
    return Added(tuple(documents), report, rows)


def _description(
    strategy: StrategyConfig, generator: GeneratorConfig, sources: Sequence[Document], labels: LabelSpace, seed: int
) -> dict[str, Any]:
    """All that changes what is asked or how it is answered; not what is then accepted."""
    asked = {name: getattr(strategy, name) for name in ("name", "prompts", "label_text", "examples")}
    sampling = ("form", "precision", "batch_size", "temperature", "top_p", "max_new_tokens", "no_repeat_ngram", "adapt")
    named = {name: prompts.name_of(name, labels, strategy.label_text or "title") for name in labels.names}
    adaptation = None
    if generator.adapt != "none" and generator.adaptation is not None:
        adaptation = {**asdict(generator.adaptation), "version": prompts.ADAPTATION_VERSION}
    more: dict[str, Any] = {} if generator.extra is None else {"extra": dict(generator.extra)}
    for group, own in (("strategy", _own(strategy, StrategyConfig)), ("generator", _own(generator, GeneratorConfig))):
        more |= {f"{group}_settings": own} if own else {}
    kind = generator_kind(generator)
    if not any(source.title for source in sources):
        more["titled"] = False
    elif kind.is_guided(generator):
        more["guided"] = True
    if kind.version != 1:
        more["generator_version"] = kind.version
    return {
        "prompt_version": prompts.VERSION,
        "strategy": asked,
        "generator": kind.fingerprint(generator),
        "sampling": {name: getattr(generator, name) for name in sampling} | {"precision": kind.precision(generator)},
        "adaptation": adaptation,
        "sources": fingerprint(sources),
        "labels": named,
        "seed": seed,
        **more,
    }


def _own(section: Any, group: type[Any]) -> dict[str, Any]:
    """Settings that a strategy or a generator has beside those of its group."""
    common = {one.name for one in fields(group)}
    return {name: value for name, value in asdict(section).items() if name not in common}


class _Lazy:
    """A generator that is loaded, and fine-tuned, when the first answer is missing."""

    def __init__(
        self,
        config: GeneratorConfig,
        pairs: Callable[[], list[tuple[Request, str]]],
        seed: int,
        progress: Progress,
    ) -> None:
        self.config, self.progress = config, progress
        self._pairs, self._seed = pairs, seed
        self._generator: Generator | None = None
        self._told = False
        self.adaptation_seconds = 0.0

    def tell_time(self, requests: Sequence[Request], wanted: int, passing: float) -> None:
        """Say once, before the first answer, how long the rest will take."""
        if self._told:
            return
        self._told = True
        generator = self.load()
        each = generator.seconds_each(requests)
        if each is None:
            return
        precision = generator.precision(self.config)
        minutes = each * wanted / passing / 60
        self.progress.say(
            f"generating {wanted} documents with {self.config.name}{f' in {precision}' if precision else ''}: at most "
            f"about {max(round(minutes), 1)} min, if {passing:.0%} of the answers pass"
        )

    def load(self) -> Generator:
        """The generator, loaded the first time that it is asked for."""
        if self._generator is None:
            self._generator = build_generator(self.config, self._adapter(), self.progress)
        return self._generator

    def _adapter(self) -> Path | None:
        if self.config.adapt == "none":
            return None
        start = time.perf_counter()
        folder = generator_kind(self.config).adapt(self.config, self._pairs(), self._seed, self.progress)
        self.adaptation_seconds = round(time.perf_counter() - start, 3)
        return folder


def _pairs(sources: Sequence[Document], labels: LabelSpace, strategy: StrategyConfig) -> list[tuple[Request, str]]:
    titled = any(source.title is not None for source in sources)
    named = strategy.label_text or "title"
    return [
        prompts.adaptation_pair(number, source, labels, named, titled=titled) for number, source in enumerate(sources)
    ]


def _row(
    document: Document, request: Request, mentions: tuple[str, ...], tokens: int, characters: int
) -> dict[str, Any]:
    """What the corpus file says of a document."""
    return {
        "id": document.id,
        "text": document.text,
        "title": document.title,
        "labels": list(document.labels),
        "strategy": document.origin,
        "source_id": document.source_id,
        "family": request.family,
        "prompt_version": prompts.VERSION,
        "examples": list(request.examples),
        "attempt": request.number,
        "label_mentions": list(mentions),
        "tokens": tokens,
        "cut_characters": max(characters - len(document.text), 0),
    }


def _shortage(strategy: StrategyConfig, accepted: int, count: int, attempts: int, rejects: Counter[str]) -> str:
    why = ", ".join(f"{number} {reason}" for reason, number in rejects.most_common())
    return (
        f"strategy={strategy.name}: {accepted} of {count} documents after {attempts} attempts; rejected: {why}; raise "
        f"strategy.max_attempts={strategy.max_attempts:g}, relax strategy.screening, or set strategy.on_shortage=shrink"
    )
