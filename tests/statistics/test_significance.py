"""Tests of paired observations against statsmodels, scikit-learn and published examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_statsmodels

from patentlab.statistics.significance import mcnemar, subset_correct
from patentlab.statistics.undecidable import UndecidableError
from tests.statistics.classifiers import classifiers


def from_counts(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    sizes = [both, only_first, only_second, neither]
    return np.repeat([True, True, False, False], sizes), np.repeat([True, False, True, False], sizes)


# the tables of Fagerland, Lydersen and Laake 2013: airway hyper-responsiveness of 21 children (Bentur et al. 2009), and
# complete response of 161 patients (Cavo et al. 2012); p is the sum of binomial coefficients over 2^n
@pytest.mark.parametrize(
    ("table", "p_exact", "p_mid"),
    [
        ((1, 1, 7, 12), 2 * (1 + 8) / 2**8, (2 * (1 + 8) - 8) / 2**8),
        ((59, 6, 16, 80), 2 * 110_056 / 2**22, (2 * 110_056 - 74_613) / 2**22),
    ],
)
def test_mcnemar_of_published_tables(table: tuple[int, int, int, int], p_exact: float, p_mid: float):
    found = mcnemar(*from_counts(*table))
    assert (found.only_first, found.only_second) == table[1:3]
    assert found.p_exact == pytest.approx(p_exact)
    assert found.p_mid == pytest.approx(p_mid)


@given(st.integers(0, 5), st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_mcnemar_equals_statsmodels_and_its_definition(both: int, b: int, c: int, neither: int):
    if both + b + c + neither == 0:
        return
    found = mcnemar(*from_counts(both, b, c, neither))
    if b + c:
        assert found.p_exact == pytest.approx(mcnemar_of_statsmodels([[both, b], [c, neither]], exact=True).pvalue)
        # twice the tail, of which the outcome itself counts half
        tail = stats.binom.cdf(min(b, c), b + c, 0.5) - stats.binom.pmf(b, b + c, 0.5) / 2
        published = 1 - stats.binom.pmf(b, b + c, 0.5) / 2 if b == c else 2 * tail
        assert found.p_mid == pytest.approx(published)
        assert 0 < found.p_mid < found.p_exact <= 1
    else:
        assert (found.p_exact, found.p_mid) == (1, 1)


def test_mcnemar_refuses_what_it_cannot_count():
    with pytest.raises(UndecidableError, match="has 0"):
        mcnemar(np.array([], dtype=bool), np.array([], dtype=bool))
    with pytest.raises(UndecidableError, match="missing"):
        mcnemar([1.0, np.nan], [1.0, 0.0])
    with pytest.raises(ValueError, match=r"not \(2,\), \(3,\)"):
        mcnemar([True, False], [True, False, True])
    with pytest.raises(ValueError, match="1 or 0"):
        mcnemar([0.5, 1.0], [1.0, 0.0])


def test_subset_correct_averages_to_subset_accuracy():
    true, first, _ = classifiers(200, 3, 0)
    correct = subset_correct(true, first)
    assert correct.shape == (200,)
    assert correct.mean() == pytest.approx(accuracy_score(true, first))
    assert 0 < correct.mean() < 1
