"""Fine-tuning on transformers' Trainer against the same loop written out, bit by bit."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.finetuning import plain_loop
from patentlab.config import AdaptationConfig
from patentlab.language_models.finetuning import Item, finetune
from patentlab.language_models.loading import load_causal
from patentlab.protocols import Advance, Silent


def settings(**changed: Any) -> AdaptationConfig:
    given: dict[str, Any] = {
        "epochs": 2, "steps": None, "learning_rate": 3e-3, "batch_size": 4, "max_length": 24, "rank": 4, "alpha": 8,
        "dropout": 0.1, "targets": ["q_proj", "v_proj", "gate_proj"],
    }  # fmt: skip
    return AdaptationConfig(**{**given, **changed})


def items(count: int) -> list[Item]:
    generator = np.random.default_rng(0)
    return [
        Item.of(
            generator.integers(2, 20, generator.integers(1, 6)).tolist(),
            generator.integers(2, 20, generator.integers(1, 30)).tolist(),
            24,
        )
        for _ in range(count)
    ]


def load(folder: Path, precision: str = "fp32") -> Any:
    class Source:
        path, revision, trust_remote_code, attn_implementation = str(folder), None, False, None

    torch.manual_seed(0)  # the folder has no head
    return load_causal(Source(), "model", Silent(), precision=precision).model


class Noted(Silent):
    """Keeps what a bar would show."""

    def __init__(self) -> None:
        self.total = 0
        self.notes: list[str] = []

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        self.total = total

        def advance(steps: int, note: str = "") -> None:
            self.notes += [note] * steps

        yield advance


@pytest.mark.parametrize(
    ("count", "changed", "precision"),
    [
        (9, {}, "fp32"),
        (9, {"batch_size": 5, "epochs": 3}, "fp32"),  # an odd batch, and one that is not full
        (5, {"batch_size": 8, "dropout": 0.0}, "fp32"),
        (3, {"batch_size": 1}, "fp32"),
        (7, {"steps": 3, "batch_size": 6}, "fp32"),  # ends within an epoch
        (5, {"batch_size": 3}, "nf4"),
    ],
)
def test_weights_equal_those_of_the_loop_written_out(
    count: int, changed: dict[str, Any], precision: str, tiny_model: Callable[[str], Path], tmp_path: Path
):
    folder, config = tiny_model("llama"), settings(**changed)
    progress = Noted()
    finetune(load(folder, precision), items(count), 1, config, 3, progress, tmp_path / "one")
    plain_loop(load(folder, precision), items(count), 1, config, 3, tmp_path / "other")
    one, other = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("one", "other"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert any(value.abs().max() > 0 for name, value in one.items() if "lora_B" in name)  # it learned
    per_epoch = math.ceil(count / config.batch_size)
    steps = config.steps or per_epoch * config.epochs
    assert progress.total == len(progress.notes) == steps
    assert [note.split(",")[0] for note in progress.notes] == [f"epoch {n // per_epoch + 1}" for n in range(steps)]
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        path.name for path in (tmp_path / "other").iterdir()
    }


def test_the_loss_is_the_mean_over_the_learned_tokens_of_the_whole_batch(
    tiny_model: Callable[[str], Path], tmp_path: Path
):
    rows, progress = items(3), Noted()
    model = load(tiny_model("llama"))
    losses = []
    for item in rows:
        with torch.inference_mode():
            tokens, targets = torch.tensor([item.tokens]), torch.tensor([item.targets])
            losses += [float(model(input_ids=tokens, labels=targets).loss)] * item.learned
    finetune(model, rows, 1, settings(steps=1, batch_size=3, dropout=0.0), 0, progress, tmp_path)
    assert progress.notes == [f"epoch 1, loss {np.mean(losses):.3f}"]


def test_a_loss_that_is_no_number_is_an_error(tiny_model: Callable[[str], Path], tmp_path: Path):
    model = load(tiny_model("llama"))
    with torch.no_grad():
        model.lm_head.weight[0, 0] = math.nan
    with pytest.raises(FloatingPointError, match="not a finite number"):
        finetune(model, items(4), 1, settings(), 0, Silent(), tmp_path)
    assert not (tmp_path / "adapter_model.safetensors").exists()


def test_of_a_prompt_that_fills_the_length_nothing_is_learned():
    assert Item.of([5, 6, 7], [8, 9], 4) == Item([5, 6, 7, 8], [-100, -100, -100, 8])
    assert Item.of([5, 6, 7], [8, 9], 3).learned == 0
