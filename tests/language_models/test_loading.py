"""One loading for generators and backbones: errors name the setting, 4-bit weights are settled."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.language_models.loading import Loaded, four_bit, inference_precision, load_causal
from patentlab.protocols import Silent


def load(path: object, precision: str = "fp32", *, repack: bool = False) -> Loaded:
    config = compose("mix=0.5", f"generator.path={path}").generator
    return load_causal(config, "generator", Silent(), precision=precision, repack=repack)


@pytest.mark.parametrize("path", ["./nowhere", "embedded:nothing", "no-such-model"])
def test_a_generator_that_is_not_there_is_told_with_the_embedded_ones(path: str):
    with pytest.raises(RequestError) as raised:
        load(path)
    assert path in str(raised.value)
    assert "smollm2_135m" in str(raised.value)
    if not path.startswith("embedded"):
        assert str(raised.value).startswith(f"generator.path={path}: ")


def test_a_broken_folder_is_told_with_what_it_must_be(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RequestError, match=r"generator\.path=.*cannot be loaded .*a causal language model"):
        load(tmp_path)


def test_a_tokenizer_without_padding_pads_with_its_end(tiny_model: Callable[[str], Path], tmp_path: Path):
    from transformers import AutoTokenizer

    folder = shutil.copytree(tiny_model("llama"), tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder).pad_token_id is None
    loaded = load(folder)
    assert loaded.tokenizer.pad_token_id == loaded.tokenizer.eos_token_id == 1
    assert not loaded.model.training
    assert loaded.source == str(folder)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_have_the_precision_that_is_asked_for(precision: str, tiny_model: Callable[[str], Path]):
    wanted = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    assert {weight.dtype for weight in load(tiny_model("llama"), precision).model.parameters()} == {wanted}


@pytest.mark.parametrize("repack", [False, True])
def test_four_bit_weights_are_repacked_only_where_nothing_is_trained(repack: bool, tiny_model: Callable[[str], Path]):
    model = load(tiny_model("llama"), "nf4", repack=repack).model
    quantised = [module for module in model.modules() if type(module).__name__ == "Linear4bit"]
    assert len(quantised) == 14  # seven a layer; the head stays as it is
    fast = {module.support_avx512bf16_for_cpu for module in quantised}
    assert repack or fast == {False}
    assert {module.weight.quant_type for module in quantised} == {"nf4"}


def test_the_configuration_of_four_bits():
    config = four_bit(torch.float32, "fp4", double=False)
    assert (config.load_in_4bit, config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == (True, "fp4", False)
    assert config.bnb_4bit_compute_dtype == torch.float32


@pytest.mark.parametrize(
    ("capabilities", "wanted"),
    [
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bf16"),
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({}, "fp32"),
    ],
)
def test_bf16_is_chosen_where_the_processor_multiplies_it(
    capabilities: dict[str, bool], wanted: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert inference_precision("auto") == wanted
    for asked in ("fp32", "bf16", "nf4"):
        assert inference_precision(asked) == asked
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert inference_precision("auto") == "fp32"


@pytest.mark.parametrize("native", [True, False])
def test_a_gpu_decides_where_there_is_one(native: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": not native}, raising=False)
    assert inference_precision("auto") == ("bf16" if native else "fp32")
