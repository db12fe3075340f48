"""Decoders without their causal mask, of every architecture that it can be removed from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModel, AutoTokenizer

from patentlab.config import ModelConfig, RequestError
from patentlab.console.command_line import compose
from patentlab.models.attention import BIDIRECTIONAL
from patentlab.models.backbones import Backbone, load_backbone
from patentlab.models.batching import Collator, tokenise
from patentlab.models.network import Network
from patentlab.protocols import Silent

TEXTS = ["a wheel with a motor and a brake . the sensor of a seat is light", "lens of the camera", "sound"]
WINDOW = 4

_TOKENS: dict[str, Any] = {"pad_token_id": 1, "eos_token_id": 1, "bos_token_id": 1}
_SIZE: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
_GROUPED = {**_TOKENS, **_SIZE, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64}
_MIXED = ["sliding_attention", "full_attention", "sliding_attention"]
CONFIGS = {
    "gemma": transformers.GemmaConfig(**_GROUPED),
    "gemma2": transformers.Gemma2Config(**_GROUPED, sliding_window=WINDOW, layer_types=_MIXED),
    "gemma3_text": transformers.Gemma3TextConfig(**_GROUPED, sliding_window=WINDOW, layer_types=_MIXED),
    "gpt2": transformers.GPT2Config(**_TOKENS, n_embd=32, n_layer=3, n_head=4, n_positions=64),
    "gpt_neox": transformers.GPTNeoXConfig(**_TOKENS, **_SIZE, max_position_embeddings=64),
    "llama": transformers.LlamaConfig(**_GROUPED),
    "mistral": transformers.MistralConfig(**_GROUPED, sliding_window=WINDOW),
    "olmo2": transformers.Olmo2Config(**_TOKENS, **_SIZE, max_position_embeddings=64),
    "phi": transformers.PhiConfig(**_TOKENS, **_SIZE, max_position_embeddings=64),
    "phi3": transformers.Phi3Config(**_TOKENS, **_SIZE, max_position_embeddings=64),
    "qwen2": transformers.Qwen2Config(**_GROUPED),
    "qwen3": transformers.Qwen3Config(**_GROUPED),
    "smollm3": transformers.SmolLM3Config(**_GROUPED),
}
CASES = [(kind, how) for kind in CONFIGS for how in ("sdpa", "eager") if (kind, how) != ("gemma2", "sdpa")]


def test_every_architecture_is_tried():
    assert set(CONFIGS) == set(BIDIRECTIONAL)


def save(kind: str, tokens: Path, folder: Path) -> None:
    config = CONFIGS[kind]
    config.vocab_size = len(AutoTokenizer.from_pretrained(tokens))
    torch.manual_seed(0)
    AutoModel.from_config(config, dtype=torch.float32).save_pretrained(folder)  # type: ignore[no-untyped-call]
    AutoTokenizer.from_pretrained(tokens).save_pretrained(folder)


def settings(folder: Path, **changes: Any) -> ModelConfig:
    return replace(compose("model=smollm2_135m", f"model.path={folder}").model, **changes)


def states(backbone: Backbone, tokens: Path, *, side: str = "right", alone: bool = False) -> list[torch.Tensor]:
    """Hidden states of each text's own tokens."""
    # some architectures put a tokenizer of their own in the place of the saved one
    tokenizer, network = AutoTokenizer.from_pretrained(tokens, padding_side=side), Network(backbone.model).eval()
    items = tokenise(TEXTS, tokenizer, 64)
    found = []
    with torch.inference_mode():
        for batch_items in [[item] for item in items] if alone else [items]:
            batch = Collator(tokenizer)(batch_items)
            hidden = network.hidden(**batch)
            found += [row[mask.bool()] for row, mask in zip(hidden, batch["attention_mask"], strict=True)]
    return found


def of_changed_end(backbone: Backbone) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states of a text, and of the same with another last token."""
    ids = torch.arange(2, 18)[None]
    other = ids.clone()
    other[0, -1] = (ids[0, -1] + 1) % 20
    with torch.inference_mode():
        return backbone.model(ids).last_hidden_state[0], backbone.model(other).last_hidden_state[0]


@pytest.mark.parametrize(("kind", "how"), CASES)
def test_every_token_sees_the_whole_text(kind: str, how: str, tiny_model: Callable[[str], Path], tmp_path: Path):
    tokens = tiny_model("llama")
    save(kind, tokens, tmp_path / "base")
    options = {"attn_implementation": how}
    causal, both = (
        load_backbone(settings(tmp_path / "base", **options, attention=name), 64, torch.float32, Silent())
        for name in ("causal", "bidirectional")
    )

    one, other = of_changed_end(causal)
    assert torch.equal(one[:-1], other[:-1])
    one, other = of_changed_end(both)
    sees_all = kind != "mistral"  # all of its layers have a window: three of them reach nine tokens back
    assert bool((one[0] - other[0]).abs().max() > 1e-5) == sees_all
    assert (one[-WINDOW] - other[-WINDOW]).abs().max() > 1e-5

    alone = states(both, tokens, alone=True)
    for side in ("right", "left"):
        for padded, plain in zip(states(both, tokens, side=side), alone, strict=True):
            assert torch.allclose(padded, plain, atol=1e-5)
    for plain, before in zip(alone[:2], states(causal, tokens, alone=True), strict=False):
        assert (plain - before).abs().max() > 1e-3

    both.model.save_pretrained(tmp_path / "saved")
    both.tokenizer.save_pretrained(tmp_path / "saved")
    again = load_backbone(
        settings(tmp_path / "saved", **options, attention="bidirectional"), 64, torch.float32, Silent()
    )
    for loaded, plain in zip(states(again, tokens, alone=True), alone, strict=True):
        assert torch.allclose(loaded, plain, atol=1e-6)


def test_an_encoder_has_no_mask_to_remove(tiny_model: Callable[[str], Path]):
    wanted = settings(tiny_model("bert"), attention="bidirectional")
    with pytest.raises(RequestError, match="is of type bert; decoders whose mask can be removed are gemma, "):
        load_backbone(wanted, 64, torch.float32, Silent())


def test_encoders_do_not_know_the_setting():
    with pytest.raises(RequestError, match=r"model.attention: has no effect with model=minilm; .*model=smollm2_135m"):
        compose("model=minilm", "model.attention=bidirectional")


def test_what_writes_needs_its_mask():
    with pytest.raises(RequestError, match=r"head=label_logits writes, and needs model.attention=causal"):
        compose("model.attention=bidirectional", "head=label_logits")


def test_windows_are_told(tiny_model: Callable[[str], Path], tmp_path: Path):
    class Heard(Silent):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def say(self, line: str) -> None:
            self.lines.append(line)

    for kind, said in (("mistral", "all layers see 4 tokens"), ("gemma3_text", "some layers see 4 tokens")):
        save(kind, tiny_model("llama"), tmp_path / kind)
        heard = Heard()
        load_backbone(settings(tmp_path / kind, attention="bidirectional"), 64, torch.float32, heard)
        assert [said in line for line in heard.lines] == [True]
