"""Batched decoding against transformers' own, one prompt at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from patentlab.language_models.decoding import Sampling, decode, draw

GREEDY = Sampling(0, 1.0, None, 12)


def causal(folder: Path) -> Any:
    """A tiny model with random weights of some size, so that its likeliest tokens are not near ties."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) * 0.5)
    return model


def alone(model: Any, prompt: list[int], **options: Any) -> list[int]:
    tokens = torch.tensor([prompt])
    with torch.inference_mode():
        output = model.generate(
            input_ids=tokens, attention_mask=torch.ones_like(tokens), do_sample=False, max_new_tokens=12,
            pad_token_id=1, **options,
        )  # fmt: skip
    found: list[int] = output[0, len(prompt) :].tolist()
    return found


PROMPTS = [[5, 6, 7, 8, 9, 10, 11, 4], [5, 6, 7, 8, 9, 10, 12], [3], [5, 6, 7, 8, 9, 10, 11, 4], [14, 2, 9]]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral", "qwen3", "phi3"])
def test_greedy_answers_equal_those_of_generate_for_each_prompt_alone(kind: str, tiny_model: Callable[[str], Path]):
    model = causal(tiny_model(kind))
    answers = decode(model, PROMPTS, 1, GREEDY, lambda tokens: tokens[-1] == 1)
    assert answers == [alone(model, prompt) for prompt in PROMPTS]


def test_no_run_of_tokens_comes_twice(tiny_model: Callable[[str], Path]):
    model = causal(tiny_model("llama"))
    sampling = Sampling(0, 1.0, 2, 12)
    answers = decode(model, PROMPTS[:2], 1, sampling, lambda tokens: tokens[-1] == 1)
    assert answers == [alone(model, prompt, no_repeat_ngram_size=2) for prompt in PROMPTS[:2]]
    for prompt, answer in zip(PROMPTS, answers, strict=False):
        pairs = list(zip((prompt + answer)[:-1], (prompt + answer)[1:], strict=True))
        assert len(pairs) == len(set(pairs))


def test_an_answer_ends_where_it_is_complete_and_the_others_go_on(tiny_model: Callable[[str], Path]):
    model = causal(tiny_model("llama"))
    whole = [alone(model, prompt) for prompt in PROMPTS]
    answers = decode(model, PROMPTS, 1, GREEDY, lambda tokens: len(tokens) == 3 or tokens[-1] == 1)
    assert answers == [answer[:3] for answer in whole]


def test_an_answer_is_steered_and_goes_on_from_what_it_was_given(tiny_model: Callable[[str], Path]):
    model = causal(tiny_model("llama"))
    end = lambda tokens: tokens[-1] == 1  # noqa: E731
    plain = decode(model, PROMPTS, 1, GREEDY, end)
    given_tokens = [9, 13, 5]
    steered = decode(
        model, PROMPTS, 1, GREEDY, end, steer=lambda row, tokens: given_tokens if (row, len(tokens)) == (1, 3) else ()
    )
    assert [answer for row, answer in enumerate(steered) if row != 1] == [
        answer for row, answer in enumerate(plain) if row != 1
    ]
    assert steered[1][:5] == [*plain[1][:2], *given_tokens]  # in place of the third
    assert steered[1] == [*steered[1][:5], *alone(model, [*PROMPTS[1], *steered[1][:5]])][: len(steered[1])]
    assert len(steered[1]) == 12 or steered[1][-1] == 1


def test_batches_of_any_size_answer_alike(tiny_model: Callable[[str], Path]):
    model = causal(tiny_model("llama"))
    end = lambda tokens: tokens[-1] == 1  # noqa: E731
    assert decode(model, PROMPTS, 1, GREEDY, end) == [decode(model, [p], 1, GREEDY, end)[0] for p in PROMPTS]


@settings(deadline=None, max_examples=25)
@given(st.floats(0.1, 3.0), st.floats(0.05, 1.0), st.integers(0, 10))
def test_tokens_come_from_the_nucleus_with_their_probabilities(temperature: float, top_p: float, seed: int):
    torch.manual_seed(seed)
    logits = torch.randn(1, 30) * 3
    probabilities = (logits / temperature).softmax(dim=-1)[0]
    order = probabilities.argsort(descending=True)
    before = probabilities[order].cumsum(0) - probabilities[order]
    nucleus = set(order[before < top_p].tolist())
    drawn = draw(logits.expand(4000, 30), Sampling(temperature, top_p, None, 1))
    assert set(drawn.tolist()) <= nucleus
    likeliest = int(order[0])
    expected = float(probabilities[likeliest] / probabilities[list(nucleus)].sum())
    assert (drawn == likeliest).float().mean().item() == pytest.approx(expected, abs=0.05)


def test_a_nucleus_wider_than_the_first_candidates_is_found():
    flat = torch.zeros(200, 5000)
    drawn = draw(flat, Sampling(1.0, 0.9, None, 1))
    assert len(set(drawn.tolist())) > 100
