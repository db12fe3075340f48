"""Names of classifiers, and which runs are a pair."""

from typing import Any

import pandas as pd
import pytest

from patentlab.analysis.arms import arms
from patentlab.analysis.classifiers import check_between, classified, pairs_between
from patentlab.analysis.differences import _names
from patentlab.config import RequestError
from tests.analysis.swept import row

SCORES = {"f1_micro": 0.5}


def runs_of(*choices: dict[str, Any]) -> pd.DataFrame:
    """A run of seeds 0 and 1 of each set of choices."""
    plain = {"model": "minilm", "head": "embedding", "adapter": "full", "regime": "1:10"}
    rows = []
    for number, chosen in enumerate(choices):
        for seed in (0, 1):
            values = {**plain, **chosen}
            rows.append(row(f"{number}-{seed}", seed=seed, metrics=SCORES, **values))
    return pd.DataFrame(rows)


def paired(matrix: pd.DataFrame, between: str, column: str) -> set[tuple[str, str]]:
    """What the sides of each pair have in a column."""
    found = pairs_between(classified(arms(matrix)), between)
    for _, one, other in found:
        assert sorted(one["seed"]) == sorted(other["seed"]) == [0, 1]
    return {(str(one[column].iloc[0]), str(other[column].iloc[0])) for _, one, other in found}


TFIDF = {"model": "tfidf_linear", "head": "none", "adapter": "none"}


def test_a_classifier_is_named_by_what_there_is_to_be_told():
    rate = "settings.trainer.learning_rate"
    matrix = runs_of({}, {"loss": "focal", "settings.loss.gamma": 2.0}, {"adapter": "frozen"}, TFIDF)
    assert sorted(set(classified(arms(matrix)).table["classifier"])) == [
        "minilm-frozen", "minilm-full", "minilm-full, focal loss", "tfidf_linear",
    ]  # fmt: skip
    matrix = runs_of({rate: 0.1}, {rate: 0.01}, {"head": "two_layer", rate: 0.1}, TFIDF)
    found = classified(arms(matrix))
    assert sorted(set(found.table["classifier"])) == [
        "minilm-full-embedding, learning rate 0.01", "minilm-full-embedding, learning rate 0.1",
        "minilm-full-two_layer", "tfidf_linear",  # have one
    ]  # fmt: skip
    assert not set(found.conditions) & {"model", "head", "adapter", "trainer.learning_rate"}
    assert found.shown == ["data", "regime"]


def test_models_are_compared_as_whole_classifiers():
    matrix = runs_of(TFIDF, {"adapter": "frozen"}, {})
    expected = {("tfidf_linear", "minilm-frozen"), ("tfidf_linear", "minilm-full")}
    assert paired(matrix, "model", "classifier") == expected


def test_what_follows_from_a_choice_is_equal_unless_it_cannot_be():
    smollm2 = {"model": "smollm2"}
    matrix = runs_of({"adapter": "frozen"}, {}, {**smollm2, "adapter": "frozen"}, {**smollm2, "adapter": "lora"})
    # frozen meets frozen; full, which SmolLM2 was not given, meets LoRA, which MiniLM was not
    expected = {("minilm-frozen", "smollm2-frozen"), ("minilm-full", "smollm2-lora")}
    assert paired(matrix, "model", "classifier") == expected
    assert paired(matrix, "adapter", "classifier") == {
        ("minilm-frozen", "minilm-full"), ("smollm2-frozen", "smollm2-lora"),
    }  # fmt: skip


def test_heads_are_compared_under_one_model_and_adapter():
    matrix = runs_of(TFIDF, {}, {"head": "two_layer"}, {"adapter": "frozen"}, {"model": "b", "head": "two_layer"})
    assert paired(matrix, "head", "classifier") == {("minilm-full-embedding", "minilm-full-two_layer")}


def test_a_prompted_head_meets_trained_ones_where_it_was_not_trained_itself():
    lora, asked = {"adapter": "lora"}, {"head": "instruction", "adapter": "none", "loss": "answer"}
    trained = {"head": "instruction", "adapter": "lora", "loss": "answer"}
    alone = runs_of(lora, asked)
    assert paired(alone, "head", "classifier") == {("minilm-lora-embedding", "minilm-instruction")}
    both = paired(runs_of(lora, asked, trained), "head", "classifier")
    assert both == {("minilm-lora-embedding", "minilm-lora-instruction")}
    full = {"adapter": "full"}
    assert not paired(runs_of(full, trained), "head", "classifier")  # two that were trained, otherwise


def test_heads_meet_under_the_loss_that_is_their_own():
    """A student, or one that was tuned otherwise, is no word on its head."""
    task = {"settings.data.task": "single_label"}
    plain = {**task, "adapter": "lora", "loss": "cross_entropy"}
    student = {**plain, "loss": "distillation", "settings.loss.temperature": 2.0}
    asked = {**task, "head": "instruction", "adapter": "lora", "loss": "answer"}
    assert not paired(runs_of(student, asked), "head", "classifier")
    found = paired(runs_of(plain, student, asked), "head", "classifier")
    assert found == {("minilm-lora-embedding", "minilm-lora-instruction")}


def test_a_loss_that_is_not_that_of_the_task_is_named():
    task = {"settings.data.task": "single_label"}
    matrix = runs_of({**task, "loss": "bce"}, {**task, "loss": "cross_entropy"})
    assert set(classified(arms(matrix)).table["classifier"]) == {"minilm-full", "minilm-full, bce loss"}


def test_settings_that_follow_from_a_head_tell_its_variants_apart():
    letters, words = ({"head": "label_logits", "settings.head.verbaliser": name} for name in ("letters", "word"))
    found = classified(arms(runs_of({"settings.head.verbaliser": None}, letters, words)))
    sides = {_names(one, other, "head") for _, one, other in pairs_between(found, "head")}
    assert sides == {("embedding", f"label_logits, verbaliser {name}") for name in ("letters", "word")}


def test_arms_regimes_and_settings_can_be_compared_too():
    generated = {"strategy": "label_conditioned", "generator": "g0", "adaptation": "none", "mix": 0.2}
    other, rewritten = {**generated, "generator": "g1"}, {**generated, "strategy": "paraphrase"}
    matrix = runs_of({}, generated, other, rewritten, {"regime": "1:100"})
    assert paired(matrix, "generator", "arm") == {("g0, label-conditioned", "g1, label-conditioned")}
    assert paired(matrix, "strategy", "arm") == {
        ("real only", "g0, label-conditioned"), ("real only", "g1, label-conditioned"), ("real only", "g0, paraphrase"),
        ("g0, label-conditioned", "g0, paraphrase"),
    }  # fmt: skip
    assert paired(matrix, "regime", "regime") == {("1:10", "1:100")}
    rates = runs_of({"settings.trainer.learning_rate": 0.1}, {"settings.trainer.learning_rate": 0.01})
    assert paired(rates, "trainer.learning_rate", "trainer.learning_rate") == {("0.1", "0.01")}
    losses = runs_of({}, {"loss": "focal", "settings.loss.gamma": 2.0}, {"loss": "focal", "settings.loss.gamma": 1.0})
    assert len(pairs_between(classified(arms(losses)), "loss")) == 2


def test_a_choice_that_there_is_not_is_refused_with_the_closest():
    runs = arms(runs_of({}))
    with pytest.raises(RequestError, match=r"between=modle \(did you mean model.*allowed are data, model, head"):
        check_between(runs, "modle")
    check_between(runs, "adaptation")
