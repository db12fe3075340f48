from pathlib import Path
from typing import Any

import pytest
import yaml

from patentlab.config import from_settings
from patentlab.console.command_line import compose
from patentlab.sweep.journal import Entry
from patentlab.sweep.plan import Corpora, estimate, plan_runs
from patentlab.tracking.record import Record, machine


def earlier(
    folder: Path, *overrides: str, train: int, training: float, total: float, synthesis: dict[str, Any] | None = None
) -> Record:
    config = compose(*overrides)
    timing = {"training": training, "total": total}
    record = Record("k", config.choices, "finished", timing=timing, counts={"train": train}, machine=machine())
    record.synthesis = synthesis or {}
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config.settings))
    record.write(folder)
    return record


MODEL = ("model=minilm", "trainer=finetune", "trainer.epochs=5")


def test_training_time_grows_with_documents_and_epochs(tmp_path: Path):
    record = earlier(tmp_path / "a", *MODEL, train=100, training=50, total=60)
    runs = [(record, tmp_path / "a")]
    assert estimate(compose(*MODEL), 100, runs) == 60
    assert estimate(compose(*MODEL), 200, runs) == 110
    assert estimate(compose("model=minilm", "trainer=finetune", "trainer.epochs=10"), 100, runs) == 110
    # 5 steps of 20 documents are a fifth of five epochs over a hundred
    short = compose("model=minilm", "trainer.max_steps=5", "trainer.batch_size=20")
    assert estimate(short, 100, runs) == 10 + 50 * 0.2
    assert estimate(compose("model=tfidf_linear"), 100, runs) is None


def test_a_plan_knows_documents_and_takes_runs_of_the_same_data_first(tmp_path: Path):
    earlier(tmp_path / "x" / "sweep" / "a", *MODEL, train=10, training=1, total=2)
    small = (*MODEL, "data.size=400", "data.top_k=10", "data.split.validation=50", "data.split.test=50")
    config, half = compose(*small), compose(*small, "regime=1:2", "mix=0.25", "strategy=duplicate")
    entries = [Entry(n, [], "", settings=c.settings) for n, c in enumerate((config, half))]
    whole, mixed = plan_runs(entries, [tmp_path / "x"])
    assert whole.documents is not None
    assert 100 < whole.documents < 300
    assert mixed.documents == 4 * round(whole.documents / 2)
    assert whole.seconds == pytest.approx(1 + whole.documents / 10)
    assert from_settings(config.settings).settings == config.settings


def test_a_corpus_and_an_adapter_are_paid_for_once(tmp_path: Path):
    made = {"key": "c", "accepted": 10, "generation_seconds": 20.0, "adaptation_seconds": 0.0, "generator_version": 2}
    faster = {
        "key": "d",
        "accepted": 10,
        "generation_seconds": 10.0,
        "adaptation_seconds": 300.0,
        "generator_version": 2,
    }
    plain = ("mix=0.5", "data=demo")
    adapted = (*plain, "generator.adapt=lora")
    records = [
        (earlier(tmp_path / name, *asked, train=20, training=1, total=2, synthesis=synthesis), tmp_path / name)
        for name, asked, synthesis in (("a", plain, made), ("b", adapted, faster))
    ]
    corpora = Corpora(records)
    assert corpora.seconds(compose(*plain), 10) == 0  # an earlier run's
    assert corpora.seconds(compose(*plain), 15) == 5 * 2  # begins with it
    hotter = (*plain, "generator.temperature=1.2")
    assert corpora.seconds(compose(*hotter), 10) == 10 * 2
    assert corpora.seconds(compose(*hotter, "model=minilm"), 10) == 0
    assert corpora.seconds(compose(*adapted, "regime=1:10"), 10) == 300 + 10 * 1
    assert corpora.seconds(compose(*adapted, "regime=1:10", "generator.temperature=1.2"), 10) == 10 * 1
    assert corpora.seconds(compose(*plain, "generator=gemma3_4b"), 10) is None


def test_documents_that_a_generator_would_write_otherwise_now_are_not_there(tmp_path: Path):
    made = {"key": "c", "accepted": 10, "generation_seconds": 20.0, "adaptation_seconds": 0.0}
    asked = ("mix=0.5", "data=demo")
    before = earlier(tmp_path / "a", *asked, train=20, training=1, total=2, synthesis=made)
    assert Corpora([(before, tmp_path / "a")]).seconds(compose(*asked), 10) is None
    since = earlier(tmp_path / "b", *asked, train=20, training=1, total=2, synthesis={**made, "generator_version": 2})
    assert Corpora([(before, tmp_path / "a"), (since, tmp_path / "b")]).seconds(compose(*asked), 10) == 0


def test_a_plan_holds_the_time_of_documents_that_are_still_to_be_made(tmp_path: Path):
    made = {"key": "c", "accepted": 10, "generation_seconds": 20.0, "adaptation_seconds": 0.0, "generator_version": 2}
    small = ("data.size=400", "data.top_k=10", "data.split.validation=50", "data.split.test=50", "mix=0.5")
    run = (*MODEL, *small, "regime=1:10")
    earlier(tmp_path / "x" / "sweep" / "a", *run, train=10, training=1, total=2, synthesis=made)
    entries = [
        Entry(n, [], "", settings=compose(*run, f"seed={seed}", f"loss={loss}").settings)
        for n, (seed, loss) in enumerate([(1, "bce"), (1, "focal")])
    ]
    first, second = plan_runs(entries, [tmp_path / "x"])
    assert first.documents is not None and first.documents == second.documents
    assert first.seconds is not None and second.seconds is not None
    assert first.seconds - second.seconds == pytest.approx(2 * first.documents / 2)
