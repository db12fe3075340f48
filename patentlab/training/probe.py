"""A linear probe: the regularised linear classifier on frozen features.

It is what a head starts from in LP-FT (Kumar et al. 2022, https://arxiv.org/abs/2202.10054), and what fine-tuning has
to beat on validation documents to be kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from patentlab.config import HeadConfig
from patentlab.losses import Loss
from patentlab.models.linear import LinearLayers
from patentlab.protocols import Measure, Observer, Scores, Targets
from patentlab.training.best_epoch import Known, trainable_weights

# C as in scikit-learn: the weight of the data against half the squared norm of the weights, on standardised features
STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)


@dataclass(frozen=True)
class Probe:
    """A linear classifier on features as they come.

    Attributes:
        weight: Shape ``(labels, width)``.
        bias: Shape ``(labels,)``.
        strength: C, of those tried the one with the best validation score.
        scores: Of the validation documents, shape ``(documents, labels)``.
        metrics: Of those.
    """

    weight: Tensor
    bias: Tensor
    strength: float
    scores: Scores
    metrics: dict[str, float]


def fit_probe(
    features: Sequence[NDArray[np.float32]],
    targets: Sequence[Targets],
    loss: Loss,
    measure: Measure,
    monitor: str,
    strengths: Sequence[float] = STRENGTHS,
) -> Probe:
    """Fit a linear classifier for each strength of regularisation, and keep the best on validation documents.

    Args:
        features: Of training and validation documents, each of shape ``(documents, width)``; they are standardised by
            the training documents, so that C means the same for every backbone.
        targets: Of the same, zeros and ones of shape ``(documents, labels)``.
        loss: What is minimised, together with half the squared norm of the weights divided by C.
        measure: Metrics of validation targets and scores.
        monitor: The metric that counts.
        strengths: Values of C, rising.

    Returns:
        The best probe; of equals the most regularised.
    """
    scaler = StandardScaler().fit(features[0].astype(np.float64))
    train, validation = (torch.from_numpy(scaler.transform(array.astype(np.float64))) for array in features)
    labels = torch.as_tensor(loss.encode(targets[0]))
    weight = torch.zeros(targets[0].shape[1], train.shape[1], dtype=torch.double, requires_grad=True)
    frequencies = torch.as_tensor(targets[0].mean(axis=0, dtype=np.float64)).clamp(1e-3, 1 - 1e-3)
    bias = torch.logit(frequencies).requires_grad_()
    best: Probe | None = None
    for strength in strengths:  # each solution is the start of the next
        _minimise(weight, bias, train, labels, loss, strength)
        with torch.no_grad():
            scores = loss.probabilities(validation @ weight.T + bias).float().numpy()
        metrics = measure(targets[1], scores)
        if best is None or metrics[monitor] > best.metrics[monitor]:
            raw = weight.detach() / torch.from_numpy(scaler.scale_)
            shifted = bias.detach() - raw @ torch.from_numpy(scaler.mean_)
            best = Probe(raw.float(), shifted.float(), strength, scores, metrics)
    assert best is not None
    return best


def _minimise(weight: Tensor, bias: Tensor, features: Tensor, labels: Tensor, loss: Loss, strength: float) -> None:
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=100, tolerance_grad=1e-4, history_size=10, line_search_fn="strong_wolfe"
    )

    def objective() -> float:
        optimiser.zero_grad()
        value = loss(features @ weight.T + bias, labels) + weight.square().sum() / (2 * strength)
        value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    optimiser.step(objective)  # type: ignore[no-untyped-call]


def start_from_probe(
    model: nn.Module,
    layers: LinearLayers,
    config: HeadConfig,
    features: Sequence[NDArray[np.float32]],
    targets: Sequence[Targets],
    loss: Loss,
    observer: Observer,
) -> Known | None:
    """Fit a probe, and make it the start of a head, what its training has to beat, or both.

    Args:
        model: That is to be trained.
        layers: Of the head, in the model.
        config: ``start``, ``fallback`` and ``fallback_margin`` are used.
        features: As of :func:`fit_probe`.
        targets: As of :func:`fit_probe`.
        loss: What is minimised.
        observer: Measures.

    Returns:
        What training has to beat, if anything.
    """
    probe = fit_probe(features, targets, loss, observer.measure, observer.monitor)
    random = trainable_weights(layers)
    layers.start_from(probe.weight, probe.bias)
    known: Known | None = None
    if config.fallback:
        known = Known(trainable_weights(model), probe.metrics, probe.scores, config.fallback_margin or 0.0)
    if config.start != "probe":
        layers.load_state_dict(random, strict=False)
    return known
