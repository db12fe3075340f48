"""Distillation against a computation by hand, and its limits."""

import numpy as np
import pytest
import torch

from patentlab.corpus import Examples
from patentlab.losses.distillation import Distillation, DistillationConfig

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.5, -2.0]])
HARD = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.int8)
SOFT = np.array([[0.7, 0.1, 0.2], [0.3, 0.6, 0.1]], dtype=np.float32)


def build(*, one_label: bool, share: float, temperature: float = 2.0) -> Distillation:
    loss = Distillation(DistillationConfig("distillation", teacher="x", temperature=temperature, hard_share=share))
    loss.one_label = one_label
    return loss


def mean(loss: Distillation, soft: np.ndarray | None = SOFT) -> float:
    """As the trainer takes it: the sum, divided by the number of targets."""
    labels = torch.as_tensor(loss.encode_examples(Examples(["a", "b"], HARD, soft=soft)))
    return float(loss(LOGITS, labels)) / labels.numel()


def test_with_one_label_it_is_cross_entropy_and_divergence_at_a_temperature():
    z, t = LOGITS.double().numpy(), 2.0
    plain = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    cross = -(plain * HARD).sum(axis=1).mean()
    warm = z / t - np.log(np.exp(z / t).sum(axis=1, keepdims=True))
    goal = SOFT.astype(float) ** (1 / t) / (SOFT.astype(float) ** (1 / t)).sum(axis=1, keepdims=True)
    apart = (goal * (np.log(goal) - warm)).sum(axis=1).mean() * t**2
    for share in (0.0, 0.3, 1.0):
        assert mean(build(one_label=True, share=share)) == pytest.approx(share * cross + (1 - share) * apart, abs=1e-5)


def test_with_several_labels_each_is_taken_by_itself():
    z, t = LOGITS.double().numpy(), 2.0
    cross = np.where(HARD == 1, np.log1p(np.exp(-z)), np.log1p(np.exp(z))).mean()
    odds = np.log(SOFT / (1 - SOFT.astype(float))) / t
    goal, found = 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(-z / t))
    apart = (goal * np.log(goal / found) + (1 - goal) * np.log((1 - goal) / (1 - found))).mean() * t**2
    for share in (0.0, 0.3, 1.0):
        assert mean(build(one_label=False, share=share)) == pytest.approx(share * cross + (1 - share) * apart, abs=1e-5)


@pytest.mark.parametrize("one_label", [True, False])
def test_a_student_that_agrees_has_nothing_to_learn(one_label: bool):
    loss = build(one_label=one_label, share=0.0, temperature=3.0)
    taught = loss.probabilities(LOGITS).numpy()
    logits = LOGITS.clone().requires_grad_()
    labels = torch.as_tensor(loss.encode_examples(Examples(["a", "b"], HARD, soft=taught)))
    value = loss(logits, labels)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == pytest.approx(0, abs=1e-4)
    assert logits.grad is not None and logits.grad.abs().max() < 1e-4


@pytest.mark.parametrize("one_label", [True, False])
def test_without_a_teacher_it_is_the_loss_of_the_labels(one_label: bool):
    assert mean(build(one_label=one_label, share=0.2), None) == pytest.approx(
        mean(build(one_label=one_label, share=1.0)), abs=1e-6
    )


@pytest.mark.parametrize("one_label", [True, False])
def test_of_documents_without_labels_the_teachers_part_is_all(one_label: bool):
    loss = build(one_label=one_label, share=0.3)
    examples = Examples(["a", "b"], HARD * np.array([[1], [0]], dtype=np.int8), soft=SOFT, unlabelled=1)
    labels = torch.as_tensor(loss.encode_examples(examples))
    found = float(loss(LOGITS, labels)) / labels.numel()
    parts = []  # each document by itself, with the shares that it should have
    for row, share in ((slice(0, 1), 0.3), (slice(1, 2), 0.0)):
        own = build(one_label=one_label, share=share)
        alone = torch.as_tensor(own.encode_examples(Examples(["x"], HARD[row], soft=SOFT[row])))
        parts.append(float(own(LOGITS[row], alone)) / alone.numel())
    assert found == pytest.approx(np.mean(parts), abs=1e-5)


def test_sure_teachers_and_extreme_logits_stay_finite():
    sure = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=np.float32)
    for one_label in (True, False):
        loss = build(one_label=one_label, share=0.5)
        labels = torch.as_tensor(loss.encode_examples(Examples(["a", "b"], HARD, soft=sure)))
        assert torch.isfinite(loss(LOGITS * 100, labels))
