"""The sentences that a report begins with."""

import re
from typing import Any

import numpy as np
import pandas as pd

from patentlab.analysis.arms import arms
from patentlab.analysis.differences import differences
from patentlab.analysis.leaderboard import leaderboard
from patentlab.analysis.quantities import Evidence
from patentlab.analysis.scored import ScoredRuns
from patentlab.analysis.tables import tables
from patentlab.report.answers import _label, answers, gains_that_disagree
from tests.analysis.swept import METRICS, row

SEEDS = range(5)
MODELS = {"tfidf_linear": ("none", "none"), "minilm": ("embedding", "full"), "smollm2": ("embedding", "lora")}


def matrix_of(
    means: dict[tuple[str, str], tuple[float, float, float]], seeds: Any = SEEDS, of: int = 0
) -> pd.DataFrame:
    """Runs of models and regimes, whose scores vary by 0.005 between seeds, and by 0.001 from run to run."""
    rows = []
    for place, ((model, regime), scores) in enumerate(means.items()):
        for seed in seeds:
            own = np.random.default_rng([seed, place, of]).normal(0, 0.001, 3)
            values = np.array(scores) + 0.005 * (seed - 2) + own
            metrics = dict(zip(METRICS, map(float, values), strict=True))
            rows.append(row(f"{model}-{regime}-{seed}", model, *MODELS[model], regime, seed, metrics))
    return pd.DataFrame(rows)


def said(matrix: pd.DataFrame) -> list[str]:
    runs, scored = arms(matrix), ScoredRuns({})
    found = {"leaderboard": leaderboard(runs, scored, METRICS), "differences": differences(runs, scored, METRICS)}
    found |= {f"differences_{name}": differences(runs, scored, METRICS, name) for name in ("head", "adapter")}
    return answers(found, "f1_micro", "model")


def test_the_best_those_as_good_and_those_worse_are_named():
    sentences = said(matrix_of({
        ("minilm", "1:10"): (0.612, 0.4, 0.5), ("smollm2", "1:10"): (0.612, 0.4, 0.5),
        ("tfidf_linear", "1:10"): (0.55, 0.3, 0.4),
    }))  # fmt: skip
    best, rival, counted = sentences
    assert best.startswith("At 1:10 (5 seeds) ") and " is best with micro-F1 .612 [.60" in best
    assert best.endswith(" (.612) is not distinguishable from it; 1 other is worse (p < .05, Holm).")
    assert rival.startswith(tuple(f"{one} against {other}: micro-F1 +.00" for one, other in
                                  (("minilm-full", "smollm2-lora"), ("smollm2-lora", "minilm-full"))))  # fmt: skip
    assert rival.endswith(" (Holm) over seeds alone.")
    assert counted.startswith("Between models micro-F1 differs in 2 of 3 pairs at level .05 (Holm); the clearest: ")


def test_a_condition_that_some_runs_lack_is_told_of_those_that_have_it():
    matrix = matrix_of({("minilm", "1:10"): (0.6, 0.4, 0.5), ("tfidf_linear", "1:10"): (0.5, 0.3, 0.4)})
    hostile = matrix.assign(run=matrix["run"] + "h", key=matrix["key"] + "h")
    both = [matrix.assign(**{"settings.evaluate.documents": np.nan}),
            hostile.assign(**{"settings.evaluate.documents": 100.0})]  # fmt: skip
    starts = {sentence.partition(" (5 seeds)")[0] for sentence in said(pd.concat(both, ignore_index=True))[:2]}
    assert starts == {"At 1:10", "At 1:10, documents 100"}


def test_conditions_that_a_pair_does_not_share_are_not_told():
    rows = pd.DataFrame({"regime": ["1:4"] * 3, "loss": [None, "bce", float("nan")], "loss_settings": [None, "", ""],
                         "adapter.rank": [2, 16, 16], "first": "embedding", "second": "instruction"})  # fmt: skip
    assert [_label(row, rows).partition("(")[2] for _, row in rows.iterrows()] == [
        "rank 2)", "loss bce, rank 16)", "rank 16)"
    ]  # fmt: skip


def test_where_f1_and_map_disagree_it_is_said():
    far = {("minilm", "1:10"): (0.6, 0.456, 0.5), ("tfidf_linear", "1:10"): (0.6, 0.4, 0.5)}
    sentences = said(matrix_of(far))
    assert sentences[-1].startswith("F1 and mAP disagree in 1 of 2 differences: ")
    assert re.search(r": macro-F1 [+-]\.05\d \[.*\], but mAP [+-]\.00\d \[-\.00\d, \+\.00\d\]: the threshold moved, "
                     r"not the ranking\.$", sentences[-1])  # fmt: skip
    opposite = {("minilm", "1:10"): (0.6, 0.456, 0.45), ("tfidf_linear", "1:10"): (0.55, 0.4, 0.5)}
    assert re.search(r"but mAP -\.0[45]\d \[-.*\]: the ranking moved the other way\.$", said(matrix_of(opposite))[-1])
    agreed = {("minilm", "1:10"): (0.6, 0.456, 0.55), ("tfidf_linear", "1:10"): (0.55, 0.4, 0.5)}
    assert not [one for one in said(matrix_of(agreed)) if "disagree" in one]


def test_there_are_five_sentences_at_most_and_the_disagreement_is_among_them():
    scores = {(model, regime): (0.5 + 0.05 * place, 0.3, 0.4 + (0 if place else 0.1))
              for place, model in enumerate(MODELS) for regime in ("1:10", "1:30", "1:100")}  # fmt: skip
    sentences = said(matrix_of(scores))
    assert len(sentences) == 5
    assert sentences[0].startswith("At 1:100 ") and sentences[1].startswith("At 1:10 ")  # scarcest and largest
    assert sentences[2].startswith("smollm2-lora against minilm-full (1:10): ")
    assert sentences[-1].startswith("F1 and mAP disagree in ")


def test_one_classifier_and_one_seed_have_sentences_too():
    alone = said(matrix_of({("minilm", "1:10"): (0.6, 0.4, 0.5)}))
    assert len(alone) == 1 and "minilm-full, the one classifier, has micro-F1 .600 [" in alone[0]
    both = {("minilm", "1:10"): (0.6, 0.4, 0.5), ("tfidf_linear", "1:10"): (0.5, 0.4, 0.5)}
    first, rival = said(matrix_of(both, [0]))  # of one pair all is said
    assert first.startswith("At 1:10 (1 seed) minilm-full is best with micro-F1 .")
    assert first.endswith("cannot be told from it by one seed.") and "[" not in first
    assert rival.endswith("(over seeds alone: 1 of 1 pairs left out: no folder (seed 0); one seed says nothing of "
                          "others: no interval).")  # fmt: skip


def test_gains_that_are_none_in_map_are_said():
    real = matrix_of({("minilm", "1:10"): (0.5, 0.4, 0.5), ("tfidf_linear", "1:10"): (0.5, 0.4, 0.5)})
    added = matrix_of({("minilm", "1:10"): (0.5, 0.5, 0.502), ("tfidf_linear", "1:10"): (0.5, 0.4, 0.5)}, of=1)
    added["choices.strategy"], added["choices.generator"], added["choices.adaptation"] = "paraphrase", "g0", "none"
    added["run"] = added["key"] = "added-" + added["run"]
    for number, seed in enumerate(added["choices.seed"]):
        added.loc[number, "metrics.test.map_macro"] += 0.01 * (seed - 2)
    found = tables(Evidence(pd.concat([real, added], ignore_index=True)))
    assert {"scores_map_macro", "gains_map_macro"} <= set(found)
    sentence = gains_that_disagree(found)
    assert sentence.startswith(
        "F1 and mAP disagree in 1 of 4 gains: gain over real only of g0, paraphrase (minilm, 1:10): macro-F1 +.1"
    )
    assert sentence.endswith(": the threshold moved, not the ranking.")
    found = tables(Evidence(real.drop(columns="metrics.test.map_macro")))
    assert "gains_map_macro" not in found and gains_that_disagree(found) == ""
