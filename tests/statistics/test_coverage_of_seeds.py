"""How often intervals over seeds and documents hold the true difference: ``pytest -m slow -s`` prints the table."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from scipy import stats

from patentlab.statistics.bootstrap import seeds_and_documents
from patentlab.statistics.resampled_scores import resampled_average_precision, resampled_f1
from tests.statistics.test_coverage import COMMON, Task

pytestmark = pytest.mark.slow

DOCUMENTS, SIMULATIONS, RESAMPLES, CORPUS = 400, 500, 200, 1000
BETWEEN_SEEDS = 0.08  # standard deviation of a classifier's separation: about that of a score on 400 documents
LASTING = 0.3  # variance of what a classifier makes of a document under every seed
TASK = Task(COMMON, (2.5, 2.35))

Tests = Literal["own", "overlapping", "one"]
Metric = Literal["f1_micro", "f1_macro", "map"]


@dataclass(frozen=True)
class Corpus:
    """Documents, and what both classifiers lastingly make of them: ``(documents, labels)`` each."""

    true: np.ndarray
    common: np.ndarray
    lasting: tuple[np.ndarray, np.ndarray]

    @staticmethod
    def draw(documents: int, generator: np.random.Generator) -> "Corpus":
        shape = (documents, len(TASK.prevalence))
        common, first, second = (np.sqrt(part) * generator.normal(size=shape) for part in (0.4, LASTING, LASTING))
        return Corpus(generator.random(shape) < TASK.prevalence, common, (first, second))


def one_simulation(
    tests: Tests, metric: Metric, seeds: int, generator: np.random.Generator
) -> tuple[list[float], list[np.ndarray]]:
    """Differences of each seed, and the same on resampled documents."""
    size = {"own": seeds * DOCUMENTS, "overlapping": CORPUS, "one": DOCUMENTS}[tests]
    corpus = Corpus.draw(size, generator)
    weights = generator.poisson(1.0, (RESAMPLES, size)).astype(np.float32)
    found, resampled = [], []
    for seed in range(seeds):
        if tests == "own":
            held = np.arange(seed * DOCUMENTS, (seed + 1) * DOCUMENTS)
        else:
            held = generator.choice(size, DOCUMENTS, replace=False)
        true, each, drawn = corpus.true[held], [], []
        for separation, lasting in zip(TASK.separations, corpus.lasting, strict=True):
            own = separation + BETWEEN_SEEDS * generator.normal()
            noise = np.sqrt(0.6 - LASTING) * generator.normal(size=true.shape)
            scores = own * true + corpus.common[held] + lasting[held] + noise
            w = np.vstack([np.ones(DOCUMENTS, np.float32), weights[:, held]])
            if metric == "map":
                values = resampled_average_precision(true, scores, w)
            else:
                values = resampled_f1(true, scores > TASK.thresholds(own), w)[metric == "f1_macro"]
            each.append(values[0])
            drawn.append(values[1:])
        found.append(each[0] - each[1])
        resampled.append(drawn[0] - drawn[1])
    return found, resampled


def coverage(tests: Tests, metric: Metric, seeds: int) -> dict[str, float]:
    """Shares of simulations whose interval holds the mean of all simulations, and mean widths."""
    generator = np.random.default_rng(0)
    drawn = [one_simulation(tests, metric, seeds, generator) for _ in range(SIMULATIONS)]
    true = float(np.mean([np.mean(found) for found, _ in drawn]))
    both = [seeds_and_documents(found, np.transpose(resampled)) for found, resampled in drawn]
    over_seeds = [stats.ttest_1samp(found, 0.0).confidence_interval() for found, _ in drawn]
    told = {"both": held(both, true), "seeds": held(over_seeds, true), "width": width(both), "t": width(over_seeds)}
    print(f"\n{metric:9} {tests:12} {seeds:2} seeds  true {true:+.4f}  covered {told['both']:.3f}", end="  ")
    print(f"width {told['width']:.4f}  t over seeds alone {told['seeds']:.3f} {told['t']:.4f}")
    return told


def held(intervals: list[Any], true: float) -> float:
    return float(np.mean([interval.low <= true <= interval.high for interval in intervals]))


def width(intervals: list[Any]) -> float:
    return float(np.mean([interval.high - interval.low for interval in intervals]))


@pytest.mark.parametrize("tests", ["own", "overlapping", "one"])
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("metric", ["f1_micro", "f1_macro"])
def test_intervals_over_seeds_and_documents_cover_the_mean_difference(metric: Metric, seeds: int, tests: Tests):
    told = coverage(tests, metric, seeds)
    assert 0.93 <= told["both"] < 0.99
    if tests == "own":  # nothing that seeds share is added where they share nothing
        assert told["width"] < 1.02 * told["t"]


@pytest.mark.parametrize("tests", ["own", "one"])
def test_those_of_mean_average_precision_do_too(tests: Tests):
    assert 0.93 <= coverage(tests, "map", 5)["both"] < 0.99


def test_seeds_alone_say_too_much_where_they_share_their_test_documents():
    told = coverage("one", "f1_macro", 10)
    assert told["seeds"] < 0.9 < 0.93 <= told["both"]
