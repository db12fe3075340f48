"""Batched decoding against transformers' own, one prompt at a time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, Lfm2Config

from patentlab.language_models.decoding import Prompt, Sampling, decode, draw
from patentlab.language_models.loading import inference_precision
from patentlab.language_models.slots import Batch, Slots, rows_for

GREEDY = Sampling(0, 1.0, None, 12)
SAMPLED = Sampling(0.9, 0.9, 4, 24)


def causal(folder: Path) -> Any:
    """A tiny model with random weights of some size, so that its likeliest tokens are not near ties."""
    return spread(AutoModelForCausalLM.from_pretrained(folder))


def spread(model: Any) -> Any:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) * 0.5)
    return model


def in_turn(prompts: Sequence[list[int]], asked: list[int] | None = None) -> Callable[[], Prompt | None]:
    """Prompts with a seed each; ``asked`` is told of those that are taken."""
    left = iter(enumerate(prompts))

    def take() -> Prompt | None:
        number, tokens = next(left, (-1, []))
        if asked is not None and number >= 0:
            asked.append(number)
        return Prompt(tokens, 100 + number) if number >= 0 else None

    return take


def is_end(tokens: list[int]) -> bool:
    return tokens[-1] == 1


def answers_of(
    model: Any,
    prompts: Sequence[list[int]],
    sampling: Sampling = GREEDY,
    rows: int = 8,
    is_complete: Callable[[list[int]], bool] = is_end,
    **options: Any,
) -> list[list[int]]:
    found = dict(decode(model, in_turn(prompts), 1, rows, sampling, is_complete, **options))
    return [found[number] for number in range(len(prompts))]


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
    answers = answers_of(model, PROMPTS)
    assert answers == [alone(model, prompt) for prompt in PROMPTS]


def test_no_run_of_tokens_comes_twice(tiny_model: Callable[[str], Path]):
    model = causal(tiny_model("llama"))
    sampling = Sampling(0, 1.0, 2, 12)
    answers = answers_of(model, PROMPTS[:2], sampling)
    assert answers == [alone(model, prompt, no_repeat_ngram_size=2) for prompt in PROMPTS[:2]]
    for prompt, answer in zip(PROMPTS, answers, strict=False):
        pairs = list(zip((prompt + answer)[:-1], (prompt + answer)[1:], strict=True))
        assert len(pairs) == len(set(pairs))


def test_an_answer_ends_where_it_is_complete_and_the_others_go_on(tiny_model: Callable[[str], Path]):
    model = causal(tiny_model("llama"))
    whole = [alone(model, prompt) for prompt in PROMPTS]
    answers = answers_of(model, PROMPTS, is_complete=lambda tokens: len(tokens) == 3 or tokens[-1] == 1)
    assert answers == [answer[:3] for answer in whole]


def test_an_answer_is_steered_and_goes_on_from_what_it_was_given(tiny_model: Callable[[str], Path]):
    model = causal(tiny_model("llama"))
    plain = answers_of(model, PROMPTS)
    given_tokens = [9, 13, 5]
    steered = answers_of(model, PROMPTS, steer=lambda row, tokens: given_tokens if (row, len(tokens)) == (1, 3) else ())
    assert [answer for row, answer in enumerate(steered) if row != 1] == [
        answer for row, answer in enumerate(plain) if row != 1
    ]
    assert steered[1][:5] == [*plain[1][:2], *given_tokens]  # in place of the third
    assert steered[1] == [*steered[1][:5], *alone(model, [*PROMPTS[1], *steered[1][:5]])][: len(steered[1])]
    assert len(steered[1]) == 12 or steered[1][-1] == 1


def many(count: int = 24) -> list[list[int]]:
    """Prompts of different lengths; some have a long beginning in common with the one before."""
    random = torch.Generator().manual_seed(3)
    shared = torch.randint(2, 16, (20,), generator=random).tolist()
    return [
        [
            *(shared if number % 5 in (1, 2, 3) else []),
            *torch.randint(2, 16, (1 + 7 * number % 12,), generator=random).tolist(),
        ]
        for number in range(count)
    ]


def ends_soon(tokens: list[int]) -> bool:
    """Answers of 1 to 9 tokens, some of them long and some short."""
    return is_end(tokens) or len(tokens) > tokens[0] % 9


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral", "qwen3", "phi3"])
def test_rows_that_are_filled_again_answer_as_each_prompt_does_alone(kind: str, tiny_model: Callable[[str], Path]):
    model = causal(tiny_model(kind))
    prompts = many(16)
    assert isinstance(rows_for(model, 3, 1), Slots)
    found = answers_of(model, prompts, rows=3, is_complete=ends_soon)
    assert len({len(answer) for answer in found}) > 3
    for answer, prompt in zip(found, prompts, strict=True):
        assert answer == alone(model, prompt)[: len(answer)]
        assert ends_soon(answer) or len(answer) == 12


@pytest.mark.parametrize("kind", ["mistral", "gemma2", "gemma3_text"])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_windows_that_slide_are_kept_in_rows_that_are_filled_again(kind: str, attention: str):
    if (kind, attention) == ("gemma2", "sdpa"):
        pytest.skip("Gemma 2 has eager attention alone")
    layers = {} if kind == "mistral" else {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
    shape = AutoConfig.for_model(
        kind, vocab_size=40, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, sliding_window=6, pad_token_id=1, eos_token_id=1, bos_token_id=0,
        attn_implementation=attention, **layers,
    )  # fmt: skip
    model = spread(AutoModelForCausalLM.from_config(shape).eval())  # type: ignore[no-untyped-call]
    assert isinstance(rows_for(model, 3, 1), Slots)
    prompts = many(12)
    found = answers_of(model, prompts, rows=3, is_complete=ends_soon)
    assert found == [alone(model, prompt)[: len(answer)] for prompt, answer in zip(prompts, found, strict=True)]


def test_layers_of_other_kinds_are_given_prompts_when_all_answers_are_complete():
    shape = Lfm2Config(
        vocab_size=40, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, layer_types=["conv", "full_attention", "conv"], pad_token_id=1, eos_token_id=1,
        bos_token_id=0,
    )  # fmt: skip
    model = spread(AutoModelForCausalLM.from_config(shape).eval())  # type: ignore[no-untyped-call]
    assert isinstance(rows_for(model, 3, 1), Batch)
    asked: list[int] = []
    prompts, seen = many(), []
    for number, answer in decode(model, in_turn(prompts, asked), 1, 3, GREEDY, ends_soon):
        seen.append((number, len(asked)))
        assert answer == alone(model, prompts[number])[: len(answer)]
    assert sorted(number for number, _ in seen) == list(range(24))
    assert all(there <= 3 * (number // 3 + 1) for number, there in seen)
    # all at once, and then fewer than there are rows
    found = answers_of(model, prompts[:23], rows=12, is_complete=lambda tokens: len(tokens) == 3)
    assert all(len(answer) == 3 for answer in found)
    for answer, prompt in zip(found, prompts, strict=False):
        whole = alone(model, prompt)[:3]  # ends by itself
        assert answer[: len(whole)] == whole


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sampled_answer_hangs_on_its_own_seed_and_not_on_its_neighbours(
    dtype: torch.dtype, tiny_model: Callable[[str], Path]
):
    if dtype == torch.bfloat16 and inference_precision("auto") != "bf16":
        pytest.skip("products of bf16 are emulated here, and need not be the same for any number of rows")
    model, prompts = causal(tiny_model("llama")).to(dtype), many()
    together = answers_of(model, prompts, SAMPLED, 8)
    for rows in (1, 2, 5, 30):
        assert answers_of(model, prompts, SAMPLED, rows) == together
    assert answers_of(model, prompts[:7], SAMPLED, 8) == together[:7]
    repeated = answers_of(model, [prompts[1]] * 6, SAMPLED, 3)
    assert repeated[1] == together[1]  # the same seed
    assert len({tuple(answer) for answer in repeated}) > 3  # other seeds


def test_a_row_is_filled_as_soon_as_its_answer_is_complete(tiny_model: Callable[[str], Path]):
    model, prompts = causal(tiny_model("llama")), many(12)
    lengths = [12, 2, 2, 2, 2, 2, 2, 12, 1, 1, 1, 1]
    asked: list[int] = []
    steps: list[int] = []
    whole = Sampling(0, 1.0, None, 12)
    now = 0  # whose token was drawn

    def is_complete(tokens: list[int]) -> bool:
        return len(tokens) == lengths[now]

    def steer(number: int, tokens: list[int]) -> Sequence[int]:
        nonlocal now
        now = number
        return ()

    found = dict(
        decode(
            model,
            in_turn(prompts, asked),
            1,
            2,
            whole,
            is_complete,
            steer=steer,
            on_step=lambda: steps.append(len(asked)),
        )
    )
    assert [len(found[number]) for number in range(12)] == lengths
    # beside the first, of 11 steps after its first token, six of a step each; then the eighth, and the rest at once
    assert len(steps) == 6 + 11
    assert steps[0] == 2
    assert steps[6] == 8
    assert steps[-1] == 12


def test_nothing_is_taken_before_there_is_a_row_for_it(tiny_model: Callable[[str], Path]):
    asked: list[int] = []
    model = causal(tiny_model("llama"))
    stream = decode(model, in_turn(many(), asked), 1, 4, GREEDY, ends_soon)
    next(stream)
    assert len(asked) <= 5


@settings(deadline=None, max_examples=25)
@given(st.floats(0.1, 3.0), st.floats(0.05, 1.0), st.integers(0, 10))
def test_tokens_come_from_the_nucleus_with_their_probabilities(temperature: float, top_p: float, seed: int):
    torch.manual_seed(seed)
    logits = torch.randn(1, 30) * 3
    probabilities = (logits / temperature).softmax(dim=-1)[0]
    order = probabilities.argsort(descending=True)
    before = probabilities[order].cumsum(0) - probabilities[order]
    nucleus = set(order[before < top_p].tolist())
    drawn = draw(logits.expand(4000, 30), Sampling(temperature, top_p, None, 1), torch.rand(4000))
    assert set(drawn.tolist()) <= nucleus
    likeliest = int(order[0])
    expected = float(probabilities[likeliest] / probabilities[list(nucleus)].sum())
    assert (drawn == likeliest).float().mean().item() == pytest.approx(expected, abs=0.05)


def test_a_nucleus_wider_than_the_first_candidates_is_found():
    flat = torch.zeros(200, 5000)
    drawn = draw(flat, Sampling(1.0, 0.9, None, 1), torch.rand(200))
    assert len(set(drawn.tolist())) > 100


def test_a_row_is_drawn_alike_whatever_the_others_need():
    torch.manual_seed(0)
    rounded = (torch.randn(1, 5000) * 4).bfloat16().float()  # with ties
    chances = torch.rand(200)
    sampling = Sampling(1.0, 0.9, None, 1)
    by_itself = draw(rounded.expand(200, 5000), sampling, chances)
    beside = draw(
        torch.cat([torch.zeros(1, 5000), rounded.expand(200, 5000)]), sampling, torch.cat([chances[:1], chances])
    )
    assert beside[1:].tolist() == by_itself.tolist()


def test_the_largest_chance_is_in_the_nucleus():
    logits = torch.tensor([[3.0, 2.0, 1.0, -float("inf"), -float("inf")]])
    chances = torch.tensor([1 - 2**-24])
    for top_p in (0.7, 1.0):
        assert int(draw(logits, Sampling(1.0, top_p, None, 1), chances)) == (1 if top_p == 0.7 else 2)
