"""What is said of a probe that fine-tuning falls back to, and of what was fine-tuned: both, whichever was kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from patentlab.console.command_line import compose
from patentlab.experiment import run_experiment
from patentlab.protocols import Silent
from patentlab.sweep.display import report_single
from patentlab.tracking.record import Record, read_record

SMALL = ["data.size=160", "data.top_k=5", "data.split.validation=30", "data.split.test=30", "tracking=none"]


@pytest.fixture
def run(tiny_model: Callable[[str], Path], tmp_path: Path) -> Callable[..., Record]:
    model = ["model=minilm", f"model.path={tiny_model('bert')}", "trainer.max_length=32", "trainer.batch_size=8"]

    def execute(*settings: str) -> Record:
        folder = tmp_path / "-".join(settings).replace("/", "")
        folder.mkdir()
        record = run_experiment(compose(*SMALL, *model, "trainer.max_steps=12", *settings), folder, Silent())
        assert read_record(folder) == record
        return record

    return execute


@pytest.mark.parametrize("adapter", ["lora", "frozen"])
def test_both_are_recorded_whichever_is_kept(
    run: Callable[..., Record], adapter: str, capsys: pytest.CaptureFixture[str]
):
    start = [f"adapter={adapter}", "head.start=frequencies"]
    alone = run(*start, "head.fallback=null")
    assert alone.fallback == {}
    # a margin of its whole range keeps what was trained; one of 0 at a rate that learns nothing keeps the probe
    tuned = run(*start, "head.fallback_margin=0.99")
    slow = [*start, "trainer.learning_rate=1e-9", "trainer.head_learning_rate=1e-9", "head.fallback_margin=0"]
    probe, untrained = run(*slow), run(*slow[:-1], "head.fallback=null")
    assert (tuned.fallback["kept"], probe.fallback["kept"]) == ("tuned", "probe")
    # what was trained is what is there without a probe, and the probe is the same beside any training
    for both, single in ((tuned, alone), (probe, untrained)):
        for name in ("validation", "test"):
            assert both.fallback["tuned"][name] == pytest.approx(single.metrics[name])
            assert both.fallback[both.fallback["kept"]][name] == both.metrics[name]
    assert tuned.fallback["probe"]["test"] == pytest.approx(probe.fallback["probe"]["test"])
    assert probe.metrics["test"] != pytest.approx(untrained.metrics["test"])
    # parameters are those of what was kept
    head = 5 * (64 + 1)
    assert probe.parameters["trained"] == head
    assert tuned.parameters["trained"] == alone.parameters["trained"]
    assert (alone.parameters["trained"] > head) == (adapter == "lora")

    report_single(probe, executed=True)
    shown = " ".join(capsys.readouterr().err.split())
    values = probe.fallback["tuned"]
    assert "kept the probe on frozen layers, not what was fine-tuned; f1_micro: tuned" in shown
    assert (
        f"tuned {values['validation']['f1_micro']:.3f} (validation), {values['test']['f1_micro']:.3f} (test)" in shown
    )
