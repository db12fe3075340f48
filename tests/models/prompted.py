"""A tiny model whose tokens are characters, and heads on it that ask in words."""

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from patentlab.classifiers.settings import TransformerSettings
from patentlab.classifiers.transformer import TransformerClassifier
from patentlab.config import InstructionHeadConfig
from patentlab.console.command_line import compose
from patentlab.corpus import Examples, LabelSpace
from patentlab.models.heads.instruction import InstructionHead
from patentlab.protocols import Observer, Silent
from patentlab.tasks import Task

LABELS = LabelSpace(("G06T", "G06V", "H04N"), {"G06T": "Images", "G06V": "Vision", "H04N": "Pictures"})
TEXTS = ["graphics", "a camera that sees", "tv", ""]
SINGLE = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=np.int8)
SEVERAL = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=np.int8)


def build(model: Path, task: Task, *overrides: str, seed: int = 0) -> TransformerClassifier:
    config = compose(
        "model=smollm2_135m", f"model.path={model}", f"data.task={task.name}", "trainer.max_length=64", *overrides
    )
    return TransformerClassifier.fresh(TransformerSettings.of(config), task, seed, Silent())


def head_of(model: Path, task: Task, *overrides: str, most: int = 64, room: int = 512) -> InstructionHead:
    config = compose("head=instruction", f"data.task={task.name}", *overrides).head
    assert isinstance(config, InstructionHeadConfig)
    tokenizer = AutoTokenizer.from_pretrained(model, model_max_length=room)
    return InstructionHead(config, task, tokenizer, most)


def log_likelihood(model: Path, prompt: list[int], answer: list[int]) -> float:
    """The definition, without padding, cache or mask."""
    language_model = AutoModelForCausalLM.from_pretrained(model)
    with torch.no_grad():
        logits = language_model(torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(dim=-1)
    return float(sum(logits[len(prompt) - 1 + place, token] for place, token in enumerate(answer)))


def fit(classifier: TransformerClassifier, texts: list[str], targets: np.ndarray) -> dict[str, float]:
    examples = Examples(texts, targets, np.zeros(len(texts), dtype=np.bool_))
    report = classifier.fit(examples, examples, Observer(classifier.task.measure), 0)
    assert report.chosen["answers"].split("; ") == list(classifier.head.words)
    return classifier.task.measure(targets, classifier.predict(texts, Silent()))
