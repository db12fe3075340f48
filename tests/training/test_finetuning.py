"""The whole classifier on tiny random models: every adapter learns, and survives saving and loading."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from patentlab.command_line import compose
from patentlab.corpus import Examples, LabelSpace
from patentlab.evaluation.classification import evaluate
from patentlab.protocols import Observer, Silent
from patentlab.training.classifiers import build_classifier, load_classifier
from patentlab.training.finetuning import EmbeddingClassifier

WORDS = ["sensor", "wheel", "lens"]
TEXTS = [f"a {one} with a {other} ." for one in WORDS for other in ["motor", "seat", "camera", "sound"]] * 2
TARGETS = np.array([[word in text for word in WORDS] for text in TEXTS], dtype=np.int8)
EXAMPLES = Examples(TEXTS, TARGETS)
TARGET_MODULES = {"llama": "[q_proj,v_proj]", "bert": "[query,value]", "gpt2": "[c_attn]"}


def watch() -> Observer:
    return Observer(lambda targets, scores: evaluate(targets, scores, 0.5, single=False))


def build(tiny_model, kind: str, adapter: str, *overrides: str, seed: int = 0) -> EmbeddingClassifier:
    config = compose(
        "model=minilm", f"model.path={tiny_model(kind)}", f"adapter={adapter}", "trainer.max_length=64",
        "trainer.epochs=8", "trainer.batch_size=4", "trainer.head_learning_rate=0.05", "trainer.learning_rate=0.01",
        "trainer.patience=null", f"model.lora_targets={TARGET_MODULES[kind]}", *overrides,
    )  # fmt: skip
    classifier = build_classifier(config, LabelSpace(tuple(WORDS)), seed, Silent())
    assert isinstance(classifier, EmbeddingClassifier)
    return classifier


@pytest.mark.parametrize("kind", ["llama", "bert", "gpt2"])
@pytest.mark.parametrize("adapter", ["full", "lora", "frozen"])
def test_every_adapter_learns_and_predicts_the_same_after_saving_and_loading(
    tiny_model, tmp_path: Path, kind: str, adapter: str
):
    classifier = build(tiny_model, kind, adapter)
    before = {name: value.detach().clone() for name, value in classifier.network.named_parameters()}
    report = classifier.fit(EXAMPLES, EXAMPLES, watch(), 0)
    assert report.history[-1]["train_loss"] < 0.8 * report.history[0]["train_loss"]
    changed = {n for n, value in classifier.network.named_parameters() if not torch.equal(value, before[n])}
    assert {"head.linear.weight", "head.linear.bias"} <= changed
    in_backbone = {name for name in changed if name.startswith("backbone.")}
    if adapter == "frozen":
        assert not in_backbone
    elif adapter == "lora":
        assert in_backbone
        assert all("lora_" in name for name in in_backbone)
    else:
        assert len(in_backbone) > 10
    scores = classifier.predict(TEXTS, Silent())
    classifier.save(tmp_path)
    assert np.array_equal(load_classifier(tmp_path, Silent()).predict(TEXTS, Silent()), scores)


def test_parameters_are_counted(tiny_model):
    head = 16 * 3 + 3
    counts = {adapter: build(tiny_model, "llama", adapter).count_parameters() for adapter in ("full", "lora", "frozen")}
    base = counts["frozen"].total - head
    assert counts["frozen"].trained == head
    assert counts["full"].trained == counts["full"].total == base + head
    # two layers, rank 16: q is 16×16, v is 16×8
    lora = 2 * (16 * (16 + 16) + 16 * (16 + 8))
    assert (counts["lora"].trained, counts["lora"].total) == (lora + head, base + lora + head)


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
    classifier = build(tiny_model, "llama", "full", "data.task=single_label", "loss=cross_entropy")
    observer = Observer(lambda targets, scores: evaluate(targets, scores, 0.5, single=True))
    report = classifier.fit(EXAMPLES, EXAMPLES, observer, 0)
    assert report.history[-1]["validation_f1_micro"] == 1.0
    assert np.allclose(classifier.predict(TEXTS, Silent()).sum(axis=1), 1.0, atol=1e-6)


def test_an_adapter_for_modules_that_are_not_there_is_refused(tiny_model):
    from patentlab.config import RequestError

    with pytest.raises(RequestError, match=r"no module nothing; its linear ones are .*q_proj"):
        build(tiny_model, "llama", "lora", "adapter.targets=[q_proj,nothing]")


def test_an_adapter_is_not_put_on_other_weights_than_it_was_trained_on(tiny_model, tmp_path: Path):
    from patentlab.config import RequestError

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

    monkeypatch.setattr(second.network, "embed", fail)
    second.fit(EXAMPLES, EXAMPLES, watch(), 5)
    assert second.predict(TEXTS, Silent()).shape == (len(TEXTS), 3)
