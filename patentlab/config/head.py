"""The head group: how a backbone answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from patentlab.config.bounds import bounded, out_of_bounds
from patentlab.config.registry import HEADS

CALIBRATIONS = ("contextual", "batch")
_TAGS = "tags"  # the wording that asks for them
_OF_LABELS = ("decoding", "score", "max_new_tokens", "verbaliser")  # settings that say how labels are answered


@dataclass
class HeadConfig:
    """What most heads have: one vector a document, and linear layers."""

    name: str = bounded(words=lambda: (*HEADS.names(), "none"))
    pooling: str | None = bounded(None, words=("last", "mean", "max", "cls"))
    hidden: int | None = bounded(None, least=1, hint=", or null")
    dropout: float | None = bounded(None, least=0, below=1)
    start: str | None = bounded(None, words=("probe", "frequencies"))
    fallback: str | None = bounded(None, words=("probe",))
    fallback_margin: float | None = bounded(None, least=0, below=1)

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "head.")
        if self.name == "none":
            return
        for name in ("pooling", "start"):
            if getattr(self, name) is None:
                yield f"head.{name}=null: must be given for head={self.name}"
        if self.fallback is not None and self.fallback_margin is None:
            yield "head.fallback_margin=null: must be at least 0 and below 1"
        for name in ("start", "fallback"):
            if self.hidden is not None and getattr(self, name) == "probe":
                other = "null" if name == "fallback" else "frequencies"
                yield f"head.{name}=probe: a probe fits a linear head; set head.{name}={other} or head.hidden=null"

    def check_tags(self, *, beside_labels: bool) -> Iterator[str]:
        """A line per problem where words are tagged, and perhaps documents labelled beside."""
        yield from ()

    def idle(self, *, tags: bool, labels: bool) -> dict[str, str]:
        """Settings, by dotted name, that change nothing where tags and labels are asked for, or not; and why."""
        return {}

    def unread(self) -> dict[str, str]:
        """Settings, by dotted name, that nothing reads beside the head's others, and why; they stay in the key."""
        return {}


@dataclass
class LabelSimilarityHeadConfig(HeadConfig):
    """What the label-similarity head has beside its pooling.

    Attributes:
        verbaliser: Of which words a label's vector is, as for the heads that ask in words.
        scale: What cosines are multiplied by, before any training.
    """

    verbaliser: str = "title"
    scale: float = bounded(20.0, above=0)

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "head.")
        if self.pooling is None:
            yield f"head.pooling=null: must be given for head={self.name}"


@dataclass
class TokenHeadConfig(HeadConfig):
    """What the token head has beside its layers.

    Attributes:
        subword: Which token of a word is read: the ``first``, or the ``last``, which alone has seen the whole word
            where a backbone reads from left to right.
    """

    subword: str = bounded("first", words=("first", "last"))

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "head.")


@dataclass
class JointHeadConfig(TokenHeadConfig):
    """What the joint head has beside: a vector a document too.

    Attributes:
        label_share: Of the label in the loss, the tags have the rest: each is a mean, over documents and over words.
    """

    label_share: float = bounded(0.5, above=0, below=1)

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from super().check()
        if self.pooling is None:
            yield f"head.pooling=null: must be given for head={self.name}"


@dataclass
class MultiTaskHeadConfig(JointHeadConfig):
    """What the head for several tasks has beside: how much each part of the data counts.

    Attributes:
        weights: Of parts in the loss, by name; 1 for those that are not named.
        batches: What they hold: parts in ``proportion`` to their training documents, or each as often (``even``).
    """

    weights: dict[str, float] = field(default_factory=dict)
    batches: str = bounded("proportion", words=("proportion", "even"))

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from super().check()
        for name, weight in self.weights.items():
            if not (math.isfinite(weight) and weight > 0):
                yield f"head.weights.{name}={weight:g}: must be above 0"


@dataclass
class Wording:
    """How a document is asked about.

    Attributes:
        instruction: What is to be done; ``{labels}`` stands for the list of labels.
        document: How a document is shown; ``{text}`` stands for it.
        cue: Before the answer.
        question: Of one label, ``{label}``, where each is asked about by itself.
    """

    instruction: str = ""
    document: str = "{text}"
    cue: str = ""
    question: str = ""

    def check(self, prefix: str, *, asks_each: bool) -> Iterator[str]:
        """A line per problem."""
        if self.document.count("{text}") != 1:
            yield f"{prefix}.document={self.document!r}: must have {{text}} once, where the document stands"
        if asks_each and self.question.count("{label}") != 1:
            yield f"{prefix}.question={self.question!r}: must have {{label}} once, where the label stands"


@dataclass
class PromptedHeadConfig(HeadConfig):
    """What heads have that ask a language model with words.

    Attributes:
        answer: What is answered: ``label``, ``yes_no`` (each label asked about by itself) or ``list``; None: one label
            where a document has one, else the other that the option has.
        wording: By what is answered.
        verbaliser: What stands for a label: ``title``, ``short``, ``code``, a table ``label,answer``; for the logits of
            single tokens also ``letters``, or ``word``, one of its title.
        shots: Answered documents of the training set before the question.
        shot_length: Tokens of each at most.
        calibration: What is taken off the scores: those of texts without content (``contextual``, Zhao et al. 2021),
            or the mean over training documents (``batch``, Zhou et al. 2023).
    """

    answer: str | None = bounded(None, words=("label", "yes_no", "list"))
    wording: dict[str, Wording] = field(default_factory=dict)
    verbaliser: str = "title"
    shots: int = bounded(0, least=0)
    shot_length: int = bounded(96, least=1)
    calibration: str | None = bounded(None, words=CALIBRATIONS)

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from out_of_bounds(self, "head.")
        for kind, wording in self.wording.items():
            yield from wording.check(f"head.wording.{kind}", asks_each=kind == "yes_no")
        if self.answer is not None and self.answer not in self.wording:
            yield f"head.answer={self.answer}: head={self.name} has wording for {', '.join(self.wording)}"

    def unread(self) -> dict[str, str]:
        """How long examples are, where there are none."""
        return {} if self.shots else {"head.shot_length": "head.shots=0 shows no examples"}


@dataclass
class InstructionHeadConfig(PromptedHeadConfig):
    """What the instruction head has beside.

    Attributes:
        decoding: ``score`` (the probability of every label's words) or ``generate`` (the likeliest tokens, parsed).
        score: Of an answer's tokens: the ``sum`` of their log-probabilities, or the ``mean``.
        max_new_tokens: Of a generated answer.
        tag_tokens: Of an answer that has tags, which is always written.
    """

    decoding: str = bounded("score", words=("score", "generate"))
    score: str = bounded("sum", words=("sum", "mean"))
    max_new_tokens: int = bounded(16, least=1)
    tag_tokens: int = bounded(64, least=1)

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from super().check()
        if self.decoding == "generate" and self.answer == "yes_no":
            yield "head.decoding=generate: answers about single labels are scored; set head.answer=list or label"
        if self.decoding == "generate" and self.calibration is not None:
            yield f"head.calibration={self.calibration}: needs scores; set head.decoding=score"

    def unread(self) -> dict[str, str]:
        """How answers are written where they are scored, and the other way round."""
        name = "max_new_tokens" if self.decoding == "score" else "score"
        return super().unread() | {f"head.{name}": f"labels are answered with head.decoding={self.decoding}"}

    def check_tags(self, *, beside_labels: bool) -> Iterator[str]:
        """A line per problem."""
        if self.answer is not None and not (beside_labels and self.answer == "label"):
            yield f"head.answer={self.answer}: tags are a list, beside one label or none; set head.answer=null"
        if self.calibration is not None:
            yield f"head.calibration={self.calibration}: needs scores, and tags are written; set head.calibration=null"
        if _TAGS not in self.wording:
            yield f"head.wording: head={self.name} has none for {_TAGS}"

    def idle(self, *, tags: bool, labels: bool) -> dict[str, str]:
        """Wording of what is not asked, and how labels are read where there are none."""
        asked = [kind for kind in self.wording if (tags if kind == _TAGS else labels)]
        unasked = [
            f"wording.{kind}.{one.name}" for kind in self.wording for one in fields(Wording) if kind not in asked
        ]
        names = unasked + ([] if tags else ["tag_tokens"]) + ([] if labels else list(_OF_LABELS))
        why = "no tags are asked for" if labels else "tags alone are asked for, and are written"
        return {f"head.{name}": why for name in names}
