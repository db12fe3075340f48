import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patentlab.training.trainer import curriculum_order


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 200), st.integers(0, 5))
def test_added_documents_come_first_each_kind_for_its_share(added: int, real: int, total: int, seed: int):
    mask = np.array([True] * added + [False] * real)
    order = curriculum_order(mask, total, seed)
    kinds = mask[order]
    first = round(total * added / (added + real))
    assert len(order) == total
    assert kinds[:first].all() and not kinds[first:].any()
    for part, count in ((order[:first], added), (order[first:], real)):  # each document before any twice
        counts = np.bincount(part, minlength=len(mask))[np.unique(part)] if len(part) else np.array([0])
        assert counts.max() - (counts.min() if len(part) >= count else 0) <= 1 or len(part) < count
    assert (order == curriculum_order(mask, total, seed)).all()


def test_another_seed_is_another_order():
    mask = np.array([True] * 20 + [False] * 20)
    assert curriculum_order(mask, 80, 0).tolist() != curriculum_order(mask, 80, 1).tolist()
    assert sorted(curriculum_order(mask, 40, 0)) == pytest.approx(range(40))
