"""Changes of one base combined: held against sums by hand, the paper's rule, and peft where peft is right."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModel

from patentlab.models.backbones import Backbone
from patentlab.models.merging import (
    Change,
    Merge,
    SavedMerge,
    combined,
    cut_to_rank,
    deltas,
    mean_layers,
    merged_weights,
    save_merge,
)

TARGETS = {"bert": ["query", "value"], "llama": ["q_proj", "v_proj"], "gpt2": ["c_attn"]}


def base(folder: Path) -> Any:
    return AutoModel.from_pretrained(folder).eval()


def backbone(folder: Path) -> Backbone:
    return Backbone(base(folder), None, str(folder))  # type: ignore[arg-type]  # nothing is tokenised


def adapter(folder: Path, kind: str, seed: int, target: Path, rank: int = 4) -> Change:
    """A random adapter, as a run leaves it."""
    config = LoraConfig(r=rank, lora_alpha=8, target_modules=TARGETS[kind], fan_in_fan_out=kind == "gpt2")
    wrapped = get_peft_model(base(folder), config)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    wrapped.save_pretrained(str(target))
    return Change(target, 1.0, rank)


def tuned(folder: Path, seed: int, target: Path) -> Change:
    model = base(folder)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=generator) * 0.02)
    model.save_pretrained(target)
    return Change(target, 1.0)


def says(model: Any) -> torch.Tensor:
    ids = torch.tensor([[2, 3, 4, 5, 6], [7, 8, 9, 10, 11]])
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    return found


def load(folder: Path) -> Any:
    return base(folder)


@pytest.mark.parametrize("kind", ["bert", "llama", "gpt2"])
def test_cat_is_the_base_and_the_weighted_sum_of_changes(kind: str, tiny_model: Callable[[str], Path], tmp_path: Path):
    folder = tiny_model(kind)
    changes = [replace(adapter(folder, kind, seed, tmp_path / str(seed), 2 + 2 * seed), weight=share)
               for seed, share in enumerate((0.3, 1.2))]  # fmt: skip
    before = {name: weight.clone() for name, weight in base(folder).named_parameters()}
    put = Merge(tuple(changes), "cat").put(backbone(folder), load)
    after = dict(put.model.named_parameters())
    assert list(before) == list(after)  # no trace of the adapters
    known = [deltas(base(folder), change, load) for change in changes]
    assert set(put.merged) == set(known[0]) and len(put.merged) == (2 if kind == "gpt2" else 4)
    for name, weight in before.items():
        expected = weight + sum(c.weight * d[name] for c, d in zip(changes, known, strict=True) if name in d)
        assert torch.allclose(after[name], expected, atol=1e-6)
    wrapped = PeftModel.from_pretrained(base(folder), str(changes[0].folder), adapter_name="0")
    wrapped.load_adapter(str(changes[1].folder), adapter_name="1")
    wrapped.add_weighted_adapter(["0", "1"], [0.3, 1.2], "both", combination_type="cat")
    wrapped.set_adapter("both")
    assert torch.allclose(says(put.model), says(wrapped.eval()), atol=1e-5)
    assert (says(put.model) - says(base(folder))).abs().max() > 0.01


def test_one_run_alone_equals_itself(tiny_model: Callable[[str], Path], tmp_path: Path):
    folder = tiny_model("bert")
    change = adapter(folder, "bert", 0, tmp_path / "lora")
    own = PeftModel.from_pretrained(base(folder), str(change.folder)).eval()
    whole = tuned(folder, 1, tmp_path / "full")
    for method in ("cat", "linear"):
        assert torch.allclose(says(Merge((change,), method).put(backbone(folder), load).model), says(own), atol=1e-6)
    kept = Merge((change,), "ties_svd", 1.0).put(backbone(folder), load).model  # nothing is dropped
    assert torch.allclose(says(kept), says(own), atol=1e-5)
    for method in ("linear", "ties"):
        again = Merge((whole,), method, 1.0).put(backbone(folder), load).model
        assert torch.allclose(says(again), says(base(whole.folder)), atol=1e-5)


@pytest.mark.parametrize("density", [0.2, 0.7, 1.0])
def test_ties_svd_is_that_of_peft(density: float, tiny_model: Callable[[str], Path], tmp_path: Path):
    folder = tiny_model("bert")
    changes = [adapter(folder, "bert", seed, tmp_path / str(seed)) for seed in range(3)]
    shares = [1 / 3, 1 / 6, 1 / 2]
    merge = Merge(tuple(replace(c, weight=w) for c, w in zip(changes, shares, strict=True)), "ties_svd", density)
    wrapped = PeftModel.from_pretrained(base(folder), str(changes[0].folder), adapter_name="0")
    for number in (1, 2):
        wrapped.load_adapter(str(changes[number].folder), adapter_name=str(number))
    own = [3 * share for share in shares]  # times the number of runs
    wrapped.add_weighted_adapter(["0", "1", "2"], own, "all", "ties_svd", density=density, svd_rank=4)
    wrapped.set_adapter("all")
    assert torch.allclose(says(merge.put(backbone(folder), load).model), says(wrapped.eval()), atol=1e-4)


def test_ties_drops_the_smallest_and_averages_those_of_the_elected_sign():
    one, other = torch.tensor([[4.0, -3.0, 0.1, 2.0]]), torch.tensor([[2.0, 5.0, 0.2, -0.1]])
    # three of four are kept: 0.1 and -0.1 fall; the second place elects plus, and of it 5 alone remains
    expected = torch.tensor([[3.0, 5.0, 0.2, 2.0]])
    assert torch.allclose(combined([{"w": one}, {"w": other}], [0.5, 0.5], "ties", 0.75)["w"], expected)
    thrice = combined([{"w": one}, {"w": other}], [1.5, 1.5], "ties", 0.75)["w"]
    assert torch.allclose(thrice, 3 * expected)
    alone = combined([{"w": one, "v": one}, {"w": other}], [0.5, 0.5], "ties", 1.0)["v"]
    assert torch.allclose(alone, one)  # zeros of the other have no sign
    assert torch.allclose(combined([{"v": one}, {"w": other}], [0.5, 0.5], "linear")["v"], one / 2)


def test_what_dare_drops_is_drawn_by_the_seed():
    change = {"w": torch.ones(200, 50), "v": torch.ones(200, 50)}
    draws = [combined([change], [1.0], "dare_ties_svd", 0.25, seed, rank=50) for seed in (0, 0, 1)]
    assert torch.equal(draws[0]["w"], draws[1]["w"])
    assert not torch.allclose(draws[0]["w"], draws[2]["w"])
    assert not torch.allclose(draws[0]["w"], draws[0]["v"])
    values = set(draws[0]["w"].round(decimals=3).abs().flatten().tolist())  # of full rank: what was left is scaled up
    assert values == {0.0, 4.0}
    means = [combined([change], [1.0], "dare_ties_svd", 0.25, seed, 50)["w"].mean().item() for seed in range(20)]
    assert sum(means) / 20 == pytest.approx(1.0, abs=0.02)  # four of its standard errors
    state = torch.random.get_rng_state()
    combined([change], [1.0], "dare_ties_svd", 0.25, 0, rank=50)
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_matrix_of_a_rank_is_the_nearest():
    matrix = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    cut = cut_to_rank(matrix, 2)
    assert torch.linalg.matrix_rank(cut).item() == 2
    rest = torch.linalg.svdvals(matrix)[2:].square().sum().sqrt()
    assert torch.linalg.norm(matrix - cut).item() == pytest.approx(rest.item(), rel=1e-5)
    assert torch.allclose(cut_to_rank(matrix, 4), matrix, atol=1e-5)


def test_the_mean_of_whole_models_with_tied_weights(tiny_model: Callable[[str], Path], tmp_path: Path):
    from transformers import AutoModelForCausalLM

    plain: Any = AutoModelForCausalLM.from_config(base(tiny_model("gpt2")).config)  # type: ignore[no-untyped-call]
    plain.save_pretrained(tmp_path / "base")
    assert plain.lm_head.weight is plain.transformer.wte.weight  # folded once, not twice
    models = [AutoModelForCausalLM.from_pretrained(tmp_path / "base") for _ in range(2)]
    for seed, model in enumerate(models):
        torch.manual_seed(seed)
        for parameter in model.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
        model.save_pretrained(tmp_path / str(seed))
    merge = Merge(tuple(Change(tmp_path / str(seed), 0.5) for seed in range(2)), "linear")
    start = Backbone(AutoModelForCausalLM.from_pretrained(tmp_path / "base"), None, "")  # type: ignore[arg-type]
    put = merge.put(start, lambda folder: AutoModelForCausalLM.from_pretrained(folder))
    for name, weight in put.model.named_parameters():
        expected = torch.stack([dict(model.named_parameters())[name] for model in models]).mean(dim=0)
        assert torch.allclose(weight, expected, atol=1e-6), name


def test_a_saved_merge_needs_its_runs_no_more(tiny_model: Callable[[str], Path], tmp_path: Path):
    folder = tiny_model("llama")
    changes = tuple(replace(adapter(folder, "llama", seed, tmp_path / str(seed)), weight=0.5) for seed in range(2))
    put = Merge(changes, "cat").put(backbone(folder), load)
    lora = LoraConfig(r=2, target_modules=["q_proj", "o_proj"])  # trained on: some of them wrapped, others beside
    wrapped = get_peft_model(base(folder), lora)
    assert set(merged_weights(wrapped, put.merged)) == set(put.merged)
    said, kept = says(put.model), {name: weight.clone() for name, weight in put.model.named_parameters()}
    save_merge(get_peft_model(put.model, lora), put, tmp_path / "merged")
    again = SavedMerge(tmp_path / "merged").put(backbone(folder), load)
    assert again.merged == put.merged
    assert torch.equal(says(again.model), said)
    assert all(torch.equal(weight, kept[name]) for name, weight in again.model.named_parameters())


def test_the_mean_of_layers():
    states = [{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 6.0])}]
    assert mean_layers(states[:1], [0.1])["w"] is states[0]["w"]
    assert mean_layers(states, [0.1, 0.3])["w"].tolist() == pytest.approx([2.5, 5.0])
