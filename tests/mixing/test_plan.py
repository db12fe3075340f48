from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patentlab.config import MixConfig, RequestError
from patentlab.corpus import Document, LabelSpace, is_real
from patentlab.mixing.plan import Plan, mix, plan_mixture
from patentlab.synthesis.strategies import duplicate


def config(share: float, budget: int | None = None, shortage: str = "error", most: int = 20000) -> MixConfig:
    return MixConfig("shuffled", share, budget, most, shortage)


def copies(real: Sequence[Document], count: int) -> tuple[Document, ...]:
    return duplicate(real, count, seed=0)


LABELS = LabelSpace(("a", "b", "c"))
REAL = tuple(Document(str(number), f"text {number}", ("a",)) for number in range(40))


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


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 3))
def test_a_mixture_has_the_counts_of_its_plan_and_is_the_same_for_a_seed(real: int, added: int, seed: int):
    documents = mix(REAL, Plan(real, added), copies, LABELS, seed)
    assert sum(map(is_real, documents)) == real
    assert len(documents) == real + added
    assert len({document.id for document in documents}) == len(documents)
    assert documents == mix(REAL, Plan(real, added), copies, LABELS, seed)
    known = {document.text for document in REAL}
    assert {document.text for document in documents} <= known


def test_added_documents_come_from_the_chosen_real_ones_alone():
    documents = mix(REAL, Plan(5, 200), copies, LABELS, 0)
    chosen = {document.id for document in documents if document.origin == "real"}
    assert {document.source_id for document in documents if document.origin == "duplicate"} == chosen


def test_real_documents_are_nested_over_budgets_and_shares():
    smaller, larger = (mix(REAL, Plan(count, 10), copies, LABELS, 0) for count in (5, 20))
    assert {d.id for d in smaller if d.origin == "real"} <= {d.id for d in larger if d.origin == "real"}


@given(st.integers(0, 20))
def test_the_real_documents_of_a_budget_are_stratified(seed: int):
    # a tenth of the documents hold b, a tenth c: a plain draw of twenty misses one of them for every fifth seed
    labels = ["b"] * 10 + ["c"] * 10 + ["a"] * 80
    real = [Document(str(number), f"text {number}", (label,)) for number, label in enumerate(labels)]
    drawn = [document.labels[0] for document in mix(real, Plan(20, 0), None, LABELS, seed)]
    assert all(1 <= drawn.count(rare) <= 3 for rare in "bc")


def test_every_real_document_is_used_before_one_is_repeated():
    documents = mix(REAL, Plan(55, 0), None, LABELS, 0)
    assert {document.id for document in documents if document.origin == "real"} == {d.id for d in REAL}
    assert sum(document.origin == "repeat" for document in documents) == 15


def test_documents_cannot_be_added_by_nothing():
    with pytest.raises(TypeError, match="nothing makes them"):
        mix(REAL, Plan(4, 1), None, LABELS, 0)
