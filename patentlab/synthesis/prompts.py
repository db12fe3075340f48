"""What a generator is asked: families of prompts, versioned, and the requests that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patentlab.config import STANDARD_FAMILY
from patentlab.corpus import Document, LabelSpace

VERSION = 1  # raise when any prompt changes: earlier answers then count as answers to other questions
ADAPTATION_VERSION = 1  # raise when a generator is fine-tuned otherwise


@dataclass(frozen=True)
class Message:
    """A turn of a conversation; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """One answer that a generator is asked for.

    Attributes:
        number: Of the attempt, from 0.
        labels: That the document is to have.
        start: What an answer begins with: with a title, where real documents have one.
        family: Of the prompt.
        messages: The conversation so far, for chat models; a user's turn comes last.
        text: The same as a text to be continued: records of real documents, and the beginning of another.
        examples: Ids of the real documents in it.
        source_id: The real document that is to be rewritten, if any.
    """

    number: int
    labels: tuple[str, ...]
    family: str
    messages: tuple[Message, ...]
    text: str
    start: str
    examples: tuple[str, ...] = ()
    source_id: str | None = None


@dataclass(frozen=True)
class Family:
    """A genre of patent text, and how it is asked for.

    Attributes:
        asked: What is to be written, for the task.
        genre: What it is, for a record.
        heading: Before the body of an answer.
    """

    asked: str
    genre: str
    heading: str


FAMILIES = {
    "patent_abstract": Family("the title and the abstract of a granted patent", "patent abstract", "Abstract"),
    "claims": Family("the title and the first independent claim of a patent", "patent claim", "Claim"),
    "technical_disclosure": Family(
        "the title and a technical disclosure of an invention: the problem, and the parts and steps that solve it",
        "technical disclosure",
        "Disclosure",
    ),
    "product_description": Family(
        "the name and a technical description of a product that rests on an invention",
        "product description",
        "Description",
    ),
}
TITLE = "Title:"
RECORD_END = "\n\n"  # of texts to be continued
_SYSTEM = "You are a patent attorney. You answer with the document alone."


def write(
    number: int,
    labels: tuple[str, ...],
    family: str,
    examples: Sequence[Document],
    space: LabelSpace,
    label_text: str,
    *,
    titled: bool,
) -> Request:
    """Ask for a document with given labels.

    Args:
        number: Of the attempt.
        labels: The label set.
        family: A key of ``FAMILIES``.
        examples: Real documents, shown as earlier turns, as abstracts.
        space: Titles of labels.
        label_text: How labels are named, see :func:`name_of`.
        titled: Whether real documents have titles.

    Returns:
        The request.
    """
    turns = [Message("system", _SYSTEM)]
    for example in examples:
        turns += [
            Message("user", _task(example.labels, STANDARD_FAMILY, space, label_text, titled)),
            Message("assistant", show(example, FAMILIES[STANDARD_FAMILY].heading)),
        ]
    turns.append(Message("user", _task(labels, family, space, label_text, titled)))
    heading = FAMILIES[STANDARD_FAMILY].heading
    records = [
        f"{_header(example.labels, STANDARD_FAMILY, space, label_text)}\n{show(example, heading)}"
        for example in examples
    ]
    text = RECORD_END.join([*records, f"{_header(labels, family, space, label_text)}\n"])
    return Request(
        number, labels, family, tuple(turns), text, _start(family, titled), tuple(example.id for example in examples)
    )


def rewrite(number: int, source: Document, family: str) -> Request:
    """Ask for a paraphrase of a real document.

    Args:
        number: Of the attempt.
        source: The document; its labels pass to the paraphrase.
        family: A key of ``FAMILIES``.

    Returns:
        The request.
    """
    titled = source.title is not None
    asked, shown = FAMILIES[family], show(source, FAMILIES[STANDARD_FAMILY].heading)
    task = (
        f"Here is a patent:\n\n{shown}\n\n"
        f"Write {asked.asked} about the same invention, in other words. Keep every technical fact. "
        f"{_form(family, titled)}"
    )
    turns = (Message("system", _SYSTEM), Message("user", task))
    text = f"{shown}{RECORD_END}The same invention in other words, as a {asked.genre}:\n"
    return Request(number, source.labels, family, turns, text, _start(family, titled), (source.id,), source.id)


def name_of(label: str, space: LabelSpace, label_text: str) -> str:
    """How a prompt names a label.

    Args:
        label: Of the space.
        space: Titles of labels.
        label_text: ``title``; ``code``, which gives no words away; ``coarse``, the title of the next coarser level.

    Returns:
        The label itself where no such text is known.
    """
    texts = {"title": space.titles, "code": {}, "coarse": space.coarse}[label_text]
    return texts.get(label, label)


def show(document: Document, heading: str) -> str:
    """A real document in the form of an answer."""
    if document.title is None:
        return f"{heading}: {document.text}"
    body = document.text.removeprefix(document.title).lstrip(" .\n")
    return f"{TITLE} {document.title}\n{heading}: {body}"


def _header(labels: Sequence[str], family: str, space: LabelSpace, label_text: str) -> str:
    names = dict.fromkeys(name_of(label, space, label_text) for label in labels)
    return f"Fields: {'; '.join(names)}\nGenre: {FAMILIES[family].genre}"


def adaptation_pair(
    number: int, document: Document, space: LabelSpace, label_text: str, *, titled: bool
) -> tuple[Request, str]:
    """What a generator learns from a real document: to answer its label set with it.

    Args:
        number: Of the pair.
        document: A real training document.
        space: Titles of labels.
        label_text: How labels are named.
        titled: Whether real documents have titles.

    Returns:
        A request without examples, and the answer.
    """
    request = write(number, document.labels, STANDARD_FAMILY, (), space, label_text, titled=titled)
    return request, show(document, FAMILIES[STANDARD_FAMILY].heading)


def _start(family: str, titled: bool) -> str:
    return TITLE if titled else f"{FAMILIES[family].heading}:"


def _form(family: str, titled: bool) -> str:
    heading = FAMILIES[family].heading
    if titled:
        return f"Answer in two lines that begin with {TITLE} and {heading}:"
    return f"Answer in one line that begins with {heading}:"


def _task(labels: Sequence[str], family: str, space: LabelSpace, label_text: str, titled: bool) -> str:
    names = "\n".join(f"- {name}" for name in dict.fromkeys(name_of(label, space, label_text) for label in labels))
    return f"Write {FAMILIES[family].asked} in these fields:\n{names}\n{_form(family, titled)}"
