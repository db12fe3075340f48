"""Which figures a report draws of its tables."""

from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest

from patentlab.analysis.arms import REAL_ONLY, Arm, arms
from patentlab.analysis.leaderboard import leaderboard
from patentlab.analysis.quantities import Evidence
from patentlab.analysis.scored import ScoredRuns
from patentlab.analysis.tables import tables
from patentlab.report.pictures import pictures
from tests.analysis.known_matrix import known_matrix
from tests.analysis.swept import four_models
from tests.figures.overlap import points


def test_the_leaderboard_is_drawn_with_the_best_of_the_largest_regime_on_top(tmp_path: Path):
    matrix, folders, _ = four_models(tmp_path)
    evidence = Evidence(matrix)
    found = tables(evidence) | {"leaderboard": leaderboard(evidence.runs, ScoredRuns(folders), ["f1_micro"])}
    (drawn,) = [one for one in pictures(found, evidence.runs.cell) if one.name == "leaderboard"]
    first, second = drawn.figure.axes
    assert [axes.get_title("left").partition(",")[0] for axes in (first, second)] == ["regime 1:100", "regime 1:10"]
    assert [label.get_text() for label in first.get_yticklabels()] == [
        "minilm-full",
        "tfidf_linear",
        "smollm2_135m-lora",
    ]
    means = found["leaderboard"].query("regime == '1:10' and classifier != 'constant'")["f1_micro"]
    assert [x for x, _ in points(second.lines[0])] == pytest.approx(means.tolist())
    assert any("constant answer" in text.get_text() for text in first.texts)


def test_the_constant_answer_is_that_of_the_task_and_intervals_end_where_scores_do(tmp_path: Path):
    matrix, folders, _ = four_models(tmp_path)
    one = matrix.assign(**{"settings.data.task": "multi_label"})
    other = matrix.assign(**{"settings.data.task": "single_label"})
    other["metrics.test.f1_micro"] = 0.9
    other.loc[other["choices.seed"] == 0, "metrics.test.f1_micro"] = 0.5
    for column in ("run", "key"):
        other[column] = other[column] + " single"
    evidence = Evidence(pd.concat([one, other], ignore_index=True))
    found = tables(evidence) | {"leaderboard": leaderboard(evidence.runs, ScoredRuns(folders), ["f1_micro"])}
    drawn = [one for one in pictures(found, evidence.runs.cell) if one.name.startswith("leaderboard")]
    assert len(drawn) == 2
    constant = matrix[matrix["choices.model"] == "constant"]["metrics.test.f1_micro"].mean()
    for picture in drawn:
        told = [text.get_text() for text in picture.figure.axes[0].texts if "constant" in text.get_text()]
        floor = 0.767 if "single" in picture.name else constant
        assert told and f"{floor:.2f}"[1:] in told[0], told
        assert picture.figure.axes[0].get_xlim()[1] <= 1.1


def test_trained_parameters_are_shown_of_the_arm_without_added_documents():
    columns = ["model", "head", "adapter", "regime", "arm", "trained", "mean", "low", "high", "n"]
    rows = [
        (model, "embedding", adapter, "1:10", arm, trained, score, score - 0.01, score + 0.01, 3)
        for arm, score in ((Arm("label_conditioned", "g"), 0.4), (REAL_ONLY, 0.6))
        for model, adapter, trained in (("minilm", "frozen", 13_000), ("minilm", "full", 22_000_000))
    ]
    found = defaultdict(pd.DataFrame, {"scores_f1_micro": pd.DataFrame(columns=columns),
                                       "parameters": pd.DataFrame(rows, columns=columns)})  # fmt: skip
    (picture,) = pictures(found, ["model", "head", "adapter", "regime"])
    axes = picture.figure.axes[0]
    assert picture.name == "parameters" and axes.get_title("left").startswith("real only")
    assert [points(line) for line in axes.lines] == [[(13_000, 0.6)], [(22_000_000, 0.6)]]


def test_ranks_and_heads_with_a_loss_of_their_own_stand_in_one_figure():
    columns = ["model", "head", "adapter", "adapter.rank", "arm", "trained", "mean", "low", "high", "n"]
    answer, focal = Arm("none", loss="answer"), Arm("none", loss="focal")

    def drawn(arms: list[tuple[str, Arm]]) -> tuple[list[list[tuple[float, float]]], list[str]]:
        rows = [
            ("llama", head, "lora", rank, arm, 1000 * rank + place, score, score, score, 2)
            for place, (head, arm) in enumerate(arms)
            for rank, score in ((2, 0.4), (16, 0.6))
        ]
        found = defaultdict(pd.DataFrame, {"scores_f1_micro": pd.DataFrame(columns=columns),
                                           "parameters": pd.DataFrame(rows, columns=columns)})  # fmt: skip
        (picture,) = pictures(found, columns[:4])
        legend = picture.figure.legends[0]
        return [points(line) for line in picture.figure.axes[0].lines], [text.get_text() for text in legend.get_texts()]

    lines, names = drawn([("embedding", REAL_ONLY), ("instruction", answer)])
    assert lines == [[(2000, 0.4), (16000, 0.6)], [(2001, 0.4), (16001, 0.6)]]
    assert names == ["llama", "head: embedding, lora", "head: instruction, lora"]
    _, names = drawn([("embedding", REAL_ONLY), ("embedding", focal)])
    assert names == ["llama", "head: embedding, lora, plain loss", "head: embedding, lora, focal loss"]


def test_points_of_fidelity_are_those_of_the_correlation_told_apart_by_generator_and_strategy():
    matrix = known_matrix(generators=8, seeds=3)
    added = matrix["choices.strategy"] == "label_conditioned"
    matrix.loc[added & matrix["choices.generator"].isin(["g0", "g1"]), "choices.strategy"] = "paraphrase"
    matrix = matrix[(matrix["choices.generator"] != "g7") | (matrix["choices.seed"] != 1)]
    found = tables(Evidence(matrix), "f1_micro")
    drawn = next(picture for picture in pictures(found, arms(matrix).cell) if picture.name.startswith("fidelity"))
    (legend,) = drawn.figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        *(f"g{number}, paraphrase" for number in (0, 1)),
        *(f"g{number}, label-conditioned" for number in range(2, 7)),  # g7 lacks a seed
    }


def test_learning_curves_of_several_classifiers_stand_in_one_figure():
    matrix = known_matrix(generators=4, seeds=3, models=("minilm", "gpt2"))
    both = matrix[matrix["choices.strategy"].isin(["none"]) & (matrix["choices.loss"] == "bce")]
    found = tables(Evidence(both), "f1_micro")
    (drawn,) = [one for one in pictures(found, arms(both).cell) if one.name.startswith("learning")]
    (legend,) = drawn.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["minilm embedding frozen", "gpt2 embedding frozen"]
    found = tables(Evidence(matrix), "f1_micro")
    names = [one.name for one in pictures(found, arms(matrix).cell) if one.name.startswith("learning")]
    assert names == ["learning", "learning-minilm", "learning-gpt2"]
