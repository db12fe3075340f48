"""The demonstration corpus: fabricated patent-like abstracts over 64 assistive-technology labels.

No document describes a real patent. The corpus is made hard on purpose: labels have a long tail and come in
correlated sets, families share terms, neighbouring labels share some of their own, every abstract carries patent
boilerplate, and many mention a product that they are not about. Where words are tagged, products and terms have the
family that they belong to; boilerplate has none, and some terms are of two families.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import yaml

from patentlab.config import DataConfig, RequestError
from patentlab.config.registry import SOURCES, TASKS
from patentlab.corpus import Corpus, Document, derive_seed
from patentlab.data.sources import Source
from patentlab.data.sources.rows import fill, keep_labels, template_fields, title_of
from patentlab.data.tags import tagged_words, without_annotation

VERSION = 1  # raise when the same seed yields other documents
_VOCABULARY = "demo_vocabulary.yaml"

_TAIL_EXPONENT = 0.8  # of Zipf's law over the labels
_SET_SIZES = (0.45, 0.35, 0.20)  # probabilities of one, two, three labels
_SAME_FAMILY = 0.5  # of further labels
_PARTNER = 0.35  # a label's fixed partner in another family; the rest come from anywhere
_TERM_SOURCES = (0.30, 0.36, 0.24, 0.10)  # own, family, boilerplate, some other label

_BOILERPLATE = (
    "control unit", "housing", "sensor", "processor", "memory module", "interface", "power supply", "connector",
    "support member", "first element", "second element", "mounting part", "communication module", "storage device",
    "measured value", "threshold value", "operating mode", "user input", "output unit", "adjustment mechanism",
    "calibration step", "data set", "program code", "server", "signal path", "cover", "spring", "cable", "adapter",
    "status indicator",
)  # fmt: skip
_UNCOUNTED = frozenset(
    [
        "water",
        "hygiene",
        "light",
        "brightness",
        "contrast",
        "memory",
        "noise",
        "feedback",
        "vocabulary",
        "music",
        "inhibition",
        "wetness",
        "adherence",
        "zoom",
        "dysarthria",
        "dyslexia",
        "cooking",
        "chewing",
        "eating",
        "blindness",
        "travel",
        "waiting",
        "relaxation",
        "flicker",
        "sway",
        "camber",
    ]
)
# {A} is a term with its article, {a} one without
_TITLES = (
    "{product}", "{product} with {A}", "Method for operating a {product}", "{a} for a {product}", "Assistive system",
    "Assistive apparatus and method", "System comprising {A} and {B}", "Device for assisting a user", "{a} arrangement",
)  # fmt: skip
_OPENINGS = (
    "An apparatus comprises {A}, {B} and {C}.", "A method is disclosed in which {A} is coupled to {B}.",
    "Disclosed is a system having {A} that acts on {B}.", "The invention relates to {A} in combination with {B}.",
    "Persons with impairments are provided with {A} and {B}.", "A device includes {A} connected to {B} through {C}.",
)  # fmt: skip
_SENTENCES = (
    "The {a} is adjusted as a function of the {b}.", "In one embodiment, {A} is arranged next to the {b}.",
    "The {a} is evaluated together with {B}, and the {c} is set accordingly.",
    "As soon as the {a} exceeds a limit, the {b} is switched off.",
    "The {a} can be separated from the {b} without tools.", "A change of the {a} is detected and compared with {B}.",
    "By means of {A}, the influence of the {b} on the {c} is reduced.", "The {a} is estimated from the {b} and stored.",
)  # fmt: skip
_CLAIMS = (
    "A {product}, comprising: {A}; {B} coupled to the {a}; and {C}.",
    "A method comprising: providing {A}; connecting it to {B}; and setting {C} accordingly.",
)  # fmt: skip
_CONTRASTS = (
    "Unlike in a conventional {product}, no {a} is needed.", "It may be combined with a known {product}.",
)  # fmt: skip
_CONTRAST_RATE = 0.4


@dataclass(frozen=True)
class _Label:
    name: str
    family: str
    product: str
    terms: tuple[str, ...]
    shared: tuple[str, ...]


def read(config: DataConfig) -> Corpus:
    """Make the corpus.

    Args:
        config: ``size``, ``corpus_seed``, ``text``, ``task``, ``min_count`` and ``top_k`` are used.

    Returns:
        The same documents for the same size and seed; a larger corpus begins with the smaller one.
    """
    labels = _labels()
    prior = _prior(config.corpus_seed or 0)
    partners = np.random.default_rng(derive_seed(config.corpus_seed or 0, "partners")).permutation(len(labels))
    documents = [
        _document(index, config, labels, prior, partners) for index in range(1 if config.size is None else config.size)
    ]
    return keep_labels(documents, config, {label.name: label.product for label in labels})


def fingerprint(config: DataConfig) -> str:
    """SHA-256 of the generator's version and vocabulary; size and seed belong to the configuration."""
    text = resources.files(__package__).joinpath(_VOCABULARY).read_bytes()
    return hashlib.sha256(f"demo {VERSION}\n".encode() + text).hexdigest()


@cache
def _labels() -> tuple[_Label, ...]:
    families = yaml.safe_load(resources.files(__package__).joinpath(_VOCABULARY).read_text(encoding="utf-8"))
    return tuple(
        _Label(name, family, label["title"], tuple(label["terms"]), tuple(content["shared"]))
        for family, content in families.items()
        for name, label in content["labels"].items()
    )


def _prior(seed: int) -> np.ndarray:
    """Zipf's law over a random order of the labels, so that the tail runs through all families."""
    count = len(_labels())
    ranks = np.random.default_rng(derive_seed(seed, "prior")).permutation(count) + 1
    weights = 1.0 / ranks**_TAIL_EXPONENT
    return np.asarray(weights / weights.sum())


def _document(
    index: int, config: DataConfig, labels: tuple[_Label, ...], prior: np.ndarray, partners: np.ndarray
) -> Document:
    rng = np.random.default_rng(derive_seed(config.corpus_seed or 0, f"document {index}"))
    chosen = _label_set(rng, labels, prior, partners)
    own = [labels[position] for position in chosen]
    title = _fill(rng, _TITLES, own[0], labels)
    sentences = [_fill(rng, _OPENINGS, own[0], labels)]
    sentences += [_fill(rng, _SENTENCES, label, labels) for label in own]
    if rng.random() < _CONTRAST_RATE:
        other = labels[rng.integers(len(labels))]
        sentences.append(_fill(rng, _CONTRASTS, other, labels))
    fields = {"title": title, "abstract": " ".join(sentences), "claim": ""}
    if "claim" in template_fields(config.text):  # drawn by itself, so that titles and abstracts are the same without
        own_rng = np.random.default_rng(derive_seed(config.corpus_seed or 0, f"claim {index}"))
        fields["claim"] = "1. " + _fill(own_rng, _CLAIMS, own[0], labels)
    plain = {name: without_annotation(text) for name, text in fields.items()}
    plain["title"] = plain["title"].capitalize()
    text, names = fill(config.text, plain), tuple(label.name for label in own)
    try:
        tags = tuple(tagged_words(fill(config.text, fields))[1]) if TASKS.get(config.task).tags_words else ()
    except ValueError:
        raise RequestError(f"data.text={config.text}: must have no brackets where words are tagged") from None
    return Document(f"demo-{index:06d}", text, names, title=title_of(text, plain), tags=tags)


def _label_set(
    rng: np.random.Generator, labels: tuple[_Label, ...], prior: np.ndarray, partners: np.ndarray
) -> list[int]:
    chosen = [int(rng.choice(len(labels), p=prior))]
    for _ in range(int(rng.choice(len(_SET_SIZES), p=_SET_SIZES))):
        draw = rng.random()
        if draw < _SAME_FAMILY:
            family = np.array([label.family == labels[chosen[0]].family for label in labels])
            weights = prior * family
            candidate = int(rng.choice(len(labels), p=weights / weights.sum()))
        elif draw < _SAME_FAMILY + _PARTNER:
            candidate = int(partners[chosen[0]])
        else:
            candidate = int(rng.choice(len(labels), p=prior))
        if candidate not in chosen:
            chosen.append(candidate)
    return chosen


def _fill(rng: np.random.Generator, templates: tuple[str, ...], label: _Label, labels: tuple[_Label, ...]) -> str:
    template = templates[rng.integers(len(templates))]
    terms = {slot: _term(rng, label, labels) for slot in "abc"}
    marked = {slot: f"[{family} : {term}]" if family else term for slot, (family, term) in terms.items()}
    with_article = {slot.upper(): f"{_article(terms[slot][1])}{term}" for slot, term in marked.items()}
    return template.format(product=f"[{label.family} : {label.product}]", **marked, **with_article)


def _term(rng: np.random.Generator, label: _Label, labels: tuple[_Label, ...]) -> tuple[str, str]:
    """The family that a term belongs to, none of boilerplate, and the term."""
    source = rng.choice(len(_TERM_SOURCES), p=_TERM_SOURCES)
    other = labels[rng.integers(len(labels))]
    pool = (label.terms, label.shared, _BOILERPLATE, other.terms)[source]
    family = (label.family, label.family, "", other.family)[source]
    return family, str(pool[rng.integers(len(pool))])


def _article(term: str) -> str:
    if term.endswith("s") or term.split()[-1] in _UNCOUNTED:
        return ""
    return "an " if term[0] in "aeiou" else "a "


SOURCES.add("demo")(Source(read, fingerprint, columns=False, tags=True, made=True))
