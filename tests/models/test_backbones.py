import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from patentlab.config import ModelConfig, RequestError
from patentlab.console.command_line import compose
from patentlab.models.backbones import load_backbone, longest_input
from patentlab.protocols import Silent
from patentlab.weights import EMBEDDED, fingerprint, model_folder


def identify(config: ModelConfig) -> str:
    return fingerprint(config.path or "", config.revision)


def settings(path: object) -> ModelConfig:
    return compose("model=minilm", f"model.path={path}").model


def test_a_local_folder_is_loaded_with_a_padding_token(tiny_model):
    backbone = load_backbone(settings(tiny_model("llama")), 64, torch.float32, Silent())
    assert backbone.tokenizer.pad_token_id is not None
    assert not backbone.model.training


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("./nowhere", "no such folder"),
        ("/nowhere/at/all", "no such folder"),
        ("embedded:nothing", "allowed are smollm2_135m, minilm"),
        ("no-such-model", "one of embedded:smollm2_135m, embedded:minilm"),
    ],
)
def test_a_model_that_is_not_there_is_told_with_the_embedded_ones(path: str, message: str):
    with pytest.raises(RequestError) as raised:
        load_backbone(settings(path), 64, torch.float32, Silent())
    assert message in str(raised.value)
    assert path in str(raised.value)


def test_a_broken_folder(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RequestError, match="cannot be loaded"):
        load_backbone(settings(tmp_path), 64, torch.float32, Silent())


def test_more_tokens_than_the_model_can_read(tiny_model):
    with pytest.raises(RequestError, match="reads at most 64 tokens"):
        load_backbone(settings(tiny_model("llama")), 65, torch.float32, Silent())


def test_a_changed_weight_changes_the_fingerprint(tiny_model, tmp_path: Path):
    folder = shutil.copytree(tiny_model("llama"), tmp_path / "model")
    before = identify(settings(folder))
    assert before == identify(settings(shutil.copytree(folder, tmp_path / "other name")))
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert identify(settings(folder)) != before


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_hub_models_are_told_apart_by_the_commit_that_their_revision_stands_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert identify(settings("org/unknown")) == "hub:org/unknown@main"
    cached = tmp_path / "models--org--known"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(COMMIT)
    (cached / "snapshots" / COMMIT).mkdir(parents=True)
    (cached / "snapshots" / COMMIT / "config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path), raising=False)
    assert identify(settings("org/known")) == f"hub:org/known@{COMMIT}"


def test_roberta_counts_positions_from_behind_its_padding_token(tiny_model):
    backbone = load_backbone(settings(tiny_model("roberta")), 64, torch.float32, Silent())
    backbone.tokenizer.model_max_length = 10**30
    assert longest_input(backbone.model, backbone.tokenizer) == 64  # of 66


def test_of_a_model_that_sees_the_part_that_reads_is_loaded(tiny_model):
    backbone = load_backbone(settings(tiny_model("gemma3")), 64, torch.float32, Silent())
    assert not any("vision" in name for name, _ in backbone.model.named_modules())
    assert backbone.model.config.hidden_size == 64


@pytest.mark.integration
@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_models_are_converted_once_and_load(name: str):
    folder = model_folder(name, Silent())
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    assert model_folder(name, Silent()) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    backbone = load_backbone(compose(f"model={name}").model, 512, torch.float32, Silent())
    batch = backbone.tokenizer(["A wheel with a brake."], return_tensors="pt")
    with torch.inference_mode():
        hidden = backbone.model(**batch).last_hidden_state
    assert torch.isfinite(hidden).all()


@pytest.mark.integration
def test_converted_weights_still_write_english():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = model_folder("smollm2_135m", Silent())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    written = model.generate(**prompt, max_new_tokens=5, do_sample=False)
    assert "Paris" in tokenizer.decode(written[0])
