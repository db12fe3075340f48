import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from patentlab.training.losses import binary_cross_entropy, cross_entropy, probabilities

LOGITS = arrays(np.float32, (4, 3), elements=st.floats(-8, 8, width=32))


@given(LOGITS, arrays(np.int8, (4, 3), elements=st.integers(0, 1)))
def test_bce_is_the_sum_of_scikit_learns_log_losses(logits: np.ndarray, targets: np.ndarray):
    ours = binary_cross_entropy(torch.tensor(logits), torch.tensor(targets, dtype=torch.float32)).item()
    flat, probability = targets.ravel(), expit(logits.astype(float)).ravel()
    assert np.isclose(ours, log_loss(flat, probability, labels=[0, 1], normalize=False), rtol=1e-4)


@given(LOGITS, arrays(np.int64, (4,), elements=st.integers(0, 2)))
def test_cross_entropy_is_the_sum_of_scikit_learns_log_losses(logits: np.ndarray, targets: np.ndarray):
    ours = cross_entropy(torch.tensor(logits), torch.tensor(targets)).item()
    reference = log_loss(targets, softmax(logits.astype(float), axis=1), labels=[0, 1, 2], normalize=False)
    assert np.isclose(ours, reference, rtol=1e-4, atol=1e-5)


def test_probabilities_follow_the_loss():
    logits = torch.tensor([[0.0, 0.0, 0.0]])
    assert torch.allclose(probabilities(logits, "bce"), torch.full((1, 3), 0.5))
    assert torch.allclose(probabilities(logits, "cross_entropy"), torch.full((1, 3), 1 / 3))
