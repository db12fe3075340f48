"""One packed forward pass against one pass a continuation, for every architecture."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from patentlab.language_models import scoring
from patentlab.language_models.scoring import Segments, continuation_scores, parts, read_prefix, segment_logits

WORDS = 40
PREFIX = [7, 8, 9, 10, 3, 3, 12, 30, 31, 5, 2]
PROMPTS = [list(range(2, 7)), list(range(5, 22)), list(range(20, 29)), [33]]  # longer than a window, and a single token
ANSWERS = [[3], [4, 5], [4, 6, 7, 8], [9, 10, 11], [3, 3]]

_TOKENS: dict[str, Any] = {"vocab_size": WORDS, "pad_token_id": 1, "eos_token_id": 1, "bos_token_id": 1}
_SIZE: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
_GROUPED = {**_TOKENS, **_SIZE, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128}
_MIXED = ["sliding_attention", "full_attention", "sliding_attention"]
CONFIGS = {
    "llama": transformers.LlamaConfig(**_GROUPED),
    "mistral": transformers.MistralConfig(**_GROUPED, sliding_window=8),
    "qwen2": transformers.Qwen2Config(**_GROUPED),
    "qwen3": transformers.Qwen3Config(**_GROUPED),
    "gemma": transformers.GemmaConfig(**_GROUPED),
    "gemma2": transformers.Gemma2Config(**_GROUPED, sliding_window=8, layer_types=_MIXED),
    "gemma3": transformers.Gemma3TextConfig(**_GROUPED, sliding_window=8, layer_types=_MIXED),
    "phi": transformers.PhiConfig(**_TOKENS, **_SIZE),
    "phi3": transformers.Phi3Config(**_TOKENS, **_SIZE),
    "gpt2": transformers.GPT2Config(**_TOKENS, n_embd=32, n_layer=3, n_head=4, n_positions=128),
    "olmo2": transformers.Olmo2Config(**_TOKENS, **_SIZE),
    "smollm3": transformers.SmolLM3Config(**_GROUPED),
    "modernbert_decoder": transformers.ModernBertDecoderConfig(
        **_TOKENS, **_SIZE, cls_token_id=1, sep_token_id=1, local_attention=8, max_position_embeddings=128
    ),
}
CASES = [(kind, how) for kind in CONFIGS for how in ("sdpa", "eager") if (kind, how) != ("gemma2", "sdpa")]


def build(kind: str, how: str) -> Any:
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(CONFIGS[kind], attn_implementation=how, dtype=torch.float32)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)  # else all continuations are about equally likely
    return model.eval()


def padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(row) for row in rows)
    ids = torch.tensor([[1] * (width - len(row)) + list(row) for row in rows])
    return ids, torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])


def one_by_one(model: Any, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
    """The definition: a pass for each prompt and continuation, without padding, cache or mask."""
    found = torch.zeros(len(prompts), len(ANSWERS))
    for row, prompt in enumerate(prompts):
        for column, answer in enumerate(ANSWERS):
            logits = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(dim=-1)
            found[row, column] = sum(logits[len(prompt) - 1 + place, token] for place, token in enumerate(answer))
    return found


@torch.no_grad()
@pytest.mark.parametrize(("kind", "how"), CASES)
def test_packed_scores_are_those_of_one_pass_a_continuation(kind: str, how: str):
    model = build(kind, how)
    expected = one_by_one(model, [[*PREFIX, *prompt] for prompt in PROMPTS])
    shared = read_prefix(model, PREFIX, "cpu")
    sums, counts = continuation_scores(model, model.config, *padded(PROMPTS), ANSWERS, shared)
    whole, _ = continuation_scores(model, model.config, *padded([[*PREFIX, *prompt] for prompt in PROMPTS]), ANSWERS)
    assert counts.tolist() == [1, 2, 4, 3, 2]
    assert torch.allclose(sums, expected, atol=1e-4)
    assert torch.allclose(whole, expected, atol=1e-4)
    assert torch.equal(sums.argsort(dim=1), expected.argsort(dim=1))
    assert expected.std(dim=0).min() > 0.05  # else equality would say nothing


@torch.no_grad()
def test_documents_are_scored_in_parts_that_fit_into_memory(monkeypatch: pytest.MonkeyPatch):
    model = build("llama", "sdpa")
    expected, _ = continuation_scores(model, model.config, *padded(PROMPTS), ANSWERS)
    monkeypatch.setattr(scoring, "_MOST_BYTES", 1)
    assert len(parts(len(PROMPTS), 100)) == len(PROMPTS)
    found, _ = continuation_scores(model, model.config, *padded(PROMPTS), ANSWERS)
    assert torch.allclose(found, expected, atol=1e-6)


@torch.no_grad()
def test_a_continuation_needs_a_token():
    model = build("llama", "sdpa")
    with pytest.raises(ValueError, match="at least one token"):
        continuation_scores(model, model.config, *padded(PROMPTS), [[3], []])


@torch.no_grad()
@pytest.mark.parametrize("kind", ["llama", "gemma3", "gpt2"])
def test_questions_side_by_side_are_answered_as_alone(kind: str):
    model = build(kind, "sdpa")
    segments = Segments(((4, 5, 6), (7,), (8, 9)))
    found = segment_logits(model, model.config, *padded(PROMPTS), segments, at=segments.last)
    for column, question in enumerate(segments.tokens):
        for row, prompt in enumerate(PROMPTS):
            alone = model(input_ids=torch.tensor([[*prompt, *question]])).logits[0, -1]
            assert torch.allclose(found[row, column], alone, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gemma3", "gpt2"])
def test_gradients_flow_through_a_shared_prefix(kind: str):
    model = build(kind, "sdpa")
    grads = []
    for shared in (True, False):
        model.zero_grad()
        prompts = PROMPTS if shared else [[*PREFIX, *prompt] for prompt in PROMPTS]
        prefix = read_prefix(model, PREFIX, "cpu") if shared else None
        logits = segment_logits(model, model.config, *padded(prompts), Segments(()), prefix, at=torch.arange(1))
        logits.square().mean().backward()  # type: ignore[no-untyped-call]
        grads.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    for name, gradient in grads[0].items():
        assert torch.allclose(gradient, grads[1][name], rtol=1e-3, atol=1e-6), name
