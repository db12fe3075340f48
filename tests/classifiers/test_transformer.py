"""The whole classifier on tiny random models: every adapter learns, and survives saving and loading."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from patentlab.classifiers.factory import build_classifier, load_classifier
from patentlab.classifiers.transformer import TransformerClassifier
from patentlab.config import RequestError
from patentlab.config.options import options
from patentlab.console.command_line import compose
from patentlab.corpus import Examples, LabelSpace
from patentlab.protocols import Observer, Silent
from patentlab.tasks import Decision, Task
from patentlab.tasks.documents import MultiLabel, SingleLabel

WORDS = ["sensor", "wheel", "lens"]
TEXTS = [f"a {one} with a {other} ." for one in WORDS for other in ["motor", "seat", "camera", "sound"]] * 2
TARGETS = np.array([[word in text for word in WORDS] for text in TEXTS], dtype=np.int8)
EXAMPLES = Examples(TEXTS, TARGETS)
TASK = MultiLabel(LabelSpace(tuple(WORDS)))
TARGET_MODULES = {"llama": "[q_proj,v_proj]", "bert": "[query,value]", "gpt2": "[c_attn]"}


def watch() -> Observer:
    return Observer(lambda targets, scores: TASK.evaluate(targets, scores, Decision(0.5)))


def build(tiny_model, kind: str, adapter: str, *overrides: str, seed: int = 0, task: Task = TASK):
    trained = ["trainer.head_learning_rate=0.05", "head.start=frequencies"]
    config = compose(
        "model=minilm", f"model.path={tiny_model(kind)}", f"adapter={adapter}", "trainer.max_length=64",
        "trainer.epochs=8", "trainer.batch_size=4", "trainer.learning_rate=0.01", "trainer.patience=null",
        *([] if "loss=contrastive" in overrides else trained),
        *([] if "head=two_layer" in overrides else ["head.fallback=null"]),
        f"model.lora_targets={TARGET_MODULES[kind]}", *overrides,
    )  # fmt: skip
    classifier = build_classifier(config, task, seed, Silent())
    assert isinstance(classifier, TransformerClassifier)
    return classifier


# what each file in conf/model/ is, made tiny
ARCHITECTURES = {
    "smollm2_135m": "llama", "minilm": "bert", "bert_for_patents": "bert", "modernbert_base": "modernbert",
    "roberta_large": "roberta", "llama3_2_1b": "llama", "llama3_1_8b": "llama", "mistral_7b": "mistral",
    "qwen3_8b": "qwen3", "gemma3_4b": "gemma3", "phi3_5_mini": "phi3", "gpt2": "gpt2",
    "ettin_encoder_150m": "modernbert", "ettin_encoder_400m": "modernbert", "ettin_decoder_150m": "modernbert_decoder",
    "ettin_decoder_400m": "modernbert_decoder", "embeddinggemma_300m": "embeddinggemma", "paecter": "bert",
    "qwen3_embedding_0_6b": "qwen3", "patentsberta": "mpnet", "patembed_base": "bert", "smollm2_360m": "llama",
    "smollm2_1_7b": "llama",
}  # fmt: skip
FAST = [
    "trainer.max_length=64", "trainer.epochs=6", "trainer.batch_size=4", "trainer.head_learning_rate=0.05",
    "trainer.learning_rate=0.01", "trainer.patience=null", "head.start=frequencies", "head.fallback=null",
]  # fmt: skip


def test_every_transformer_of_conf_has_an_architecture_here():
    transformers = [name for name in options("model") if compose(f"model={name}").model.kind == "transformer"]
    assert sorted(transformers) == sorted(ARCHITECTURES)


def _unlike() -> list[str]:
    """Models that differ in more than their weights: one for each architecture with its modules and adapters."""
    first: dict[object, str] = {}
    for name, kind in ARCHITECTURES.items():
        settings = compose(f"model={name}").model
        known = (kind, tuple(settings.lora_targets or ()), settings.attn_implementation, tuple(settings.recommended))
        first.setdefault(known, name)
    return list(first.values())


@pytest.mark.parametrize("adapter", ["full", "lora", "qlora", "frozen"])
@pytest.mark.parametrize("name", _unlike())
def test_every_model_learns_under_every_adapter_and_survives_saving_and_loading(
    tiny_model, tmp_path: Path, name: str, adapter: str
):
    settings = compose(f"model={name}").model
    if adapter not in settings.recommended:
        with pytest.raises(RequestError, match=f"adapter={adapter}: model={name} takes lora, qlora, frozen"):
            compose(f"model={name}", f"adapter={adapter}")
        return
    config = compose(f"model={name}", f"model.path={tiny_model(ARCHITECTURES[name])}", f"adapter={adapter}", *FAST)
    classifier = build_classifier(config, TASK, 0, Silent())
    assert isinstance(classifier, TransformerClassifier)
    before = {n: value.detach().clone() for n, value in classifier.network.named_parameters()}
    report = classifier.fit(EXAMPLES, EXAMPLES, watch(), 0)
    assert report.history[-1]["train_loss"] < 0.85 * report.history[0]["train_loss"]
    changed = {n for n, value in classifier.network.named_parameters() if not torch.equal(value, before[n])}
    assert {"head.linear.weight", "head.linear.bias"} <= changed
    in_backbone = {n for n in changed if n.startswith("backbone.")}
    if adapter == "frozen":
        assert not in_backbone
    elif adapter == "full":
        assert len(in_backbone) > 10
    else:
        # both layers, each of the named modules, both factors
        assert len(in_backbone) == 2 * 2 * len(config.adapter.targets or ())
        assert all("lora_" in n for n in in_backbone)
    packed = [n for n, value in classifier.network.named_parameters() if type(value).__name__ == "Params4bit"]
    assert bool(packed) == (adapter == "qlora")
    assert not any(n.startswith("head.") for n in packed)
    scores = classifier.predict(TEXTS, Silent())
    # those of the best epoch, which were kept during training
    assert report.validation_outputs is not None
    assert np.allclose(report.validation_outputs, scores, atol=1e-5)
    classifier.save(tmp_path)
    assert np.array_equal(load_classifier(tmp_path, Silent()).predict(TEXTS, Silent()), scores)


@pytest.mark.parametrize("adapter", ["full", "lora", "frozen"])
def test_a_probe_is_kept_where_training_does_not_beat_it(tiny_model, adapter: str):
    rates = ["trainer.learning_rate=1e-12", "trainer.head_learning_rate=1e-12", "trainer.epochs=2"]
    classifier = build(tiny_model, "llama", adapter, *rates, "head.fallback=probe")
    report = classifier.fit(EXAMPLES, EXAMPLES, watch(), 0)
    assert report.best_epoch == 0
    assert report.history[0]["validation_f1_micro"] > report.history[1]["validation_f1_micro"]
    # the network itself answers as the probe did on cached features
    assert report.validation_outputs is not None
    assert np.allclose(classifier.predict(TEXTS, Silent()), report.validation_outputs, atol=1e-5)


@pytest.mark.parametrize("adapter", ["lora", "frozen"])
def test_a_head_can_start_from_a_probe(tiny_model, adapter: str):
    rates = ["trainer.learning_rate=1e-12", "trainer.head_learning_rate=1e-12", "trainer.epochs=1"]
    classifier = build(tiny_model, "llama", adapter, *rates, "head.start=probe", "head.fallback=probe")
    start, after = classifier.fit(EXAMPLES, EXAMPLES, watch(), 0).history
    assert (start["epoch"], after["epoch"]) == (0, 1)
    assert start["validation_f1_micro"] == after["validation_f1_micro"] == 1.0


@pytest.mark.parametrize("adapter", ["lora", "qlora"])
def test_in_bf16_too_a_saved_model_predicts_as_it_did(tiny_model, tmp_path: Path, adapter: str):
    classifier = build(tiny_model, "llama", adapter, "trainer.precision=bf16")
    report = classifier.fit(EXAMPLES, EXAMPLES, watch(), 0)
    assert report.validation_outputs is None  # they were computed under autocast
    scores = classifier.predict(TEXTS, Silent())
    classifier.save(tmp_path)
    assert np.array_equal(load_classifier(tmp_path, Silent()).predict(TEXTS, Silent()), scores)


@pytest.mark.parametrize("target", ["input_layernorm", "elsewhere.q_proj"])
def test_an_adapter_for_modules_that_cannot_have_one_is_refused(tiny_model, target: str):
    with pytest.raises(RequestError, match=r"adapter\.targets"):
        build(tiny_model, "llama", "lora", f"adapter.targets=[{target}]")


def test_a_classifier_is_fitted_once(tiny_model):
    classifier = build(tiny_model, "llama", "lora")
    classifier.fit(EXAMPLES, EXAMPLES, watch(), 0)
    with pytest.raises(RuntimeError, match="fitted once"):
        classifier.fit(EXAMPLES, EXAMPLES, watch(), 0)


def test_a_two_layer_head_learns_and_survives(tiny_model, tmp_path: Path):
    classifier = build(tiny_model, "llama", "lora", "head=two_layer", "head.hidden=8")
    report = classifier.fit(EXAMPLES, EXAMPLES, watch(), 0)
    assert report.history[-1]["train_loss"] < 0.85 * report.history[0]["train_loss"]
    assert classifier.network.head.linear.in_features == 8
    scores = classifier.predict(TEXTS, Silent())
    classifier.save(tmp_path)
    assert np.array_equal(load_classifier(tmp_path, Silent()).predict(TEXTS, Silent()), scores)


def test_gradient_checkpointing_changes_memory_and_not_the_result(tiny_model):
    curves = []
    for setting in ("true", "false"):
        classifier = build(tiny_model, "llama", "lora", f"trainer.gradient_checkpointing={setting}")
        curves.append([row["train_loss"] for row in classifier.fit(EXAMPLES, EXAMPLES, watch(), 0).history])
    assert np.allclose(curves[0], curves[1], rtol=1e-5)


def test_parameters_are_counted(tiny_model):
    head = 64 * 3 + 3
    counts = {name: build(tiny_model, "llama", name).count_parameters() for name in ("full", "lora", "qlora", "frozen")}
    base = counts["frozen"].total - head
    assert counts["frozen"].trained == head
    assert counts["full"].trained == counts["full"].total == base + head
    # two layers, rank 16: q is 64×64, v is 64×32
    lora = 2 * (16 * (64 + 64) + 16 * (64 + 32))
    assert (counts["lora"].trained, counts["lora"].total) == (lora + head, base + lora + head)
    assert counts["qlora"] == counts["lora"]


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(tiny_model):
    weights = [build(tiny_model, "llama", "lora", seed=seed).network.head.linear.weight for seed in (1, 1, 2)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_predictions_do_not_depend_on_order_or_company(tiny_model):
    classifier = build(tiny_model, "llama", "lora", "trainer.eval_batch_size=3")
    scores = classifier.predict(TEXTS, Silent())
    assert np.allclose(classifier.predict(TEXTS[::-1], Silent())[::-1], scores, atol=1e-6)
    assert np.allclose(classifier.predict(TEXTS[:1], Silent()), scores[:1], atol=1e-6)


def test_cross_entropy_on_a_single_label_task(tiny_model):
    task = SingleLabel(TASK.labels)
    classifier = build(tiny_model, "llama", "full", "data.task=single_label", "loss=cross_entropy", task=task)
    observer = Observer(task.measure)
    report = classifier.fit(EXAMPLES, EXAMPLES, observer, 0)
    assert report.history[-1]["validation_f1_micro"] == 1.0
    assert np.allclose(classifier.predict(TEXTS, Silent()).sum(axis=1), 1.0, atol=1e-6)


def test_an_adapter_for_modules_that_are_not_there_is_refused(tiny_model):
    with pytest.raises(RequestError, match=r"no module nothing; its linear ones are .*q_proj"):
        build(tiny_model, "llama", "lora", "adapter.targets=[q_proj,nothing]")


def test_an_adapter_is_not_put_on_other_weights_than_it_was_trained_on(tiny_model, tmp_path: Path):
    base = shutil.copytree(tiny_model("llama"), tmp_path / "base")
    classifier = build(lambda kind: base, "llama", "lora")
    (tmp_path / "saved").mkdir()
    classifier.save(tmp_path / "saved")
    load_classifier(tmp_path / "saved", Silent())
    torch.manual_seed(5)
    changed = AutoModel.from_pretrained(base)
    changed.embed_tokens.weight.data += 0.1
    changed.save_pretrained(base)
    with pytest.raises(RequestError, match="was trained on other weights"):
        load_classifier(tmp_path / "saved", Silent())


def test_frozen_features_are_shared_by_runs_with_other_heads(tiny_model, monkeypatch):
    build(tiny_model, "llama", "frozen").fit(EXAMPLES, EXAMPLES, watch(), 0)
    second = build(tiny_model, "llama", "frozen", seed=5)

    def fail(*args: object, **kwargs: object) -> None:
        raise AssertionError("features were computed again")

    monkeypatch.setattr(second.network, "read", fail)
    second.fit(EXAMPLES, EXAMPLES, watch(), 5)
    assert second.predict(TEXTS, Silent()).shape == (len(TEXTS), 3)
