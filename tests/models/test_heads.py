import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from patentlab.classifiers.factory import load_classifier
from patentlab.classifiers.settings import TransformerSettings
from patentlab.classifiers.transformer import TransformerClassifier
from patentlab.config import HeadConfig
from patentlab.config.registry import HEADS
from patentlab.console.command_line import compose
from patentlab.corpus import Examples, LabelSpace
from patentlab.models.batching import Collator, tokenise
from patentlab.models.heads import Head, build_head
from patentlab.models.linear import LinearLayers
from patentlab.models.network import Network
from patentlab.models.pooling import pool
from patentlab.protocols import Observer, Silent
from patentlab.tasks.documents import MultiLabel
from tests.conftest import ROOT

HIDDEN = torch.tensor([[[1.0, -5.0], [3.0, 2.0], [9.0, 9.0]], [[7.0, 7.0], [2.0, 0.0], [4.0, -8.0]]])
RIGHT = torch.tensor([[1, 1, 0], [1, 1, 1]])
LEFT = torch.tensor([[0, 1, 1], [1, 1, 1]])
LAST_TOO = torch.tensor([4.0, -8.0])


@pytest.mark.parametrize(
    ("how", "mask", "first"),
    [
        ("last", RIGHT, [3.0, 2.0]),
        ("last", LEFT, [9.0, 9.0]),
        ("cls", RIGHT, [1.0, -5.0]),
        ("cls", LEFT, [3.0, 2.0]),
        ("mean", RIGHT, [2.0, -1.5]),
        ("mean", LEFT, [6.0, 5.5]),
        ("max", RIGHT, [3.0, 2.0]),
        ("max", LEFT, [9.0, 9.0]),
    ],
)
def test_pooling_looks_at_tokens_alone(how: str, mask: torch.Tensor, first: list[float]):
    assert pool(HIDDEN, mask, how)[0].tolist() == first


def test_pooling_of_a_document_without_padding():
    mask = torch.ones(2, 3, dtype=torch.long)
    assert torch.equal(pool(HIDDEN, mask, "last")[1], LAST_TOO)
    assert torch.allclose(pool(HIDDEN, mask, "mean")[1], HIDDEN[1].mean(dim=0))
    assert torch.equal(pool(HIDDEN, mask, "max")[1], torch.tensor([7.0, 7.0]))


def test_what_lies_under_padding_never_counts():
    spoiled = HIDDEN.clone()
    spoiled[0, 2] = float("nan")
    for how in ("last", "cls", "mean", "max"):
        assert torch.equal(pool(spoiled, RIGHT, how), pool(HIDDEN, RIGHT, how))


def test_unknown_pooling():
    with pytest.raises(ValueError, match="allowed are last, mean, max and cls"):
        pool(HIDDEN, RIGHT, "middle")


TEXTS = ["a wheel with a motor and a brake .", "lens", "the sensor of a seat is light <end>", "sound"]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("how", ["last", "cls", "mean", "max"])
def test_equal_predictions_for_left_and_right_padding_and_without(kind: str, how: str, tiny_model):
    folder = tiny_model(kind)
    backbone = AutoModel.from_pretrained(folder)
    layers = LinearLayers(64, 3, 0.0)
    results = {}
    for side in ("right", "left"):
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side=side)
        head = build_head(HeadConfig("embedding", how), MultiLabel(LabelSpace(("a", "b", "c"))), tokenizer, 64)
        model = Network(backbone, head, layers).eval()
        items = head.items(TEXTS)
        with torch.inference_mode():
            results[side] = model(**head.collate(items))["logits"]
            results["alone"] = torch.cat([model(**head.collate([item]))["logits"] for item in items])
    assert torch.allclose(results["right"], results["alone"], atol=1e-6)
    assert torch.allclose(results["left"], results["alone"], atol=1e-6)
    assert results["alone"].std(dim=0).min() > 1e-4  # else equality would say nothing


def test_a_real_final_end_token_is_the_last_token(tiny_model):
    # the padding token is the end token: its id cannot tell a real one from padding
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("llama"))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    items = tokenise(["a lens <end>", "a lens"], tokenizer, 64)
    assert [len(item["input_ids"]) for item in items] == [3, 2]
    batch = Collator(tokenizer)(items)
    hidden = torch.arange(6.0).reshape(2, 3, 1)
    assert pool(hidden, batch["attention_mask"], "last").flatten().tolist() == [2.0, 4.0]


def test_standardised_features_have_mean_0_and_variance_1():
    torch.manual_seed(0)
    head = LinearLayers(4, 2, 0.0)
    features = torch.randn(50, 4) * torch.tensor([1.0, 10.0, 0.1, 3.0]) + 5
    head.standardise(features)
    scaled = (features - head.shift) * head.scale
    assert torch.allclose(scaled.mean(dim=0), torch.zeros(4), atol=1e-4)
    assert torch.allclose(scaled.var(dim=0, correction=0), torch.ones(4), atol=1e-4)


def test_a_head_can_start_from_label_frequencies():
    head = LinearLayers(4, 3, 0.0)
    head.start_from_frequencies(torch.tensor([0.5, 0.1, 0.0]))
    assert torch.allclose(torch.sigmoid(head(torch.zeros(1, 4)))[0], torch.tensor([0.5, 0.1, 0.001]), atol=1e-6)


def test_a_heads_name_is_known_without_torch():
    code = "import sys; from patentlab.config.registry import HEADS; print(*HEADS.names(), 'torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    *names, loaded = shown.stdout.split()
    assert {"embedding", "two_layer"} <= set(names) and loaded == "False"


def test_a_head_of_ones_own_trains_and_survives_saving(tiny_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(HEADS, "_known", dict(HEADS._known))

    @HEADS.add("first_token")
    class FirstToken(Head):
        """Reads the first token's hidden state, and no vector that could be kept."""

        def layers(self, width: int) -> torch.nn.Module:
            return torch.nn.Linear(width, len(self.task.labels))

        def logits(self, network: Network, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
            logits: torch.Tensor = network.head(network.hidden(**batch)[:, 0])
            return logits

    task = MultiLabel(LabelSpace(("wheel", "lens")))
    texts = ["wheel with a motor", "lens of a camera", "wheel", "lens"] * 3
    targets = np.array([[word in text for word in task.labels.names] for text in texts], dtype=np.int8)
    config = compose(
        "model=minilm", f"model.path={tiny_model('bert')}", "adapter=full", "trainer.max_length=64", "trainer.epochs=8",
        "trainer.batch_size=4", "trainer.learning_rate=0.01", "trainer.patience=null",
    )  # fmt: skip
    settings = replace(TransformerSettings.of(config), head=HeadConfig("first_token"))
    classifier = TransformerClassifier.fresh(settings, task, 0, Silent())
    examples = Examples(texts, targets)
    report = classifier.fit(examples, examples, Observer(task.measure), 0)
    assert report.history[-1]["validation_f1_micro"] == 1.0
    outputs = classifier.predict(texts, Silent())
    assert np.allclose(outputs, report.validation_outputs, atol=1e-5)
    assert classifier.embed(texts, Silent()).shape == (12, 64)
    classifier.save(tmp_path)
    assert np.array_equal(load_classifier(tmp_path, Silent()).predict(texts, Silent()), outputs)
