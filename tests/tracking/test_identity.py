"""The run key: what is another run, and what is not."""

import pytest

from patentlab.config import SEED_SOURCES
from patentlab.console.command_line import compose, compose_run
from patentlab.synthesis.generators.transformers import TransformersGenerator
from patentlab.tracking.identity import run_key, run_name


def test_without_a_budget_the_runs_own_documents_are_all_of_the_regime_and_its_key_the_same():
    line = ["model=constant", "mix=0.5", "strategy=paraphrase"]
    keys = {
        (budget, sources): run_key(compose(*line, f"mix.budget={budget}", f"strategy.sources={sources}"), {})
        for budget in ("null", 40)
        for sources in ("mixture", "regime", 12)
    }
    assert keys["null", "mixture"] == keys["null", "regime"]
    assert len(set(keys.values())) == 5


def key(*line: str) -> str:
    return run_key(compose_run(line, alone=False).config, {})


def test_the_same_seeds_are_the_same_run_however_they_are_given():
    line = ["model=minilm", "mix=0.5", "strategy=duplicate", "regime=1:10"]
    assert key(*line, "seed=3", *(f"seeds.{name}=null" for name in SEED_SOURCES)) == key(*line, "seed=3")
    assert key(*line, "seed=0", *(f"seeds.{name}=3" for name in SEED_SOURCES)) == key(*line, "seed=3")
    one = key(*line, "seed=3", "seeds.weights=1")
    assert one == key(*line, "seed=1", *(f"seeds.{name}=3" for name in SEED_SOURCES if name != "weights"))
    keys = {key(*line, "seed=3", f"seeds.{name}=1") for name in SEED_SOURCES}
    assert len(keys | {key(*line, "seed=3"), key(*line, "seed=1")}) == len(SEED_SOURCES) + 2


def test_a_seed_of_what_is_not_drawn_makes_no_other_run():
    alone = ["model=minilm", "mix=0.5", "strategy=none"]
    assert key(*alone, "seeds.generation=1") == key(*alone)
    held = [f"seeds.{name}=0" for name in ("split", "regime", "weights", "batches")]
    assert key(*alone, "seed=1", *held) == key(*alone, "seed=0")
    assert key(*alone, "strategy=duplicate", "seed=1", *held) != key(*alone, "strategy=duplicate", "seed=0")


def test_names_tell_seeds_apart():
    config = compose("model=minilm", "seed=3", "seeds.weights=1", "seeds.split=0")
    assert run_name(config.choices) == "minilm-full 1:1 mix=1 seed=3 split=0 weights=1"
    assert run_name(compose("model=minilm", "seed=3").choices) == "minilm-full 1:1 mix=1 seed=3"


def test_runs_that_learned_from_what_a_generator_would_write_otherwise_now_are_other_runs(
    monkeypatch: pytest.MonkeyPatch,
):
    server = ("generator=openai", "generator.path=m", "generator.base_url=http://localhost:1/v1")
    requests = {
        "own": ("mix=0.5",),
        "server": ("mix=0.5", *server),
        "real": (),
        "copies": ("mix=0.5", "strategy=duplicate"),
    }

    def keys(version: int) -> dict[str, str]:
        monkeypatch.setattr(TransformersGenerator, "version", version)
        return {name: run_key(compose(*line), {}) for name, line in requests.items()}

    before, after = keys(1), keys(2)
    assert {name for name in requests if before[name] != after[name]} == {"own"}
    assert run_key(compose("mix=0.5"), {}, earlier=True) == before["own"]


def test_runs_that_once_gave_other_results_are_other_runs(monkeypatch: pytest.MonkeyPatch):
    lora, reduced = ["model=smollm2_135m", "adapter=lora"], "trainer.precision=bf16"
    asked = [*lora, "head=instruction", "data.task=single_label"]
    letters = [*lora, "head=label_logits", "data.task=single_label", "head.verbaliser=letters"]
    compared = ["model=minilm", "adapter=full", "loss=contrastive"]
    requests = {
        "asked": asked, "asked, bf16": [*asked, reduced],
        "letters": letters,
        "list": [*lora, "head=instruction", "data.task=multi_label", "head.answer=list"],
        "compared": compared, "compared, bf16": [*compared, reduced],
        "linear": lora, "linear, bf16": [*lora, reduced],
    }  # fmt: skip
    now = {name: run_key(compose(*line), {}) for name, line in requests.items()}
    monkeypatch.setattr("patentlab.tracking.identity._once_otherwise", lambda config: ())
    before = {name: run_key(compose(*line), {}) for name, line in requests.items()}
    assert {name for name in requests if before[name] != now[name]} == {
        "asked, bf16",
        "list",
        "compared, bf16",
    }
