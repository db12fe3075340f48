"""The measurements of a GPU, all of them at a tiny shape on whatever is here."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gpu

NAMES = [
    "bf16 matrix product",
    "one run a GPU",
    "MiniLM shape, all weights, bf16",
    "the same in fp32",
    "the same, out of memory",
    "Llama-3-8B shape, LoRA",
    "Llama-3-8B shape, generation",
    "Llama-3-8B shape, QLoRA",
]
COMPARED = NAMES[2:]


def lines(text: str) -> dict[str, list[str]]:
    """Cells of a table by its first column."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: [cell.strip() for cell in row[1:]] for row in rows}


@pytest.mark.integration
def test_everything_is_measured_beside_the_stock_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PATENTLAB_CACHE", "stays")
    out = tmp_path / "gpu.md"
    rows = {row.measurement: row for row in gpu.main(["--tiny", "--out", str(out), "--folder", str(tmp_path)])}
    assert list(rows) == NAMES
    missing = [] if gpu._is_installed("bitsandbytes") else ["Llama-3-8B shape, QLoRA"]
    for name in COMPARED:
        row = rows[name]
        if name in missing:
            assert row.note == "skipped: bitsandbytes is not installed"
            continue
        assert row.ratio is not None and math.isfinite(row.ratio) and row.ratio > 0, (name, row.note)
        assert row.examples and row.tokens and row.memory and row.share and 0 < row.share < 10, (name, row.note)
        assert row.tokens > row.examples
    assert not [
        row for row in rows.values() if row.note.startswith(("failed", "skipped")) and row.measurement not in missing
    ]
    assert rows["the same, out of memory"].note == "16 asked for, 8 × 2 used, bf16, error pretended"
    assert "the next waited" in rows["one run a GPU"].note
    printed = capsys.readouterr().out
    assert printed == out.read_text(encoding="utf-8")
    assert [name for name in lines(printed) if name in NAMES] == NAMES
    kept = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert [row["measurement"] for row in kept["rows"]] == NAMES and kept["rate"] > 0
    assert not list(tmp_path.glob("patentlab-gpu-*"))  # the weights are removed


def test_what_the_budget_has_no_room_for_is_told(capsys: pytest.CaptureFixture[str]):
    rows = gpu.main(["--tiny", "--budget", "0"])
    assert [row.measurement for row in rows] == NAMES
    assert {row.note for row in rows} == {"skipped: may take 1 s, and 0 s of the budget are left"}
    assert set(NAMES) <= set(lines(capsys.readouterr().out))


def test_a_missing_library_skips_its_row_and_a_failure_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    bench = gpu.Bench(gpu.TINY, tmp_path, 100.0)
    assert gpu.train(bench, "llama", "qlora", "bf16", 8).note == "skipped: bitsandbytes is not installed"
    assert not list(tmp_path.iterdir())

    def broken(bench: gpu.Bench) -> gpu.Row:
        raise RuntimeError("a | b\nc")

    found = [("one", 0.0, lambda: broken(bench)), ("two", 0.0, lambda: gpu.Row("", note="well"))]
    monkeypatch.setattr(gpu, "measurements", lambda bench: iter(found))
    assert [row.note for row in gpu.measure(bench, None)] == ["failed: RuntimeError: a / b c", "well"]


def test_linear_weights_are_those_of_the_models():
    import torch
    from transformers import AutoModel, BertConfig, LlamaConfig

    for shape in (gpu.FULL, gpu.TINY):
        for kind, config in (("llama", LlamaConfig(**shape.llama)), ("encoder", BertConfig(**shape.encoder))):
            with torch.device("meta"):
                model = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
            layers = model.layers if kind == "llama" else model.encoder.layer
            counted = sum(m.weight.numel() for m in layers.modules() if isinstance(m, torch.nn.Linear))
            sizes = shape.llama if kind == "llama" else shape.encoder
            assert gpu.linear_weights(kind, sizes) == counted
    assert gpu.linear_weights("llama", gpu.FULL.llama) == 6_979_321_856  # 8.03 billion with embeddings and head


def test_documents_are_as_long_as_abstracts(tmp_path: Path):
    bench = gpu.Bench(gpu.FULL, tmp_path, 0.0)
    lengths = [len(text.split()) for text, _ in bench.training_texts("encoder")]
    assert len(lengths) == 2048 and np.mean(lengths) == pytest.approx(130, abs=4)
    assert min(lengths) >= 20 and max(lengths) == 400
    rows = [json.loads(line) for line in bench.data_file("llama").read_text(encoding="utf-8").splitlines()]
    assert [row["set"] for row in rows].count("train") == 240
    assert [row["text"] for row in rows[32:]] == [text for text, _ in bench.training_texts("llama")]


def test_without_a_gpu_the_full_shape_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("patentlab.sweep.devices.visible_devices", list)
    with pytest.raises(SystemExit) as refused:
        gpu.main([])
    assert refused.value.code == 2 and "--tiny" in capsys.readouterr().err
