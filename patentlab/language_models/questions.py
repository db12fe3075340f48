"""Classification asked as a question: the wording, the words for labels, and the tokens of a prompt.

Instructions and examples stand before the document, so that what all documents have in common comes first and is
computed once.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice, product
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING

from patentlab.config import RequestError
from patentlab.corpus import LabelSpace

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


def words_for(labels: LabelSpace, verbaliser: str) -> list[str]:
    """What stands for each label in an answer.

    Args:
        labels: In their order.
        verbaliser: ``title``, ``short`` (a title up to its first punctuation mark, where that tells labels apart),
            ``code`` (the label itself), or the path of a table ``label,answer``.

    Returns:
        A text a label, no two alike.

    Raises:
        RequestError: The table is missing or incomplete, or two labels have the same words.
    """
    titles = [_calm(labels.titles.get(name) or name) for name in labels.names]
    match verbaliser:
        case "title":
            words = titles
        case "short":
            short = [re.split(r"[,;:(]", title)[0].strip() or title for title in titles]
            words = [one if short.count(one) == 1 else title for one, title in zip(short, titles, strict=True)]
        case "code":
            words = list(labels.names)
        case _:
            words = _from_table(Path(verbaliser), labels)
    lower = [word.lower() for word in words]  # answers that are written are read without regard to capitals
    for number, word in enumerate(words):
        if lower[number] in lower[:number]:
            one, other = labels.names[lower.index(lower[number])], labels.names[number]
            raise RequestError(f"head.verbaliser={verbaliser}: {one} and {other} would both be answered by {word!r}")
    return words


def _calm(title: str) -> str:
    """A title in capitals, in lower case with a capital at its beginning."""
    letters = [letter for letter in title if letter.isalpha()]
    loud = sum(letter.isupper() for letter in letters) > len(letters) / 2 and len(letters) > 5
    return title[:1] + title[1:].lower() if loud else title


def _from_table(path: Path, labels: LabelSpace) -> list[str]:
    allowed = "title, short, code, or the path of a table with columns label,answer"
    if not path.is_file():
        raise RequestError(f"head.verbaliser={path}: no such file; allowed are {allowed}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"label", "answer"} <= set(rows[0]):
        raise RequestError(f"head.verbaliser={path}: must have the columns label and answer")
    given = {row["label"]: (row["answer"] or "").strip() for row in rows}
    if missing := [name for name in labels.names if not given.get(name)]:
        raise RequestError(f"head.verbaliser={path}: has no answer for {', '.join(missing[:5])}")
    return [given[name] for name in labels.names]


def single_tokens(tokenizer: PreTrainedTokenizerBase, question: Question, count: int) -> list[tuple[str, int]]:
    """Letters that are one token each where an answer begins: A, B, …, a, b, …, then pairs.

    Args:
        tokenizer: Of the model.
        question: That they answer.
        count: How many are wanted.

    Returns:
        Letters and their tokens, all different.

    Raises:
        RequestError: The tokenizer has no more.
    """
    pairs = ("".join(pair) for pair in product(ascii_uppercase, repeat=2))
    found: dict[int, str] = {}

    for letters in chain(ascii_uppercase, ascii_lowercase, pairs):
        tokens = answer_tokens(tokenizer, question, letters, ended=False)
        if len(tokens) == 1:
            found.setdefault(tokens[0], letters)
        if len(found) == count:
            break
    if len(found) < count:
        raise RequestError(
            f"head.verbaliser=letters: the tokenizer has {len(found)} letters and pairs that are one token each, "
            f"for {count} labels; keep fewer (data.top_k={len(found)}) or take head=embedding"
        )
    return [(letters, token) for token, letters in islice(found.items(), count)]
