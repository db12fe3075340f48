"""Strategies by rule: words or sentences of real documents rearranged, without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from patentlab.config import RequestError, StrategyConfig
from patentlab.config.bounds import bounded
from patentlab.config.registry import STRATEGIES
from patentlab.corpus import Document, derive_seed
from patentlab.data.sentences import split_sentences
from patentlab.synthesis.strategies import Added, Context, Strategy

OPERATIONS = ("deletion", "swap", "insertion")
VERSION = 1  # of the rules, for the record
_DRAWS = 8  # of sentences, until one set of them is new

Words = list[str]


@dataclass(frozen=True)
class Draft:
    """A text made by rule.

    Attributes:
        text: Of the document.
        labels: Of the document.
        sources: Ids of the real documents that it was made of.
        title: With which the text begins, where one is left.
    """

    text: str
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    title: str | None = None


class Rule(Strategy):
    """A strategy that rearranges real documents; a new one says how."""

    def rule(self, context: Context) -> Callable[[int], Draft | str]:
        """How documents are made.

        Args:
            context: Of which the chosen documents and the settings are used.

        Returns:
            The number of an attempt, counted up from 0 → a text, or the reason why there is none.
        """
        raise NotImplementedError

    def add(self, context: Context, count: int) -> Added:
        """So many rearranged documents, of the training set's own real ones."""
        config, name = context.config.strategy, context.config.strategy.name
        if not context.chosen:
            raise RequestError(f"strategy={name}: there are no real documents to start from; raise mix.real_share")
        attempt_at = self.rule(context)
        documents: list[Document] = []
        drafts: list[Draft] = []
        rejected: Counter[str] = Counter()
        attempts = 0
        while len(documents) < count and attempts < (config.max_attempts or 1) * count:
            draft = attempt_at(attempts)
            attempts += 1
            if isinstance(draft, str):
                rejected[draft] += 1
                continue
            source = draft.sources[0] if len(draft.sources) == 1 else None
            document = Document(
                f"{name}-{context.config.seed_of('generation')}-{attempts - 1:06d}", draft.text, draft.labels, name,
                source, title=draft.title,
            )  # fmt: skip
            if context.agrees is not None and not context.agrees(document):
                rejected["disagrees"] += 1
                continue
            documents.append(document)
            drafts.append(draft)
        if len(documents) < count and config.on_shortage != "shrink":
            why = ", ".join(f"{number} {reason}" for reason, number in rejected.most_common())
            raise RequestError(
                f"strategy={name}: {len(documents)} of {count} documents after {attempts} attempts; left out: {why}; "
                f"raise strategy.max_attempts={config.max_attempts:g}, or set strategy.on_shortage=shrink"
            )
        report = {
            "requested": count,
            "accepted": len(documents),
            "attempts": attempts,
            "rejected": dict(rejected.most_common()),
            "rule_version": VERSION,
        }
        rows = [
            {
                "id": document.id,
                "text": document.text,
                "title": document.title,
                "labels": list(document.labels),
                "strategy": name,
                "source_id": document.source_id,
                "examples": list(draft.sources),
            }
            for document, draft in zip(documents, drafts, strict=True)
        ]
        return Added(tuple(documents), report, rows)


@dataclass
class EdaConfig(StrategyConfig):
    """Settings of ``strategy=eda``."""

    operations: list[str] = bounded(words=OPERATIONS)  # noqa: RUF009
    share: float = bounded(above=0, most=1)

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from super().check()
        if not self.operations:
            yield f"strategy.operations=[]: must name one of {', '.join(OPERATIONS)}"


@STRATEGIES.add("eda", settings=EdaConfig)
class Eda(Rule):
    """Words of a real document left out, exchanged or put in again, each document once before any twice.

    Easy data augmentation (Wei and Zou 2019, section 2) without replacement by synonyms: one operation a document,
    drawn at random, on a share of its words. Words that are put in are of the same document.
    """

    def rule(self, context: Context) -> Callable[[int], Draft | str]:
        """As the class says."""
        sources, settings = context.chosen, context.config.strategy
        if not isinstance(settings, EdaConfig):
            raise TypeError("strategy=eda has settings of its own")

        def attempt(number: int) -> Draft | str:
            source = sources[_cycled(len(sources), number, context.seed)]
            generator = np.random.default_rng(derive_seed(context.seed, f"words {number}"))
            words = source.text.split()
            operation = settings.operations[int(generator.integers(len(settings.operations)))]
            changed = change_words(words, settings.share, operation, generator)
            return Draft(" ".join(changed), source.labels, (source.id,)) if changed != words else "unchanged"

        return attempt


@STRATEGIES.add("recombine")
class Recombine(Rule):
    """Sentences of real documents with the same labels, each at the place that it had.

    A document is the frame, each once before any twice; each of its sentences makes room for one at the same place of
    any document with the same set of labels. Of a label set with one document alone the sentences are shuffled.
    """

    def rule(self, context: Context) -> Callable[[int], Draft | str]:
        """As the class says. A text is never a source's; it is one that was made before only where draws find no other.

        Reasons: ``one_sentence`` where there is nothing to shuffle, ``copies_train`` where all draws give a source.
        """
        sources = context.chosen
        sentences = [split_sentences(source.text) for source in sources]
        alike: dict[frozenset[str], list[int]] = {}
        for position, source in enumerate(sources):
            alike.setdefault(frozenset(source.labels), []).append(position)
        originals = {tuple(held) for held in sentences}
        made: set[tuple[str, ...]] = set()

        def draw(frame: int, generator: np.random.Generator) -> tuple[list[int], tuple[str, ...]]:
            members = alike[frozenset(sources[frame].labels)]
            if len(members) == 1:
                order = generator.permutation(len(sentences[frame]))
                return [frame], tuple(sentences[frame][place] for place in order)
            takers = []
            for place in range(len(sentences[frame])):
                holders = [member for member in members if len(sentences[member]) > place]
                takers.append(holders[int(generator.integers(len(holders)))])
            return takers, tuple(sentences[taker][place] for place, taker in enumerate(takers))

        def attempt(number: int) -> Draft | str:
            frame = _cycled(len(sources), number, context.seed)
            generator = np.random.default_rng(derive_seed(context.seed, f"sentences {number}"))
            drawn = [draw(frame, generator) for _ in range(_DRAWS)]
            new = [(takers, text) for takers, text in drawn if text not in originals]
            if not new:
                return "one_sentence" if len(sentences[frame]) < 2 else "copies_train"
            takers, text = next((one for one in new if one[1] not in made), new[0])
            made.add(text)
            first = sources[takers[0]]
            whole = " ".join(text)
            title = first.title if first.title and whole.startswith(first.title) else None
            return Draft(whole, sources[frame].labels, tuple(dict.fromkeys(sources[i].id for i in takers)), title)

        return attempt


def change_words(words: Sequence[str], share: float, operation: str, generator: np.random.Generator) -> Words:
    """One operation on words: ``deletion``, ``swap`` or ``insertion``.

    Args:
        words: Of a text.
        share: Of the words that are exchanged with another, or put in again, at least one; of deletion the probability
            of each word, of which at least one goes and one stays.
        operation: Which.
        generator: What is drawn from.

    Returns:
        Words of the same text. They differ from those given wherever two of these differ.

    Raises:
        ValueError: There is no such operation.
    """
    changed = list(words)
    if operation not in OPERATIONS:
        raise ValueError(f"{operation}: allowed are {', '.join(OPERATIONS)}")
    if len(words) < 2:
        return changed
    count = max(1, round(share * len(words)))
    if operation == "deletion":
        gone = generator.random(len(words)) < share
        if not gone.any() or gone.all():
            gone[int(generator.integers(len(words)))] ^= True
        return [word for word, goes in zip(words, gone, strict=True) if not goes]
    if operation == "insertion":
        for word in generator.choice(len(words), count):
            changed.insert(int(generator.integers(len(changed) + 1)), words[int(word)])
        return changed
    for _ in range(count):
        _swap(changed, generator.choice(len(words), 2, replace=False))
    if changed == list(words) and len(set(words)) > 1:  # equal words, or there and back
        first = int(generator.integers(len(words)))
        others = [place for place, word in enumerate(words) if word != words[first]]
        _swap(changed, [first, others[int(generator.integers(len(others)))]])
    return changed


def _swap(words: Words, places: Sequence[int] | np.ndarray) -> None:
    first, second = int(places[0]), int(places[1])
    words[first], words[second] = words[second], words[first]


def _cycled(count: int, number: int, seed: int) -> int:
    """The position of an attempt's document: each once before any twice, in an order of its own each time."""
    turn, place = divmod(number, count)
    return int(np.random.default_rng(derive_seed(seed, f"cycle {turn}")).permutation(count)[place])
