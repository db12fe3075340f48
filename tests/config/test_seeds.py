"""Seeds of single sources: what they follow, what is shown of them, and where they have no effect."""

import re

import pytest

from patentlab.config import SEED_SOURCES, RequestError, from_settings, seeds_of
from patentlab.console.command_line import compose, compose_run


def test_a_source_follows_the_seed_unless_it_has_one_of_its_own():
    config = compose("model=minilm", "regime=1:10", "seed=3", "seeds.split=0", "seeds.weights=5")
    assert {name: config.seed_of(name) for name in SEED_SOURCES} == {
        "split": 0, "regime": 3, "generation": 3, "weights": 5, "batches": 3,
    }  # fmt: skip
    assert seeds_of(config.settings) == {name: config.seed_of(name) for name in SEED_SOURCES}
    assert (config.choices["seed"], config.choices["seeds"]) == (3, "split=0 weights=5")
    assert "seeds" not in compose("seed=3").choices


def test_records_from_before_are_read():
    settings = compose("seed=3").settings
    del settings["seeds"]
    assert set(seeds_of(settings).values()) == {3}
    assert from_settings(settings).seeds == compose("seed=3").seeds


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seeds.splt=1", "seeds.splt (did you mean seeds.split?): no such setting"),
        ("seeds.split=-1", "seeds.split=-1: must be 0 or more"),
        ("seeds.split=a", "seeds.split=a: must be a whole number, or null"),
        ("seeds=1", "seeds: is a section; set seeds.NAME=…"),
        ("seeds.generation=1", "seeds.generation: has no effect: nothing is drawn to be added"),
        ("seeds.generation=1 mix=0.5 strategy=none", "seeds.generation: has no effect"),
        ("seeds.generation=1 mix=0.5 mix.budget=20 strategy=reveal", "seeds.generation: has no effect"),
        ("seeds.weights=1 model=tfidf_linear", "seeds.weights: has no effect: model=tfidf_linear is fitted"),
        ("seeds.batches=1 model=constant", "seeds.batches: has no effect: model=constant is fitted"),
        ("seeds.regime=1", "seeds.regime: has no effect: regime=1:1 without mix.budget takes every document"),
        ("seeds.split=1 data=csv data.path=x data.text=a data.labels=b data.date=d data.split.method=date",
         "seeds.split: has no effect: data.split.method=date draws nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_or_has_no_effect_is_refused(line: str, message: str):
    with pytest.raises(RequestError, match=re.escape(message)):
        compose(*line.split())


@pytest.mark.parametrize(
    "line",
    [
        "seeds.generation=1 mix=0.5 strategy=duplicate",
        "seeds.regime=1 mix=0.5 mix.budget=20",
        "seeds.regime=1 regime=1:2",
        "seeds.generation=null",  # as it is anyway
    ],
)
def test_what_has_an_effect_is_not(line: str):
    compose(*line.split())


def test_a_run_of_a_sweep_leaves_out_seeds_that_it_does_not_draw_on():
    found = compose_run(["mix=0.5", "strategy=none", "seed=2", "seeds.generation=1"], alone=False)
    assert found.left_out == {"seeds.generation": 1} and found.config.seeds.generation is None
    assert set(found.idle) == {"seeds.generation"}
    found = compose_run(["mix=0.5", "strategy=eda", "seed=2", "seeds.generation=1"], alone=False)
    assert not found.left_out and found.config.seed_of("generation") == 1
