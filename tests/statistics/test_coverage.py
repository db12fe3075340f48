"""How often intervals of a difference of F1 hold the true one: ``pytest -m slow -s`` prints the table."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
from scipy.stats import norm

from patentlab.statistics.bootstrap import paired_bootstrap_f1

pytestmark = pytest.mark.slow

DOCUMENTS, SIMULATIONS, RESAMPLES = 400, 1000, 1000
SHARED, OF_DOCUMENT = 0.6, 0.2  # variance of noise that both classifiers have, and of that all labels of a document

Average = Literal["micro", "macro"]
Method = Literal["percentile", "bca"]


@dataclass(frozen=True)
class Task:
    """A population of documents, and two classifiers of it.

    Each decides by a normal score, higher by its separation where the label is true, against the threshold with the
    fewest errors. Its F1 on the population is known.
    """

    prevalence: np.ndarray
    separations: tuple[float, float]

    def thresholds(self, separation: float) -> np.ndarray:
        return np.asarray(separation / 2 + np.log((1 - self.prevalence) / self.prevalence) / separation)

    def f1(self, separation: float, average: Average) -> float:
        thresholds = self.thresholds(separation)
        hits = self.prevalence * norm.sf(thresholds - separation)
        sizes = self.prevalence + hits + (1 - self.prevalence) * norm.sf(thresholds)
        return float(2 * hits.sum() / sizes.sum() if average == "micro" else np.mean(2 * hits / sizes))

    def draw(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = (DOCUMENTS, len(self.prevalence))
        true = generator.random(shape) < self.prevalence
        document, decision, first, second = (generator.normal(size=of) for of in ((DOCUMENTS, 1), shape, shape, shape))
        both = np.sqrt(OF_DOCUMENT) * document + np.sqrt(SHARED - OF_DOCUMENT) * decision
        predicted = [
            separation * true + both + np.sqrt(1 - SHARED) * own > self.thresholds(separation)
            for separation, own in zip(self.separations, (first, second), strict=True)
        ]
        return true, predicted[0], predicted[1]


COMMON = np.linspace(0.05, 0.4, 10)  # from 20 documents of a label
FEW = np.geomspace(0.0125, 0.4, 10)  # from 5
RARE = np.geomspace(0.0025, 0.4, 10)  # from 1, which a third of the test sets have not

TASKS = {
    "common labels": Task(COMMON, (2.5, 2.2)),
    "common labels, equal classifiers": Task(COMMON, (2.5, 2.5)),
    "a label of 5 documents": Task(FEW, (2.5, 2.2)),
    "a label of 1 document": Task(RARE, (2.5, 2.2)),
}


def coverage(name: str, average: Average, method: Method = "percentile") -> tuple[float, float]:
    """Shares of simulations whose interval holds the true difference, and whose p is 0.05 at most."""
    task, generator = TASKS[name], np.random.default_rng(0)
    true = task.f1(task.separations[0], average) - task.f1(task.separations[1], average)
    found = [
        paired_bootstrap_f1(*task.draw(generator), average, RESAMPLES, seed=seed, method=method)
        for seed in range(SIMULATIONS)
    ]
    covered = float(np.mean([interval.low <= true <= interval.high for interval in found]))
    rejected = float(np.mean([interval.p <= 0.05 for interval in found]))
    error = np.mean([interval.estimate for interval in found]) - true
    print(f"\n{name:34}{average:7}{method:11}true {true:.3f}  bias {error:+.4f}", end="  ")
    print(f"covered {covered:.3f}  p <= 0.05 in {rejected:.3f}")
    return covered, rejected


@pytest.mark.parametrize("average", ["micro", "macro"])
@pytest.mark.parametrize("name", ["common labels", "a label of 5 documents"])
def test_intervals_cover_the_true_difference(name: str, average: Average):
    covered, _ = coverage(name, average)
    assert 0.93 < covered < 0.97


@pytest.mark.parametrize("average", ["micro", "macro"])
def test_equal_classifiers_are_told_apart_as_often_as_promised(average: Average):
    covered, rejected = coverage("common labels, equal classifiers", average)
    assert 0.93 < covered < 0.97
    assert 0.03 < rejected < 0.07


def test_a_label_that_test_sets_lack_is_covered_by_micro_f1_alone():
    assert 0.93 < coverage("a label of 1 document", "micro")[0] < 0.97
    plain, corrected = (coverage("a label of 1 document", "macro", method)[0] for method in ("percentile", "bca"))
    assert corrected < plain < 0.93
