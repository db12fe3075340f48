"""Entities of tags, held against seqeval, and what they were taken for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval import metrics as seqeval
from seqeval.scheme import IOB2

from patentlab.evaluation.tagging import confusions, entities, evaluate, per_type

TYPES = ("loc", "org", "per")
TAGS = ["O", *(f"{letter}-{kind}" for kind in TYPES for letter in "BI")]


def test_entities_are_read_strictly():
    assert entities(["B-per", "I-per", "O", "I-per", "B-loc", "B-loc", "I-org"]) == [
        (0, 2, "per"),
        (4, 5, "loc"),
        (5, 6, "loc"),
    ]
    assert entities([]) == []


sentence = st.lists(st.sampled_from(TAGS), min_size=1, max_size=12)
pairs = st.lists(sentence, min_size=1, max_size=6).flatmap(
    lambda true: st.tuples(
        st.just(true),
        st.tuples(*(st.lists(st.sampled_from(TAGS), min_size=len(one), max_size=len(one)) for one in true)),
    )
)


@given(pairs)
def test_metrics_are_those_of_seqeval(pair: tuple[list[list[str]], tuple[list[str], ...]]):
    true, given_tags = pair[0], [list(one) for one in pair[1]]
    found = evaluate(true, given_tags, TYPES)
    strict = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    functions = {"f1": seqeval.f1_score, "precision": seqeval.precision_score, "recall": seqeval.recall_score}
    for name, function in functions.items():
        known = {kind for tags in (*true, *given_tags) for *_, kind in entities(tags)}
        if known:  # seqeval cannot average over nothing, and averages over known types alone
            assert found[f"{name}_micro"] == pytest.approx(function(true, given_tags, average="micro", **strict))
            of_known = function(true, given_tags, average="macro", **strict)
            assert found[f"{name}_macro"] == pytest.approx(of_known * len(known) / len(TYPES))
    assert found["token_accuracy"] == pytest.approx(seqeval.accuracy_score(true, given_tags))


TRUE = [["B-per", "I-per", "O", "B-loc", "O"], ["O", "B-org", "O"], ["O"]]
GIVEN = [["B-per", "O", "O", "B-org", "O"], ["O", "B-org", "B-per"], ["O"]]


def test_types_by_themselves():
    table = {row["label"]: row for row in per_type(TRUE, GIVEN, TYPES).to_dict("records")}
    assert [table["org"][name] for name in ("precision", "recall", "support", "predicted")] == [0.5, 1.0, 1, 2]
    assert [table["per"][name] for name in ("f1", "support", "predicted")] == [0.0, 1, 2]
    assert [table["loc"][name] for name in ("f1", "support", "predicted")] == [0.0, 1, 0]
    found = evaluate(TRUE, GIVEN, TYPES)
    assert found["f1_micro"] == pytest.approx(2 / 7)
    assert found["f1_macro"] == pytest.approx(np.mean([0, 2 / 3, 0]))
    assert found["accuracy"] == pytest.approx(1 / 3)


def test_what_entities_were_taken_for():
    rows = confusions(TRUE, GIVEN).set_index(["label", "given"])["share"].to_dict()
    assert rows == {("loc", "org"): 1.0, ("org", "org"): 1.0, ("per", "part of per"): 1.0}
    assert confusions([["B-per"]], [["O"]])["given"].tolist() == ["nothing"]


def test_nothing_to_find_and_nothing_found():
    assert evaluate([["O"]], [["O"]], TYPES)["f1_micro"] == 0.0
