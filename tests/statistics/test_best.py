import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import AnovaRM, anova_lm

from patentlab.statistics.best import difference_p, lack_of_fit_p, levels, not_worse_than_best
from patentlab.statistics.undecidable import UndecidableError

X = np.array([0.1, 0.3, 0.5, 0.7, 0.9])


def drawn(seed: int = 0, seeds: int = 4, height: float = 0.3) -> np.ndarray:
    """Scores of seeds × conditions: a level of each seed's own, a hill, and noise."""
    generator = np.random.default_rng(seed)
    own = generator.normal(size=(seeds, 1))
    return np.asarray(own - height * (X - 0.4) ** 2 + 0.05 * generator.normal(size=(seeds, len(X))))


def long(scores: np.ndarray) -> pd.DataFrame:
    seeds, conditions = scores.shape
    return pd.DataFrame(
        {"y": scores.ravel(), "seed": np.repeat(range(seeds), conditions), "x": np.tile(X, seeds)}
    )  # fmt: skip


def test_the_f_test_of_paired_conditions_is_the_repeated_measures_one():
    scores = drawn()
    reference = AnovaRM(long(scores), "y", "seed", ["x"]).fit().anova_table
    assert difference_p(levels(scores.T.tolist(), paired=True)) == pytest.approx(reference["Pr > F"].iloc[0])


def test_the_f_test_of_separate_conditions_is_scipys():
    groups = [[0.1, 0.3, 0.2], [0.4, 0.5], [0.2, 0.1, 0.4, 0.3]]
    assert difference_p(levels(groups, paired=False)) == pytest.approx(stats.f_oneway(*groups).pvalue)


def test_lack_of_fit_is_the_comparison_with_a_mean_for_each_condition():
    scores = drawn(height=2.0)
    scores[:, 0] += 0.1
    table = long(scores)
    smaller, larger = (ols(f"y ~ C(seed) + {form}", table).fit() for form in ("x + I(x**2)", "C(x)"))
    reference = anova_lm(smaller, larger)["Pr(>F)"].iloc[1]
    assert lack_of_fit_p(X, levels(scores.T.tolist(), paired=True), 2) == pytest.approx(reference)
    exact = np.tile(1 - X**2, (3, 1)) + np.arange(3)[:, None]
    assert lack_of_fit_p(X, levels(exact.T.tolist(), paired=True), 2) == 1


def test_the_best_stays_and_what_is_clearly_worse_goes():
    clear = levels(drawn(height=5.0).T.tolist(), paired=True)
    assert not_worse_than_best(clear).tolist() == [False, True, True, False, False]
    flat = levels(drawn(height=0.0).T.tolist(), paired=True)
    assert not_worse_than_best(flat).all()
    for found in (clear, flat):
        assert not_worse_than_best(found, 0.5)[found.means.argmax()]
        assert (not_worse_than_best(found, 0.5) <= not_worse_than_best(found, 0.99)).all()


@pytest.mark.parametrize("paired", [True, False])
def test_the_true_best_is_among_them_as_often_as_promised(paired: bool):
    held = 0
    for seed in range(400):
        scores = drawn(seed, seeds=3, height=0.2)
        if not paired:
            scores = np.random.default_rng(seed).permuted(scores - scores.mean(axis=1, keepdims=True), axis=0)
        held += bool(not_worse_than_best(levels(scores.T.tolist(), paired))[1:3].any())
    assert held / 400 > 0.93


def test_what_cannot_be_told_is_a_sentence():
    with pytest.raises(UndecidableError, match="at least 2 conditions"):
        levels([[1.0, 2.0]], paired=False)
    with pytest.raises(UndecidableError, match="values are missing"):
        levels([[1.0, np.nan], [1.0, 2.0]], paired=False)
    with pytest.raises(UndecidableError, match="at least 2 seeds"):
        levels([[1.0], [2.0]], paired=True)
