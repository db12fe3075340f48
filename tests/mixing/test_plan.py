import pytest
from hypothesis import given
from hypothesis import strategies as st

from patentlab.config import MixConfig, RequestError
from patentlab.mixing.plan import Plan, plan_mixture


def config(share: float, budget: int | None = None, shortage: str = "error", most: int = 20000) -> MixConfig:
    return MixConfig("shuffled", share, budget, most, shortage)


@given(st.integers(1, 5000), st.integers(1, 100))
def test_without_a_budget_all_real_documents_are_used_and_the_share_is_met(available: int, percent: int):
    plan = plan_mixture(available, config(percent / 100, most=10**9))
    assert plan.real == available
    assert abs(plan.added - available * (100 - percent) / percent) <= 0.5 + 1e-9


@given(st.integers(1, 5000), st.integers(0, 100))
def test_a_budget_is_met_to_the_document(budget: int, percent: int):
    plan = plan_mixture(budget, config(percent / 100, budget))
    assert plan.real + plan.added == budget
    assert plan.real == round(percent / 100 * budget)


@given(st.integers(1, 50), st.integers(1, 99), st.integers(1, 500), st.sampled_from(["error", "repeat", "shrink"]))
def test_a_shortage_is_met_as_asked(available: int, percent: int, budget: int, how: str):
    share = percent / 100
    wanted = round(share * budget)
    if wanted > available and how == "error":
        with pytest.raises(RequestError, match="lower the budget or the share"):
            plan_mixture(available, config(share, budget, how))
        return
    plan = plan_mixture(available, config(share, budget, how))
    if wanted <= available or how == "repeat":
        assert (plan.real, plan.added) == (wanted, budget - wanted)
    else:
        assert plan.real == available
        assert plan.real + plan.added <= budget + 1
        assert abs(plan.added - available * (1 - share) / share) <= 0.5 + 1e-9


def test_impossible_shares_are_refused():
    with pytest.raises(RequestError, match=r"mix\.budget"):
        plan_mixture(10, config(0))
    with pytest.raises(RequestError, match=r"mix\.max_documents=99"):
        plan_mixture(10, config(0.1, most=99))
    assert plan_mixture(10, config(0.1, most=100)) == Plan(10, 90)
    assert plan_mixture(10, config(1, most=5)) == Plan(10, 0)  # the bound is on what is added
