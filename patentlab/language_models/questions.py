"""Classification asked as a question: the wording, and the tokens of a prompt.

Instructions and examples stand before the document, so that what all documents have in common comes first and is
computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_DOCUMENT, _QUESTION, _ANSWER = "\ue000", "\ue001", "\ue002"  # private characters, in no text and no template


@dataclass(frozen=True)
class Shot:
    """A document that was answered.

    Attributes:
        text: Of the document.
        question: What was asked of it, where every label has a question of its own; else empty.
        answer: What is right.
    """

    text: str
    question: str
    answer: str


@dataclass(frozen=True)
class Question:
    """The tokens that a document is asked with.

    Attributes:
        prefix: Before the document: instructions and examples.
        middle: Between the document and a label's own question; all that follows where there is none.
        questions: Of each label, up to where the answer begins; empty where there is one question for all.
        end: The token that ends an answer.
        chat: Whether the model's chat template was used.
        space: Between the prefix and a document; most tokenizers have it in the document's first token.
        lead: The same between a prompt and its answer.
    """

    prefix: list[int]
    middle: list[int]
    questions: list[list[int]]
    end: int
    chat: bool
    space: str
    lead: str

    @property
    def around(self) -> int:
        """Tokens of a row beside its document and its answer."""
        return len(self.prefix) + len(self.middle) + max((len(one) for one in self.questions), default=0)


def compose_question(
    tokenizer: PreTrainedTokenizerBase,
    instruction: str,
    document: str,
    cue: str,
    shots: Sequence[Shot] = (),
    questions: Sequence[str] = (),
) -> Question:
    """Turn wording into tokens, by the model's chat template where it has one.

    Args:
        tokenizer: Of the model.
        instruction: What is to be done, complete.
        document: How a document is shown, with ``{text}``.
        cue: Stands before an answer.
        shots: Answered before.
        questions: Of each label, where each has one of its own.

    Returns:
        The tokens.
    """
    before, after = document.split("{text}")

    def asked(text: str, question: str) -> str:
        return "\n".join(part for part in (before + text + after, question, cue) if part)

    turns = [(asked(shot.text, shot.question), shot.answer) for shot in shots]
    turns.append((asked(_DOCUMENT, _QUESTION if questions else ""), _ANSWER))
    turns[0] = (f"{instruction}\n\n{turns[0][0]}", turns[0][1])
    chat = bool(getattr(tokenizer, "chat_template", None))
    rendered = _as_chat(tokenizer, turns) if chat else "\n\n".join(f"{user} {answer}" for user, answer in turns)
    head, rest = rendered.split(_DOCUMENT)
    rest, tail = rest.split(_ANSWER)
    middle, _, behind = rest.partition(_QUESTION)
    space = " " if head.endswith(" ") else ""
    head = head.removesuffix(space)
    if _ids(tokenizer, "x") == _inner_ids(tokenizer, " x"):  # it puts a space before everything that it is given
        space = ""
    lead = " " if (behind or middle).endswith(" ") else ""  # belongs to the first token of the answer
    middle, behind = (middle, behind.removesuffix(lead)) if behind else (middle.removesuffix(lead), behind)
    end = _ids(tokenizer, tail.lstrip(" "))[:1] if chat else []
    known = [one for one in (tokenizer.eos_token_id, tokenizer.pad_token_id, 0) if one is not None]
    return Question(
        [*_beginning(tokenizer, chat), *_ids(tokenizer, head)],
        _inner_ids(tokenizer, middle),
        [_inner_ids(tokenizer, question + behind) for question in questions],
        int((end or known)[0]),
        chat,
        space,
        lead,
    )


def answer_tokens(
    tokenizer: PreTrainedTokenizerBase, question: Question, answer: str, *, ended: bool = True
) -> list[int]:
    """The tokens of an answer.

    Args:
        tokenizer: Of the model.
        question: That it answers.
        answer: Its words.
        ended: With the token that ends it, so that no answer is the beginning of another.

    Returns:
        At least one token.
    """
    found = _inner_ids(tokenizer, question.lead + answer)
    return [*found, question.end] if ended else found


def _as_chat(tokenizer: PreTrainedTokenizerBase, turns: Sequence[tuple[str, str]]) -> str:
    messages = [
        {"role": role, "content": content}
        for user, answer in turns
        for role, content in (("user", user), ("assistant", answer))
    ]
    # some templates put today's date in, and would ask otherwise tomorrow
    return str(tokenizer.apply_chat_template(messages, tokenize=False, date_string="26 Jul 2024"))


def _beginning(tokenizer: PreTrainedTokenizerBase, chat: bool) -> list[int]:
    """The token that the tokenizer puts before every text; a chat template brings its own."""
    first = tokenizer("")["input_ids"][:1]
    return list(first) if not chat and first == [tokenizer.bos_token_id] else []


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []


def _inner_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Tokens of what stands within a text: some tokenizers put a space before everything that they are given."""
    whole, first = _ids(tokenizer, f"\n{text}"), _ids(tokenizer, "\n")
    return whole[len(first) :] if text and whole[: len(first)] == first else _ids(tokenizer, text)
