from pathlib import Path

import pytest
import yaml

from patentlab.command_line import compose
from patentlab.config import from_settings
from patentlab.sweep.journal import Entry
from patentlab.sweep.plan import estimate, plan_runs
from patentlab.tracking.record import Record, machine


def earlier(folder: Path, *overrides: str, train: int, training: float, total: float) -> Record:
    config = compose(*overrides)
    timing = {"training": training, "total": total}
    record = Record("k", config.choices, "finished", timing=timing, counts={"train": train}, machine=machine())
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
