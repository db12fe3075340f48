"""The contrastive loss against a computation by hand, pair by pair."""

import numpy as np
import pytest
import torch

from patentlab.config import LossConfig
from patentlab.losses import build_loss

VECTORS = torch.tensor([[1.0, 0.0], [0.6, 0.8], [-2.0, 0.0], [0.0, 3.0]])


def mean(vectors: torch.Tensor, targets: np.ndarray) -> float:
    """As the trainer takes it: the sum, divided by the number of targets."""
    loss = build_loss(LossConfig(name="contrastive"), targets)
    labels = torch.as_tensor(loss.encode(targets))
    return float(loss(vectors, labels)) / labels.numel()


def test_one_label_a_document():
    targets = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.int8)
    # cosines: 01 .6, 02 -1, 03 0, 12 -.6, 13 .8, 23 0; pairs of one label are 01 and 23
    same = ((0.6 - 1) ** 2 + (0 - 1) ** 2) / 2
    other = (1 + 0 + 0.36 + 0.64) / 4
    assert mean(VECTORS, targets) == pytest.approx((same + other) / 2, abs=1e-6)


def test_several_labels_are_compared_by_their_overlap():
    targets = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1]], dtype=np.int8)
    # overlaps: 01 1/2, 02 1/3, 03 0, 12 0, 13 0, 23 1/2
    same = ((0.6 - 1 / 2) ** 2 + (-1 - 1 / 3) ** 2 + (0 - 1 / 2) ** 2) / 3
    other = (0 + 0.36 + 0.64) / 3
    assert mean(VECTORS, targets) == pytest.approx((same + other) / 2, abs=1e-6)


def test_batches_without_pairs_of_a_kind():
    alike, apart = np.array([[1, 0]] * 4, dtype=np.int8), np.eye(4, dtype=np.int8)
    cosines = np.array([0.6, -1, 0, -0.6, 0.8, 0])
    assert mean(VECTORS, alike) == pytest.approx(((cosines - 1) ** 2).mean(), abs=1e-6)
    assert mean(VECTORS, apart) == pytest.approx((cosines**2).mean(), abs=1e-6)
    single = VECTORS[:1].clone().requires_grad_()
    loss = build_loss(LossConfig(name="contrastive"))
    value = loss(single, torch.ones(1, 2))
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0
    assert single.grad is not None and not single.grad.any()


def test_length_of_vectors_and_order_of_documents_do_not_count():
    targets = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1]], dtype=np.int8)
    order = [2, 0, 3, 1]
    assert mean(VECTORS[order] * 5, targets[order]) == pytest.approx(mean(VECTORS, targets), abs=1e-6)
