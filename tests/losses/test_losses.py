"""Every loss against a reference: scikit-learn, or the paper's formula in plain numpy."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, softmax
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from patentlab.config import LossConfig, RequestError
from patentlab.config.registry import LOSSES
from patentlab.console.command_line import compose
from patentlab.losses import Loss, build_loss
from patentlab.losses.binary import BinaryCrossEntropy, positive_weights
from patentlab.losses.softmax import balanced_weights
from tests.conftest import ROOT

LOGITS = arrays(np.float32, (4, 3), elements=st.floats(-8, 8, width=32))
TARGETS = arrays(np.int8, (4, 3), elements=st.integers(0, 1))
TRAIN = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0], [1, 0, 1]], dtype=np.int8)
NAMES = ["bce", "weighted_bce", "focal", "asymmetric", "cross_entropy", "weighted_cross_entropy"]
SETTINGS = {
    name: compose(f"loss={name}", *["data.task=single_label"][: name.endswith("cross_entropy")]).loss for name in NAMES
}


def config(name: str, **settings: float | None) -> LossConfig:
    made = LossConfig(**vars(SETTINGS[name]))
    for setting, value in settings.items():
        setattr(made, setting, value)
    return made


def total(loss: Loss, logits: np.ndarray, targets: np.ndarray) -> float:
    # in double precision: in single, torch's log(1 + small) alone is off by more than the tolerances here
    return loss(torch.tensor(logits, dtype=torch.double), torch.tensor(targets)).item()


@given(LOGITS, TARGETS)
def test_bce_is_the_sum_of_scikit_learns_log_losses(logits: np.ndarray, targets: np.ndarray):
    ours = total(build_loss(config("bce")), logits, targets)
    flat, probability = targets.ravel(), expit(logits.astype(float)).ravel()
    assert np.isclose(ours, log_loss(flat, probability, labels=[0, 1], normalize=False), rtol=1e-6)


@given(LOGITS, TARGETS)
def test_weighted_bce_is_scikit_learns_with_a_weight_per_positive(logits: np.ndarray, targets: np.ndarray):
    ours = total(build_loss(config("weighted_bce"), TRAIN), logits, targets)
    weights = np.where(targets == 1, [1 / 4, 3 / 2, 4], 1.0)
    probability = expit(logits.astype(float)).ravel()
    reference = log_loss(targets.ravel(), probability, labels=[0, 1], normalize=False, sample_weight=weights.ravel())
    assert np.isclose(ours, reference, rtol=1e-6)


@given(LOGITS, TARGETS, st.floats(0, 5), st.one_of(st.none(), st.floats(0.01, 0.99)))
def test_focal_is_the_papers_formula(logits: np.ndarray, targets: np.ndarray, gamma: float, alpha: float | None):
    ours = total(build_loss(config("focal", gamma=gamma, alpha=alpha)), logits, targets)
    probability = expit(logits.astype(float))
    true = np.where(targets == 1, probability, 1 - probability)
    weight = 1.0 if alpha is None else np.where(targets == 1, alpha, 1 - alpha)
    assert np.isclose(ours, (-weight * (1 - true) ** gamma * np.log(true)).sum(), rtol=1e-6, atol=1e-9)


def test_focal_without_its_parameters_is_bce():
    logits, targets = np.array([[-2.0, 0.5, 3.0]]), np.array([[1, 0, 1]], dtype=np.int8)
    plain = total(build_loss(config("bce")), logits, targets)
    assert total(build_loss(config("focal", gamma=0.0, alpha=None)), logits, targets) == pytest.approx(plain)
    assert total(build_loss(config("focal", gamma=0.0, alpha=0.5)), logits, targets) == pytest.approx(plain / 2)


@given(LOGITS, TARGETS, st.floats(0, 4), st.floats(0, 4), st.floats(0, 0.5))
def test_asymmetric_is_the_papers_formula(
    logits: np.ndarray, targets: np.ndarray, positive: float, negative: float, clip: float
):
    settings = {"gamma": positive, "gamma_negative": negative, "clip": clip}
    ours = total(build_loss(config("asymmetric", **settings)), logits, targets)
    probability = expit(logits.astype(float))
    shifted = np.maximum(probability - clip, 0)
    of_positives = -((1 - probability) ** positive) * np.log(probability)
    of_negatives = -(shifted**negative) * np.log(1 - shifted)
    assert np.isclose(ours, np.where(targets == 1, of_positives, of_negatives).sum(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["bce", "weighted_bce", "focal", "asymmetric"])
@pytest.mark.parametrize("size", [1.0, 30.0, 200.0])
def test_gradients_are_finite_and_never_push_away_from_the_targets(name: str, size: float):
    logits = torch.tensor([[size, -size, 0.0]], requires_grad=True)
    targets = torch.tensor([[0.0, 1.0, 1.0]])
    build_loss(config(name), TRAIN)(logits, targets).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad * torch.tensor([[1.0, -1.0, -1.0]]) >= 0).all()
    assert logits.grad[0, 2] < 0


def test_asymmetric_does_not_look_at_very_easy_negatives():
    logits = torch.tensor([[-4.0]], requires_grad=True)  # probability 0.018
    build_loss(config("asymmetric"))(logits, torch.zeros(1, 1)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad.item() == 0


@given(LOGITS, arrays(np.int64, (4,), elements=st.integers(0, 2)))
def test_cross_entropy_is_the_sum_of_scikit_learns_log_losses(logits: np.ndarray, targets: np.ndarray):
    probability = softmax(logits.astype(float), axis=1)
    ours = total(build_loss(config("cross_entropy")), logits, targets)
    assert np.isclose(ours, log_loss(targets, probability, labels=[0, 1, 2], normalize=False), rtol=1e-6, atol=1e-9)
    single = np.eye(3, dtype=np.int8)[[0, 0, 0, 1, 2]]
    weighted = total(build_loss(config("weighted_cross_entropy"), single), logits, targets)
    weights = compute_class_weight("balanced", classes=np.arange(3), y=[0, 0, 0, 1, 2])[targets]
    reference = log_loss(targets, probability, labels=[0, 1, 2], normalize=False, sample_weight=weights)
    assert np.isclose(weighted, reference, rtol=1e-6, atol=1e-9)


def test_weights_are_cut_and_softened():
    assert positive_weights(TRAIN).tolist() == [0.25, 1.5, 4.0]
    assert positive_weights(TRAIN, power=0.5).tolist() == pytest.approx([0.5, 1.5**0.5, 2.0])
    assert positive_weights(TRAIN, max_weight=2).tolist() == [0.25, 1.5, 2.0]
    assert positive_weights(TRAIN, power=0).tolist() == [1, 1, 1]
    assert balanced_weights(np.eye(3, dtype=np.int8)[[0, 0, 1]]).tolist() == [0.75, 1.5, 1.0]


def test_probabilities_follow_the_loss():
    logits = torch.tensor([[0.0, 0.0, 0.0]])
    assert torch.allclose(build_loss(config("focal")).probabilities(logits), torch.full((1, 3), 0.5))
    assert torch.allclose(build_loss(config("cross_entropy")).probabilities(logits), torch.full((1, 3), 1 / 3))


def test_every_loss_goes_by_name_and_says_which_targets_it_takes():
    assert set(NAMES) <= set(LOSSES.names())
    targets = np.eye(3, dtype=np.int8)[[2, 0]]
    for name in NAMES:
        loss = build_loss(config(name))
        assert loss.index == name.endswith("cross_entropy")
        assert loss.encode(targets).tolist() == ([2, 0] if loss.index else targets.tolist())
    with pytest.raises(RequestError, match=r"loss\.name=focl \(did you mean focal\?\): allowed are .*bce"):
        build_loss(LossConfig("focl"))


def test_a_loss_brings_settings_of_its_own(monkeypatch: pytest.MonkeyPatch):
    @dataclass
    class SmoothedConfig(LossConfig):
        smoothing: float = 0.0

    for kept in ("_known", "_settings"):
        monkeypatch.setattr(LOSSES, kept, dict(getattr(LOSSES, kept)))

    @LOSSES.add("smoothed_bce", settings=SmoothedConfig)
    class Smoothed(BinaryCrossEntropy):
        config: SmoothedConfig

        def total(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return super().total(logits, targets * (1 - self.config.smoothing) + self.config.smoothing / 2)

    assert LOSSES.settings("smoothed_bce") is SmoothedConfig
    logits = np.array([[2.0, -1.0]])
    one, other = (total(build_loss(config("bce")), logits, np.array([row])) for row in ([1, 0], [0, 1]))
    smoothed = total(build_loss(SmoothedConfig("smoothed_bce", smoothing=0.2)), logits, np.array([[1, 0]]))
    assert smoothed == pytest.approx(0.9 * one + 0.1 * other)


def test_a_losss_name_is_known_without_torch():
    code = "import sys; from patentlab.config.registry import LOSSES; LOSSES.names(); print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout == "False\n"
