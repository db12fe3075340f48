"""Training on a tiny random model: exact curves, the right epoch, the right number of steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from patentlab.config import TrainerConfig
from patentlab.console.command_line import compose
from patentlab.evaluation.multi_label import evaluate
from patentlab.losses import build_loss
from patentlab.models.batching import collate_features, with_labels
from patentlab.models.linear import FeatureClassifier, LinearLayers
from patentlab.protocols import Observer, TrainingReport
from patentlab.training.best_epoch import Known, trainable_weights
from patentlab.training.length import trainer_steps
from patentlab.training.trainer import TrainingData, train

CONFIG = replace(
    compose("model=minilm").trainer, epochs=6, batch_size=8, head_learning_rate=0.05, patience=None, max_steps=None
)
BCE = build_loss(compose().loss)
GENERATOR = np.random.default_rng(0)
FEATURES = GENERATOR.normal(size=(40, 4)).astype(np.float32)
TARGETS = (FEATURES[:, :3] > 0.3).astype(np.int8)
ITEMS = with_labels([{"features": row} for row in FEATURES], BCE.encode(TARGETS))


def data(items=ITEMS, count: int = 30) -> TrainingData:
    return TrainingData(items[:count], ITEMS[30:], TARGETS[30:], collate_features)


def probabilities(logits: torch.Tensor, items) -> np.ndarray:
    return BCE.probabilities(logits).numpy()


def measure(targets: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    return evaluate(targets, scores, 0.5)


def run(config: TrainerConfig = CONFIG, seed: int = 0, watch=measure) -> tuple[FeatureClassifier, TrainingReport]:
    torch.manual_seed(1)
    model = FeatureClassifier(LinearLayers(4, 3, 0.0))
    return model, train(model, data(), config, BCE, probabilities, Observer(watch), seed)


def test_the_loss_falls_and_steps_and_examples_are_counted():
    _, report = run()
    losses = [row["train_loss"] for row in report.history]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.7 * losses[0]
    assert report.optimiser_steps == trainer_steps(30, CONFIG) == 6 * 4
    assert report.examples_seen == 6 * 30
    assert [row["epoch"] for row in report.history] == [1, 2, 3, 4, 5, 6]


def test_the_curve_is_the_same_for_a_seed_and_another_for_another():
    curves = [[row["train_loss"] for row in run(seed=seed)[1].history] for seed in (3, 3, 4)]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]


def test_the_order_of_batches_and_dropout_have_seeds_of_their_own():
    def losses(dropout: float, seed: int, order: int | None) -> list[float]:
        torch.manual_seed(1)
        model = FeatureClassifier(LinearLayers(4, 3, dropout))
        observer = Observer(measure)
        report = train(model, data(), CONFIG, BCE, probabilities, observer, seed, order_seed=order)
        return [row["train_loss"] for row in report.history]

    assert losses(0.0, 3, None) == losses(0.0, 3, 3) == losses(0.0, 4, 3)  # nothing is dropped: the order alone counts
    assert losses(0.0, 3, 4) != losses(0.0, 3, 3)
    assert losses(0.5, 3, None) == losses(0.5, 3, 3)
    assert len({tuple(losses(0.5, seed, order)) for seed in (3, 4) for order in (3, 4)}) == 4


def test_the_reported_losses_are_means_over_all_targets():
    model, report = run(replace(CONFIG, epochs=1, head_learning_rate=1e-12))
    with torch.inference_mode():
        logits = model(torch.tensor(FEATURES))["logits"]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.tensor(TARGETS).float(), reduction="none"
    )
    assert report.history[0]["validation_loss"] == pytest.approx(expected[30:].mean().item(), abs=1e-5)
    # the trainer averages over steps, of which the last has 6 documents instead of 8
    assert report.history[0]["train_loss"] == pytest.approx(expected[:30].mean().item(), abs=0.02)


def test_accumulated_batches_take_the_same_steps_as_large_ones():
    large = run(replace(CONFIG, batch_size=8, weight_decay=0.0))[0]
    small = run(replace(CONFIG, batch_size=2, accumulation=4, weight_decay=0.0))[0]
    assert torch.allclose(large.head.linear.weight, small.head.linear.weight, atol=1e-5)


def test_the_best_epochs_weights_are_kept_and_training_stops_when_none_is_better():
    scores = iter([0.1, 0.5, 0.3, 0.2, 0.9, 0.9])
    weights: list[torch.Tensor] = []
    torch.manual_seed(1)
    model = FeatureClassifier(LinearLayers(4, 3, 0.0))

    def scripted(targets: np.ndarray, scored: np.ndarray) -> dict[str, float]:
        weights.append(model.head.linear.weight.detach().clone())
        return {"f1_micro": next(scores)}

    config = replace(CONFIG, patience=2)
    report = train(model, data(), config, BCE, probabilities, Observer(scripted), 0)
    assert report.best_epoch == 2
    assert len(report.history) == 4
    assert torch.equal(model.head.linear.weight, weights[1])
    assert not torch.equal(model.head.linear.weight, weights[3])


@pytest.mark.parametrize(("max_steps", "epochs"), [(3, 1), (5, 2), (100, 6)])
def test_max_steps_ends_training_with_an_evaluation(max_steps: int, epochs: int):
    _, report = run(replace(CONFIG, max_steps=max_steps))
    assert report.optimiser_steps == min(max_steps, 24)
    assert len(report.history) == epochs


def test_max_examples_bounds_what_passes_through():
    # 30 documents in batches of 8: 8, 8, 8, 6
    assert [trainer_steps(30, replace(CONFIG, max_examples=n)) for n in (8, 15, 16, 29, 30, 37, 38, 60, 999)] == [
        1, 1, 2, 3, 4, 4, 5, 8, 24,
    ]  # fmt: skip
    assert run(replace(CONFIG, max_examples=46))[1].examples_seen == 46
    assert run(replace(CONFIG, max_examples=50))[1].examples_seen == 46


def test_without_epochs_steps_decide_and_a_small_set_matches_a_large_one():
    small = train_on(10, replace(CONFIG, epochs=None, max_steps=24))
    large = train_on(30, CONFIG)
    assert small.optimiser_steps == large.optimiser_steps == 24
    assert len(small.history) == 12  # epochs of two steps


def train_on(count: int, config: TrainerConfig) -> TrainingReport:
    model = FeatureClassifier(LinearLayers(4, 3, 0.0))
    return train(model, data(count=count), config, BCE, probabilities, Observer(measure), 0)


@pytest.mark.parametrize(("validations", "epochs"), [(2, [3, 6]), (4, [2, 4, 6]), (6, [1, 2, 3, 4, 5, 6]), (1, [6])])
def test_validations_are_spread_over_the_epochs_and_the_last_one_is_validated(validations: int, epochs: list[int]):
    _, report = run(replace(CONFIG, validations=validations))
    assert [row["epoch"] for row in report.history] == epochs
    _, cut = run(replace(CONFIG, validations=validations, max_steps=18))
    assert cut.history[-1]["epoch"] == 5


def test_the_fallback_may_be_the_best_epoch():
    torch.manual_seed(1)
    model = FeatureClassifier(LinearLayers(4, 3, 0.0))
    start = model.head.linear.weight.detach().clone()
    observer = Observer(lambda targets, scored: {"f1_micro": 0.5})
    known = Known(trainable_weights(model), {"f1_micro": 0.9}, np.full((10, 3), 0.25, dtype=np.float32))
    report = train(model, data(), CONFIG, BCE, probabilities, observer, 0, fallback=known)
    assert report.validation_outputs is known.outputs
    assert report.best_epoch == 0
    assert torch.equal(model.head.linear.weight, start)
    assert [row["epoch"] for row in report.history] == list(range(7))
    assert "train_loss" not in report.history[0]
    assert all("train_loss" in row for row in report.history[1:])


def test_a_fallback_must_be_better_by_its_margin():
    for margin, best in ((0.0, 0), (0.3, 0), (0.5, 1)):
        model = FeatureClassifier(LinearLayers(4, 3, 0.0))
        weights = trainable_weights(model)
        known = Known(weights, {"f1_micro": 0.9}, np.zeros((10, 3), dtype=np.float32), margin)
        observer = Observer(lambda targets, scored: {"f1_micro": 0.5})
        report = train(model, data(), CONFIG, BCE, probabilities, observer, 0, fallback=known)
        assert report.best_epoch == best
        assert torch.equal(model.head.linear.weight, weights["head.linear.weight"]) == (best == 0)


def test_a_fallback_that_training_takes_long_to_beat_does_not_stop_it():
    scores = iter([0.50, 0.58, 0.63, 0.66, 0.68, 0.67])
    torch.manual_seed(1)
    model = FeatureClassifier(LinearLayers(4, 3, 0.0))
    known = Known(trainable_weights(model), {"f1_micro": 0.65}, np.zeros((10, 3), dtype=np.float32))
    observer = Observer(lambda targets, scored: {"f1_micro": next(scores)})
    config = replace(CONFIG, patience=2)
    report = train(model, data(), config, BCE, probabilities, observer, 0, fallback=known)
    assert report.best_epoch == 5
    assert len(report.history) == 7


def test_max_steps_does_not_lengthen_training():
    assert trainer_steps(30, replace(CONFIG, epochs=2, max_steps=1000)) == 8
    assert run(replace(CONFIG, epochs=2, max_steps=1000))[1].optimiser_steps == 8


def test_a_loss_that_is_no_number_is_an_error():
    with pytest.raises(FloatingPointError, match="not a finite number"):
        spoiled = [{**item, "features": item["features"] * np.float32("nan")} for item in ITEMS]
        model = FeatureClassifier(LinearLayers(4, 3, 0.0))
        train(model, data(spoiled), CONFIG, BCE, probabilities, Observer(measure), 0)
