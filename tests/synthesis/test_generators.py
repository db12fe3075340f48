"""Kinds of generators: what each says of itself, what stays cached, and one from outside of the package."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from patentlab.config import ExperimentConfig, GeneratorConfig, RequestError
from patentlab.config.registry import GENERATORS
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.data.splits import Split
from patentlab.protocols import Advance, Progress, Silent
from patentlab.synthesis.generators import (
    Answer,
    Generator,
    build_generator,
    generator_fingerprint,
    generator_kind,
    transformers,
)
from patentlab.synthesis.production import _description
from patentlab.synthesis.prompts import Request
from patentlab.synthesis.store import ShardStore
from patentlab.synthesis.strategies import Added, Context, find_strategy
from tests.synthesis.scripted_server import document

SPACE = LabelSpace(("ear", "seat"), {"ear": "a sound", "seat": "a seat"})
SOURCES = [
    Document("1", "An ear with a sound.", ("ear",), title="Ear"),
    Document("2", "A wheel is the seat.", ("seat",), title="Seat"),
]


class ScriptedGenerator(Generator):
    """What a package of somebody else would bring."""

    built: list[Path | None] = []  # noqa: RUF012  # with which adapters

    def __init__(self, config: GeneratorConfig, adapter: Path | None, progress: Progress) -> None:
        super().__init__(config, adapter, progress)
        self.built.append(adapter)

    def answer(self, requests: Sequence[Request], seed: int, advance: Advance) -> list[Answer]:
        texts = [document(seed % 10_000 + number) for number, _ in enumerate(requests)]
        advance(len(texts))
        return [Answer(text, len(text.split())) for text in texts]


class TrainableGenerator(ScriptedGenerator):
    @classmethod
    def adapt(
        cls, config: GeneratorConfig, pairs: Sequence[tuple[Request, str]], seed: int, progress: Progress
    ) -> Path:
        return Path(f"learned-{len(pairs)}")


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PATENTLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ScriptedGenerator, "built", [])
    monkeypatch.setattr(GENERATORS, "_known", dict(GENERATORS.items()))
    GENERATORS.add("scripted")(ScriptedGenerator)
    GENERATORS.add("trainable")(TrainableGenerator)
    yield


def settings(kind: str, *more: str) -> ExperimentConfig:
    config = compose("mix=0.5", "generator.batch_size=4", *more)
    config.generator.kind = kind
    return config


def make(config: ExperimentConfig, count: int) -> Added:
    context = Context(config, SOURCES, SOURCES, SOURCES, Split(tuple(SOURCES), (), ()), SPACE, Silent())
    return find_strategy(config.strategy.name).add(context, count)


@pytest.mark.usefixtures("scripted")
def test_a_generator_from_elsewhere_writes_a_corpus():
    config = settings("scripted")
    made = make(config, 6)
    assert len({d.text for d in made.documents}) == 6
    assert ScriptedGenerator.built == [None]
    assert make(config, 6) == made
    assert ScriptedGenerator.built == [None]  # from the cache
    assert generator_fingerprint(config.generator) == "scripted:embedded:smollm2_135m#"


@pytest.mark.usefixtures("scripted")
def test_a_kind_fine_tunes_by_its_own_means_or_says_that_it_cannot():
    made = make(settings("trainable", "generator.adapt=lora"), 3)
    assert len(made.documents) == 3
    assert ScriptedGenerator.built == [Path("learned-2")]
    with pytest.raises(RequestError, match=r"generator\.adapt=lora: generator\.kind=scripted cannot be fine-tuned"):
        make(settings("scripted", "generator.adapt=lora"), 3)


def test_a_kind_that_nobody_brings_is_told_with_those_that_there_are():
    with pytest.raises(RequestError, match=r"allowed are .*\bopenai\b") as raised:
        build_generator(settings("transformer").generator, None, Silent())
    assert "transformers" in str(raised.value)


def test_what_the_kinds_say_of_themselves():
    server = compose(
        "mix=0.5", "generator=openai", "generator.path=m", "generator.base_url=http://h:8000/v1", "generator.revision=b"
    ).generator
    assert generator_fingerprint(server) == "openai:m@h:8000/v1#b"
    assert not generator_kind(server).is_guided(server)
    guided = {
        arguments: generator_kind(config).is_guided(config)
        for arguments in ((), ("generator.form=chat",), ("generator.adapt=lora",))
        for config in (compose("mix=0.5", *arguments).generator,)
    }
    assert list(guided.values()) == [True, False, False]


# as folders of answers are named; that of a server as before there were kinds
@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["generator=openai", "generator.path=scripted", "generator.base_url=http://localhost:8000/v1"],
         "2cdd49d29dd9023c"),
        (["generator.path=org/unknown", "generator.precision=fp32"], "2becae655e668441"),
        (["generator.path=org/unknown", "generator.precision=fp32", "generator.form=chat"], "f92073ac02b2a2bf"),
        (["generator.path=org/unknown", "generator.precision=fp32", "generator.adapt=lora"], "a68a07528f86ac78"),
    ],
)  # fmt: skip
def test_cached_answers_are_found_again(arguments: list[str], key: str):
    config = compose("mix=0.5", *arguments)
    description = _description(config.strategy, config.generator, SOURCES, SPACE, 7)
    assert ShardStore(description).key == key


def test_answers_in_another_precision_are_kept_apart(monkeypatch: pytest.MonkeyPatch):
    def key(precision: str, *, native: bool = True) -> str:
        chosen = {"auto": "bf16" if native else "fp32"}
        monkeypatch.setattr(transformers, "inference_precision", lambda asked: chosen.get(asked, asked))
        config = compose("mix=0.5", "generator.path=org/unknown", f"generator.precision={precision}")
        return ShardStore(_description(config.strategy, config.generator, SOURCES, SPACE, 7)).key

    assert key("auto") == key("bf16")
    assert key("auto", native=False) == key("fp32")
    assert len({key("fp32"), key("bf16"), key("nf4")}) == 3


def test_to_know_the_kinds_takes_no_torch():
    code = (
        "import sys; from patentlab.config.registry import GENERATORS; print(sorted(GENERATORS.names())); "
        "print({'torch', 'transformers', 'openai'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['openai', 'transformers']", "set()"]
