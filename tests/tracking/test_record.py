import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from patentlab.config import ModelConfig
from patentlab.console.command_line import compose, compose_run
from patentlab.tracking import identity
from patentlab.tracking.identity import run_key
from patentlab.tracking.record import Record

PRINTS = {"data": "d" * 64, "model": "m"}


def key(*overrides: str, **prints: str) -> str:
    return run_key(compose_run(overrides, alone=False).config, {**PRINTS, **prints})


def test_a_record_is_read_as_it_was_written_and_replaced_whole(tmp_path: Path):
    record = Record("abc", {"model": "minilm", "mix": 0.2}, metrics={"test": {"f1_micro": 0.5}})
    path = record.write(tmp_path)
    assert Record.read(path) == record
    record.status = "finished"
    record.write(tmp_path)
    assert Record.read(path).status == "finished"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]
    assert list(json.loads(path.read_text()))[:4] == ["schema", "status", "key", "error"]


def test_what_is_no_number_is_never_recorded(tmp_path: Path):
    with pytest.raises(ValueError, match="Out of range float"):
        Record("abc", {}, metrics={"test": {"f1_micro": math.nan}}).write(tmp_path)


@pytest.mark.parametrize("content", ["[]", '{"schema": 0}'])
def test_another_schema_is_refused(tmp_path: Path, content: str):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ValueError, match="not a record of schema 1"):
        Record.read(tmp_path / "result.json")


@pytest.mark.parametrize(
    "override",
    ["tracking=none", "tracking.uri=sqlite:////x", "data.path=elsewhere", "trainer.save_model=never", "strategy=none"],
)
def test_what_cannot_change_a_result_is_not_in_the_key(override: str):
    assert key(override) == key()


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "regime=1:2",
        "mix=0.5",
        "trainer.learning_rate=0.1",
        "data.size=50",
        "head.pooling=max",
        "model=minilm",
    ],
)
def test_what_can_change_a_result_is_in_the_key(override: str):
    assert key(override) != key()


def test_data_models_and_stage_versions_are_in_the_key(monkeypatch):
    assert key(data="e" * 64) != key() != key(model="n")
    before = key()
    monkeypatch.setitem(identity.STAGE_VERSIONS, "training", 99)
    assert key() != before


def test_settings_of_gradient_training_do_not_touch_baselines():
    assert key("model=constant", "trainer.epochs=3", "loss=bce") == key("model=constant")
    assert key("model=tfidf_linear", "model.tfidf.min_df=2") != key("model=tfidf_linear")


def test_recommended_settings_count_only_as_far_as_they_are_used():
    assert key("model.recommended.full.epochs=99") == key()
    assert key("model.recommended.lora.epochs=99") != key()


def test_controls_have_one_key_whatever_is_said_of_what_they_do_not_use():
    for control in ("duplicate", "step_matched", "none"):
        own = key("mix=0.5", f"strategy={control}")
        assert own == key("mix=0.5", f"strategy={control}", "strategy.examples=1", "generator=phi3_5_mini")
    assert key("mix=0.5", "strategy=none") == key("mix=curriculum", "mix.real_share=0.5", "strategy=none")
    assert key("mix=0.5", "strategy=duplicate") != key("mix=curriculum", "mix.real_share=0.5", "strategy=duplicate")
    generated = key("mix=0.5")
    for more in ("strategy.examples=1", "generator.temperature=1", "generator=phi3_5_mini", "mix.on_shortage=shrink"):
        assert key("mix=0.5", more) != generated


@dataclass
class LaterModelConfig(ModelConfig):
    """The model group with settings that were added later, each with the value at which nothing changes."""

    rope_scaling: float | None = None
    tie_layers: bool = False
    attention: str = "causal"


def test_a_setting_that_is_added_later_leaves_keys_alone_at_its_neutral_value():
    config = compose("model=minilm")
    before = run_key(config, PRINTS)
    later = LaterModelConfig(**vars(config.model))
    assert run_key(replace(config, model=later), PRINTS) == before
    for change in ({"rope_scaling": 2.0}, {"tie_layers": True}, {"attention": "bidirectional"}):
        assert run_key(replace(config, model=replace(later, **change)), PRINTS) != before


def test_what_a_run_leaves_out_is_not_in_its_key():
    assert key("model=constant", "trainer.max_steps=3") == key("model=constant")
    assert key("loss=bce", "loss.gamma=3") == key("loss=bce") != key("loss=focal", "loss.gamma=3")
