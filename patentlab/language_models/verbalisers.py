"""What stands for a label in an answer: its title, its code, a word of its title, a letter, or what a table says."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from itertools import chain, islice, product
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING

import numpy as np

from patentlab.config import RequestError, config_folder
from patentlab.corpus import LabelSpace
from patentlab.data.masking import singular
from patentlab.language_models.questions import Question, answer_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LETTERS, WORD = "letters", "word"  # chosen by their tokens, and so by the tokenizer
WORDS = config_folder() / "words" / "cpc.csv"
_SHARED, _NONE = 1e3, 1e6  # costs of a word that says little or is in another title too, and of none
_SAYING_LITTLE = frozenset(  # in the singular; what patent titles begin with
    ["apparatus", "arrangement", "aspect", "detail", "device", "equipment", "mean", "method", "process", "system"]
)


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
            lower = [one.lower() for one in short]
            words = [one if lower.count(one.lower()) == 1 else title for one, title in zip(short, titles, strict=True)]
        case "code":
            words = list(labels.names)
        case _:
            words = _from_table(Path(verbaliser).expanduser(), labels)
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
    allowed = "title, short, code, word, or the path of a table with columns label,answer"
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


def single_tokens(tokenizer: PreTrainedTokenizerBase, question: Question, count: int) -> list[str]:
    """Letters that are one token each where an answer begins: A, B, …, a, b, …, then pairs.

    Args:
        tokenizer: Of the model.
        question: That they answer.
        count: How many are wanted.

    Returns:
        The letters; their tokens are all different.

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
    return list(islice(found.values(), count))


def usual_words() -> dict[str, tuple[str, ...]]:
    """Words for CPC subclasses, the best ones first: of ``conf/words/cpc.csv``."""
    with WORDS.open(encoding="utf-8", newline="") as file:
        return {row["label"]: tuple(row["words"].split(";")) for row in csv.DictReader(file)}


def telling_words(
    tokenizer: PreTrainedTokenizerBase, question: Question, titles: Sequence[str], usual: Sequence[Sequence[str]] = ()
) -> list[str]:
    """A word for each title whose first token is no other's.

    One that is usual for the label, if there is one, else one of the title: as early as possible, and rather of this
    title alone. The cheapest assignment of first tokens to titles (Kuhn 1955).

    Args:
        tokenizer: Of the model.
        question: That they answer.
        titles: Of the labels.
        usual: Words that say what a label is about better than its title does; of each label, the best ones first.

    Returns:
        Words, in lower case; the tokens that they begin with are all different.

    Raises:
        RequestError: There are no such words.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found = [re.findall(r"[^\W\d_][\w-]+", title.lower()) for title in titles]
    own_words = [[word for word in dict.fromkeys(own) if word not in ENGLISH_STOP_WORDS] for own in found]
    better = [tuple(own) for own in usual] or [()] * len(titles)
    words = [list(dict.fromkeys([*first, *rest])) for first, rest in zip(better, own_words, strict=True)]
    tokens = {word: answer_tokens(tokenizer, question, word, ended=False)[0] for own in words for word in own}
    columns = {token: place for place, token in enumerate(dict.fromkeys(tokens.values()))}
    cost = np.full((len(titles), max(len(columns), len(titles))), _NONE)
    chosen: dict[tuple[int, int], str] = {}
    for row, own in enumerate(words):
        for place, word in enumerate(own):
            at = row, columns[tokens[word]]
            shared = sum(word in others for others in words) > 1
            price = place + _SHARED * (place >= len(better[row]) and (shared or singular(word) in _SAYING_LITTLE))
            if price < cost[at]:
                cost[at], chosen[at] = price, word
    pairs = [(int(row), int(column)) for row, column in zip(*linear_sum_assignment(cost), strict=True)]
    for row, column in pairs:
        if (row, column) not in chosen:
            raise RequestError(
                f"head.verbaliser={WORD}: no word of {titles[row]!r} begins with a token that is not another label's; "
                f"set head.verbaliser={LETTERS}, or give a table with columns label,answer"
            )
    return [chosen[pair] for pair in pairs]
