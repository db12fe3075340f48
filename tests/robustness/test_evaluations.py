"""What trained runs do with documents that somebody has tampered with; classifiers here are rules."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from patentlab.config import RequestError
from patentlab.config.registry import OBFUSCATIONS
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.data.sources import injection, read_corpus
from patentlab.evaluation.detection import rate
from patentlab.protocols import Classifier, Silent
from patentlab.robustness import measure_also
from patentlab.tasks import Decision, Task
from patentlab.tasks.detection import Detection
from patentlab.tasks.documents import MultiLabel, SingleLabel
from patentlab.tracking.identity import input_fingerprints, run_key

SCORES = Callable[[str], Sequence[float]]


class Rule:
    """A classifier that says what a function of the text says."""

    def __init__(self, scores: SCORES) -> None:
        self.scores, self.read = scores, list[str]()

    def predict(self, texts: list[str], progress: Any) -> np.ndarray:
        self.read += texts
        return np.array([self.scores(text) for text in texts], dtype=np.float64)


def further(rule: Rule, task: Task, decision: Decision, test: Sequence[Document], *overrides: str) -> dict[str, Any]:
    config = compose(*overrides)
    outputs = rule.predict([document.text for document in test], Silent())
    return measure_also(config, cast(Classifier, rule), task, decision, test, outputs, Silent())


DETECTION = Detection(LabelSpace(("benign", "injection")))
CORPUS = read_corpus(compose("data=injection", "data.size=400").data)
TEST = [document for document in CORPUS.documents if document.split == "test"]


def knows(*words: str) -> SCORES:
    return lambda text: (0.2, 0.8) if any(word in text for word in words) else (0.9, 0.1)


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    rows = {
        "bipia_attacks": [{"text": f"order {n}", "label": "injection"} for n in range(5)],
        "notinject": [
            {"text": "order a pizza", "label": "benign", "category": "Food"},
            {"text": "ein Lied", "label": "benign", "category": "Music"},
        ],
        "own": [{"text": "order", "label": "injection"}, {"text": "question", "label": "benign"}],
        "wildguard_benign": [{"text": f"question {n}", "label": "benign"} for n in range(11)],
    }
    for name, content in rows.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, content)), encoding="utf-8")
    return tmp_path


def test_each_obfuscation_is_measured_as_the_test_set_is():
    rule = Rule(knows("session", "report", "place", "answer"))
    found = further(rule, DETECTION, Decision(0.5), TEST, "data=injection", "data.size=400")
    assert list(found) == ["test_at_0.5", "test_under"]
    assert set(found["test_under"]) == set(OBFUSCATIONS.names())
    plain = DETECTION.evaluate(DETECTION.encode(TEST).targets, Rule(rule.scores).predict([d.text for d in TEST], 0),
                               Decision(0.5))  # fmt: skip
    hidden = injection.rewritten(compose("data=injection", "data.size=400").data, TEST, "base64")
    caught = [rule.scores(one.text)[1] > 0.5 for one in hidden if one.labels == ("injection",)]
    assert found["test_under"]["base64"]["recall"] == np.mean(caught) < plain["recall"]
    assert set(found["test_under"]["base64"]) == {
        "recall", "recall_low", "recall_high", "false_alarms", "false_alarms_low", "false_alarms_high",
        "average_precision",
    }  # fmt: skip
    assert all(value["recall"] <= 1 for value in found["test_under"].values())


def test_those_that_are_named_alone():
    found = further(Rule(knows("x")), DETECTION, Decision(0.5), TEST, "data=injection", "data.size=400",
                    "evaluate.obfuscations=[hex]")  # fmt: skip
    assert list(found["test_under"]) == ["hex"]


def test_prompts_from_elsewhere_are_measured_by_file_and_field(prompts: Path):
    rule = Rule(knows("order"))
    found = further(rule, DETECTION, Decision(0.5), TEST, "data=injection", "data.size=400",
                    "evaluate.obfuscations=[]", f"evaluate.transfer={prompts}")  # fmt: skip
    transfer = found["transfer"]
    assert set(transfer) == {
        "bipia_attacks", "notinject", "notinject.Food", "notinject.Music", "own", "wildguard_benign",
    }  # fmt: skip
    assert transfer["notinject"]["false_alarms"] == 0.5
    assert (transfer["notinject.Food"]["false_alarms"], transfer["notinject.Music"]["false_alarms"]) == (1, 0)
    assert (transfer["own"]["recall"], transfer["own"]["roc_auc"]) == (1, 1)
    assert "recall" not in transfer["wildguard_benign"]
    carried = [text for text in rule.read if "order " in text and "pizza" not in text]
    assert len(carried) == 5
    assert all(len(text) > len("order 1") for text in carried)  # in carriers, never by themselves


def test_half_of_the_benign_prompts_give_a_threshold_and_the_other_half_are_measured(prompts: Path):
    rule = Rule(lambda text: (0.0, len(text) / 100))
    found = further(rule, DETECTION, Decision(0.5), TEST, "data=injection", "data.size=400",
                    "evaluate.obfuscations=[]", f"evaluate.transfer={prompts}")  # fmt: skip
    # 11 texts: six give the threshold, of "question 10" or of those that are a sign shorter
    own = found["recalibrated"]["wildguard_benign"]
    assert own["false_alarms"] in (0.0, 0.2)
    expected = rate("false_alarms", np.array([own["false_alarms"] > 0, *[False] * 4]))
    assert own["false_alarms_high"] == pytest.approx(expected["false_alarms_high"])
    assert found["transfer"]["notinject"]["false_alarms"] == 0.0
    assert found["recalibrated"]["notinject"]["false_alarms"] == 0.5  # the pizza is longer than any question


def test_broken_or_missing_files_are_told(prompts: Path):
    (prompts / "own.jsonl").write_text('{"text": "a", "label": "evil"}')
    asked = compose("data=injection", "model=tfidf_linear", f"evaluate.transfer={prompts}")
    with pytest.raises(RequestError, match=r"own.jsonl:1: label is 'evil'; wanted are benign and injection"):
        input_fingerprints(asked)  # before anything is trained
    (prompts / "own.jsonl").unlink()
    (prompts / "notinject.jsonl").unlink()  # those that are named by default need not be there
    input_fingerprints(asked)
    (prompts / "wildguard_benign.jsonl").unlink()
    with pytest.raises(RequestError, match="has no such file; name one of bipia_attacks, or set it to null"):
        input_fingerprints(asked)
    (prompts / "bipia_attacks.jsonl").unlink()
    with pytest.raises(RequestError, match=r"no \*\.jsonl in it"):
        input_fingerprints(asked)


def test_injections_give_no_threshold_for_benign_texts(prompts: Path):
    with (prompts / "wildguard_benign.jsonl").open("a") as file:
        file.write("".join(f'\n{{"text": "order {n} and much more", "label": "injection"}}' for n in range(9)))
    rule = Rule(lambda text: (0.0, len(text) / 100))
    found = further(rule, DETECTION, Decision(0.5), TEST, "data=injection", "data.size=400",
                    "evaluate.obfuscations=[]", f"evaluate.transfer={prompts}")  # fmt: skip
    assert found["recalibrated"]["own"]["recall"] == 0  # "order" is shorter than any question
    assert found["recalibrated"]["notinject"]["false_alarms"] == 0.5
    assert "recall" not in found["recalibrated"]["wildguard_benign"]


PATENTS = [Document(str(number), f"a lamp of kind {number}", ("A61B",)) for number in range(12)]
LABELS = LabelSpace(("A61B", "G06F", "H04L"), {"G06F": "electric digital data processing"})


def obeys(text: str) -> Sequence[float]:
    """Takes a text for what stands last in it."""
    return [float(text.rfind(name) == max(map(text.rfind, LABELS.names))) for name in LABELS.names]


@pytest.mark.parametrize("task", [SingleLabel(LABELS), MultiLabel(LABELS)], ids=["one", "several"])
def test_a_classifier_that_obeys_flips_and_one_that_does_not_stays(task: Task):
    steady = further(Rule(lambda text: (0.9, 0.3, 0.1)), task, Decision(0.5), PATENTS, "evaluate=hostile")["hostile"]
    assert len(steady) == 11
    assert all(form["flips"] == form["obeyed"] == 0 for form in steady.values())
    swayed = further(Rule(lambda text: obeys(text) if "G06F" in text or "H04L" in text else (0.9, 0.1, 0.1)),
                     task, Decision(0.5), PATENTS, "evaluate=hostile")["hostile"]  # fmt: skip
    assert swayed["order"]["flips"] == swayed["order"]["obeyed"] == 1
    assert swayed["control"]["flips"] == swayed["control"]["obeyed"] == 0
    assert swayed["order"]["documents"] == len(PATENTS)


def test_all_forms_ask_a_document_for_the_same_label_which_it_has_not():
    rule = Rule(lambda text: (0.9, 0.1, 0.1))
    further(rule, SingleLabel(LABELS), Decision(), PATENTS, "evaluate=hostile", "evaluate.documents=5")
    asked = rule.read[len(PATENTS) :]
    assert len(asked) == 5 * 11
    by_form = [asked[form * 5 : form * 5 + 5] for form in range(8)]  # those that name labels by their code
    named = [[next(name for name in ("G06F", "H04L", "A61B") if name in text) for text in texts] for texts in by_form]
    assert all(names == named[0] for names in named)
    assert {name for names in named for name in names} <= {"G06F", "H04L"}
    assert all(any(f"kind {number}" in text for number in range(12)) for text in asked)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["evaluate=obfuscated"], "evaluate=obfuscated: data=demo cannot tell what to obfuscate"),
        (["data=injection", "data.task=single_label"], "data.task=single_label has none; set detection"),
        (
            ["evaluate=hostile", "evaluate.forms.order='{text} {foo}'"],
            "evaluate.forms.order={text} {foo}: 'foo'; in braces",
        ),
        (["evaluate=hostile", "evaluate.forms.order='{text} {'"], "in braces it may name text, label, title"),
        (["evaluate=hostile", "evaluate.forms={control: '{text}'}"], "evaluate.forms.control: is evaluate.control"),
        (["evaluate=hostile", "evaluate.forms.order=plain"], r"evaluate.forms.order=plain: must hold \{text\} once"),
        (["data=injection", "evaluate.obfuscations=[x]"], "evaluate.obfuscations=x: allowed are base64"),
        (["head=token", "evaluate=hostile"], "evaluate=hostile: asks for labels of documents"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(overrides: list[str], told: str):
    with pytest.raises(RequestError, match=told):
        compose(*overrides)


def test_keys_tell_evaluations_apart_and_leave_runs_without_one_as_they_were(prompts: Path):
    keys = {}
    for name in ("none", "hostile"):
        config = compose("model=tfidf_linear", "evaluate=" + name)
        keys[name] = run_key(config, input_fingerprints(config))
    assert keys["none"] != keys["hostile"]
    config = compose("model=tfidf_linear")
    assert "evaluate" not in config.choices
    moved = compose("data=injection", "model=tfidf_linear", f"evaluate.transfer={prompts}")
    before = input_fingerprints(moved)
    (prompts / "own.jsonl").write_text('{"text": "other", "label": "benign"}')
    assert before != input_fingerprints(moved)
