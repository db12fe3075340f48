"""Leaderboard and differences of a sweep against numpy, scipy, scikit-learn and statsmodels on its predictions."""

from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, f1_score
from statsmodels.stats.multitest import multipletests

from patentlab.analysis.arms import arms
from patentlab.analysis.differences import differences
from patentlab.analysis.leaderboard import leaderboard
from patentlab.analysis.scored import ScoredRuns
from patentlab.evaluation import lower_is_better
from tests.analysis.swept import METRICS, MODELS, REGIMES, SEEDS, Answer, four_models, measured, row
from tests.analysis.written_runs import THRESHOLD

Said = dict[tuple[str, str, int], Answer]
NAMES = {"constant": "constant", "tfidf_linear": "tfidf_linear", "minilm": "minilm-full",
         "smollm2_135m": "smollm2_135m-lora"}  # fmt: skip


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, dict[str, Path], Said]:
    return four_models(tmp_path_factory.mktemp("swept"))


@pytest.fixture(scope="module")
def board(swept: tuple[pd.DataFrame, dict[str, Path], Said]) -> pd.DataFrame:
    return leaderboard(arms(swept[0]), ScoredRuns(swept[1]), METRICS)


@pytest.fixture(scope="module")
def pairs(swept: tuple[pd.DataFrame, dict[str, Path], Said]) -> pd.DataFrame:
    return differences(arms(swept[0]), ScoredRuns(swept[1]), METRICS)


def scored(said: Said, model: str, regime: str, metric: str) -> np.ndarray:
    return np.array([measured(*said[model, regime, seed][1:])[metric] for seed in SEEDS])


def by_hand(said: Said, first: str, second: str, regime: str, metric: str, resamples: int = 1_000) -> dict[str, float]:
    """The interval over seeds and documents, document by document and draw by draw, with scikit-learn's scores."""

    def score(true: np.ndarray, scores: np.ndarray, drawn: np.ndarray) -> float:
        if metric == "map_macro":
            return float(average_precision_score(true, scores, average="macro", sample_weight=drawn))
        average = metric.removeprefix("f1_")
        return float(f1_score(true, scores >= THRESHOLD, average=average, zero_division=0, sample_weight=drawn))

    generator = np.random.default_rng(99)
    everything = sorted({name for seed in SEEDS for name in said[first, regime, seed][0]})
    at = {seed: [everything.index(name) for name in said[first, regime, seed][0]] for seed in SEEDS}
    noise = np.zeros((resamples, len(SEEDS)))
    for number in range(resamples):
        drawn = generator.multinomial(len(everything), np.full(len(everything), 1 / len(everything)))
        for place, seed in enumerate(SEEDS):
            one, other = (score(*said[model, regime, seed][1:], drawn[at[seed]]) for model in (first, second))
            noise[number, place] = one - other
    noise -= noise.mean(axis=0)
    values = scored(said, first, regime, metric) - scored(said, second, regime, metric)
    n = len(values)
    covariance = np.cov(noise.T)
    shared = covariance[np.triu_indices(n, 1)].mean()  # what two seeds have in common
    error = stats.sem(values)
    drawn = values.mean() + error * generator.standard_t(n - 1, 1_000_000)
    drawn += np.sqrt(max(shared, 0)) * generator.normal(size=1_000_000)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"low": low, "high": high, "p": 2 * min(np.mean(drawn < 0), np.mean(drawn > 0))}


def test_the_leaderboard_ranks_means_over_seeds_with_students_interval(board: pd.DataFrame, swept: tuple[Any, ...]):
    assert board["regime"].tolist() == ["1:100"] * 4 + ["1:10"] * 4  # the scarcest first
    assert "arm" not in board and "mix" not in board  # what does not vary is not told
    for regime in REGIMES:
        own = board[board["regime"] == regime].set_index("classifier")
        means = {}
        for model, name in NAMES.items():
            for metric in METRICS:
                values = scored(swept[2], model, regime, metric)
                assert own.loc[name, metric] == pytest.approx(values.mean())
                reach = stats.t.ppf(0.975, 2) * stats.sem(values) if np.ptp(values) else np.nan
                ends = pytest.approx([values.mean() - reach, values.mean() + reach], nan_ok=True)
                assert [own.loc[name, f"{metric}_{end}"] for end in ("low", "high")] == ends
            means[name] = scored(swept[2], model, regime, "f1_micro").mean()
        assert own.index.tolist() == sorted(means, key=lambda name: -means[name])
        assert own["rank"].tolist() == [1, 2, 3, 4] and set(own["seeds"]) == {3}
        assert set(own["trained"]) == {100} and set(own["seconds"]) == {3}
        assert set(own["ms_per_document"]) == {2.5}


def test_what_is_not_distinguishable_from_the_best_is_so_after_holm(board: pd.DataFrame, pairs: pd.DataFrame):
    for regime in REGIMES:
        own = board[board["regime"] == regime].reset_index(drop=True)
        best = str(own["classifier"][0])
        against = pairs[(pairs["regime"] == regime) & (pairs["first"] == best)].set_index("second")
        against = against.loc[own["classifier"][1:]]
        assert own["behind"][1:].tolist() == pytest.approx(against["f1_micro"].tolist())
        assert own["behind_low"][1:].tolist() == pytest.approx(against["f1_micro_low"].tolist())
        rejected, adjusted, *_ = multipletests(against["f1_micro_p"], 0.05, "holm")
        assert own["behind_p_holm"][1:].tolist() == pytest.approx(adjusted.tolist())
        words = ["worse" if one else "not distinguishable" for one in rejected]
        assert own["standing"].tolist() == ["best", *words]
        assert set(words) == {"worse", "not distinguishable"}  # or this shows nothing
        assert set(own["over"][1:]) == {"seeds and documents"}


def test_differences_are_paired_by_seed_and_adjusted_over_the_table(pairs: pd.DataFrame, swept: tuple[Any, ...]):
    assert len(pairs) == 2 * 6 and pairs["regime"].tolist() == ["1:100"] * 6 + ["1:10"] * 6
    said: Said = swept[2]
    model = {name: one for one, name in NAMES.items()}
    seen = set()
    for found in pairs.to_dict("records"):
        first, second, regime = model[found["first"]], model[found["second"]], str(found["regime"])
        seen.add((regime, frozenset((first, second))))
        for metric in METRICS:
            values = scored(said, first, regime, metric) - scored(said, second, regime, metric)
            assert found[metric] == pytest.approx(values.mean())
            sides = [scored(said, one, regime, metric) for one in (first, second)]
            expected: Any = stats.ttest_rel(sides[0], sides[1])
            assert found[f"{metric}_t_p"] == pytest.approx(expected.pvalue)
            ends = expected.confidence_interval()
            assert [found[f"{metric}_t_low"], found[f"{metric}_t_high"]] == pytest.approx([ends.low, ends.high])
            # documents that seeds share are on top of it
            assert found[f"{metric}_high"] - found[f"{metric}_low"] > ends.high - ends.low - 1e-9
        assert found["f1_micro"] >= 0  # the better one comes first
        assert (found["seeds"], found["over"], found["sentence"]) == (3, "seeds and documents", "")
        assert found["documents"] == len({name for seed in SEEDS for name in said[first, regime, seed][0]})
    assert seen == {(regime, frozenset(two)) for regime in REGIMES for two in combinations(MODELS, 2)}
    for name in (*(f"{metric}_p" for metric in METRICS), "p_exact"):
        assert pairs[f"{name}_holm"].tolist() == pytest.approx(multipletests(pairs[name], method="holm")[1].tolist())


@pytest.mark.parametrize("metric", METRICS)
def test_intervals_over_seeds_and_documents_are_those_drawn_by_hand(
    pairs: pd.DataFrame, swept: tuple[Any, ...], metric: str
):
    found = pairs[(pairs["regime"] == "1:10") & (pairs["second"] == "tfidf_linear")].iloc[0]
    assert found["first"] == "minilm-full"
    expected = by_hand(swept[2], "minilm", "tfidf_linear", "1:10", metric, 200)
    width = expected["high"] - expected["low"]
    ends = [found[f"{metric}_low"], found[f"{metric}_high"]]
    assert ends == pytest.approx([expected["low"], expected["high"]], abs=0.05 * width)
    assert found[f"{metric}_p"] == pytest.approx(expected["p"], abs=0.02)


def test_mcnemars_test_counts_a_document_of_several_seeds_once(pairs: pd.DataFrame, swept: tuple[Any, ...]):
    found = pairs[(pairs["regime"] == "1:100") & (pairs["first"] == "minilm-full")].set_index("second").loc["constant"]
    balance: dict[str, int] = {}
    accuracy = []
    for seed in SEEDS:
        ids, true, _ = swept[2]["minilm", "1:100", seed]
        right = [((swept[2][model, "1:100", seed][2] >= THRESHOLD) == true).all(axis=1)
                 for model in ("minilm", "constant")]  # fmt: skip
        accuracy.append(right[0].mean() - right[1].mean())
        for name, a, b in zip(ids, *right, strict=True):
            balance[name] = balance.get(name, 0) + int(a) - int(b)
    only = sum(one > 0 for one in balance.values()), sum(one < 0 for one in balance.values())
    assert (found["only_first"], found["only_second"]) == only
    assert found["p_exact"] == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)
    assert found["accuracy"] == pytest.approx(np.mean(accuracy))


def test_without_predictions_differences_are_over_seeds_alone(swept: tuple[Any, ...], pairs: pd.DataFrame):
    found = differences(arms(swept[0]), ScoredRuns({}), METRICS)
    assert set(found["over"]) == {"seeds"} and found["p_exact"].isna().all()
    assert set(found["sentence"]) == {"over seeds alone: 3 of 3 pairs left out: no folder (seeds 0, 1, 2)"}
    for end in ("low", "high", "p"):
        assert found[f"map_macro_{end}"].tolist() == found[f"map_macro_t_{end}"].tolist()
    assert found["map_macro_t_p"].tolist() == pairs["map_macro_t_p"].tolist()
    known = {run: path for run, path in swept[1].items() if run != "minilm-1:10-1"}
    lacking = differences(arms(swept[0]), ScoredRuns(known), METRICS)
    one = lacking[(lacking["regime"] == "1:10") & (lacking["first"] == "minilm-full")]
    assert set(one["over"]) == {"seeds"} and (one["p_exact"] < 1).all()
    assert set(one["sentence"]) == {"over seeds alone: 1 of 3 pairs left out: no folder (seed 1)"}


def test_one_seed_and_missing_seeds_are_said(swept: tuple[Any, ...]):
    matrix, folders, _ = swept
    alone = arms(matrix[matrix["choices.seed"] == 0])
    found = differences(alone, ScoredRuns(folders), METRICS)
    assert found["f1_micro"].notna().all() and found["p_exact"].notna().all()
    assert found[["f1_micro_low", "f1_micro_p", "f1_micro_p_holm"]].isna().all(axis=None)
    assert set(found["sentence"]) == {"one seed says nothing of others: no interval"} and set(found["over"]) == {""}
    board = leaderboard(alone, ScoredRuns(folders), METRICS)
    assert board["standing"].tolist() == ["best", *["cannot be told"] * 3] * 2
    # a classifier without the seeds that others have is not the best, however high its mean
    lucky = matrix[(matrix["choices.model"] != "tfidf_linear") | (matrix["choices.seed"] == 2)].copy()
    lucky.loc[lucky["choices.model"] == "tfidf_linear", "metrics.test.f1_micro"] = 0.99
    board = leaderboard(arms(lucky), ScoredRuns(folders), METRICS)
    first = board[board["regime"] == "1:10"].iloc[0]
    assert (first["classifier"], first["seeds"], first["standing"]) == ("tfidf_linear", 1, "cannot be told")
    assert first["sentence"].startswith("seeds 0, 1 of one side alone")


def test_arms_have_leaderboards_of_their_own_below_that_of_real_documents(swept: tuple[Any, ...]):
    matrix, folders, said = swept
    added = []
    for model, seed in product(("minilm", "tfidf_linear"), SEEDS):
        metrics = measured(*said[model, "1:100", seed][1:])
        run = f"copies-{model}-{seed}"
        added.append(row(run, model, *MODELS[model][:2], "1:10", seed, metrics, strategy="duplicate", mix=0.5))
    board = leaderboard(arms(pd.concat([matrix, pd.DataFrame(added)], ignore_index=True)), ScoredRuns(folders), METRICS)
    assert [str(arm) for arm in board["arm"]] == ["real only"] * 8 + ["duplicates to match"] * 2
    assert board["mix"].tolist() == [1.0] * 8 + [0.5] * 2
    assert board["rank"].tolist() == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
    assert board["over"].iloc[-1] == "seeds"  # these have no predictions


def test_it_is_ranked_by_the_metric_that_is_asked_for(swept: tuple[Any, ...]):
    board = leaderboard(arms(swept[0]), ScoredRuns(swept[1]), ("map_macro", "f1_micro"))
    for _, own in board.groupby("regime"):
        assert own["map_macro"].is_monotonic_decreasing
        assert own["behind"].iloc[1] == pytest.approx(own["map_macro"].iloc[0] - own["map_macro"].iloc[1])


def test_what_is_surely_ahead_over_fewer_seeds_is_said_to_be(swept: tuple[Any, ...]):
    matrix = swept[0]
    ahead = (matrix["choices.model"] == "smollm2_135m") & (matrix["choices.regime"] == "1:10")
    better = matrix.assign(**{"metrics.test.f1_micro": matrix["metrics.test.f1_micro"].where(~ahead, 0.99)})
    board = leaderboard(arms(better[~(ahead & (matrix["choices.seed"] == 2))]), ScoredRuns({}), ["f1_micro"])
    own = board[board["regime"] == "1:10"].set_index("classifier")
    assert own.loc["smollm2_135m-lora", "standing"] == "ahead, over fewer seeds"
    assert own.loc["smollm2_135m-lora", "rank"] == 1 and (own["standing"] == "best").sum() == 1


def test_the_lowest_of_a_loss_is_the_best(swept: tuple[Any, ...]):
    matrix = swept[0].assign(**{"metrics.test.hamming_loss": 1 - swept[0]["metrics.test.f1_micro"]})
    runs, none = arms(matrix), ScoredRuns({})
    one, other = (leaderboard(runs, none, [metric]) for metric in ("f1_micro", "hamming_loss"))
    for column in ("rank", "classifier", "standing"):
        assert list(one[column]) == list(other[column])
    assert {"best", "worse"} <= set(other["standing"])
    np.testing.assert_allclose(other["behind"], -one["behind"])


@pytest.mark.parametrize(
    ("metric", "lower"),
    [("f1_micro", False), ("recall", False), ("ece", True), ("chat_label_ece", True), ("false_alarms", True),
     ("tag_unread_words", True), ("unparsable_pieces", True), ("mean_absolute_error", True), ("precision", False)],
)  # fmt: skip
def test_what_is_better_when_it_is_less(metric: str, lower: bool):
    assert lower_is_better(metric) == lower


def test_a_condition_that_is_null_in_some_runs_is_a_value(swept: tuple[pd.DataFrame, dict[str, Path], Said]):
    matrix = swept[0]
    again = matrix.assign(run=matrix["run"] + "b", key=matrix["key"] + "b").assign(
        **{"settings.data.split.cosine": 0.7}
    )
    both = pd.concat([matrix.assign(**{"settings.data.split.cosine": np.nan}), again], ignore_index=True)
    runs = arms(both)
    board = leaderboard(runs, ScoredRuns({}), ["f1_micro"])
    assert len(board) == 16 and board["data.split.cosine"].isna().sum() == 8


def test_runs_from_before_there_was_evaluate_stand_with_those_that_ask_for_nothing_more(swept: tuple[Any, ...]):
    matrix = swept[0].copy()
    matrix["settings.evaluate.name"] = ["none" if seed else None for seed in matrix["choices.seed"]]
    matrix["choices.evaluate"] = matrix["settings.evaluate.name"]
    board = leaderboard(arms(matrix), ScoredRuns({}), ["f1_micro"])
    assert set(board["seeds"]) == {3} and len(board) == 8


def test_runs_of_several_tasks_are_ranked_apart(swept: tuple[pd.DataFrame, dict[str, Path], Said]):
    matrix, folders, _ = swept
    several = matrix.assign(
        run=matrix["run"] + " several", key=matrix["key"].astype(str) + " several",
        **{"choices.loss": "bce", "settings.data.task": "multi_label"},
    )  # fmt: skip
    one = matrix.assign(**{"choices.loss": "cross_entropy", "settings.data.task": "single_label"})
    both = pd.concat([one, several], ignore_index=True)
    folders = folders | {f"{name} several": folder for name, folder in folders.items()}
    ranked = leaderboard(arms(both), ScoredRuns(folders), METRICS)
    assert set(ranked["data.task"]) == {"single_label", "multi_label"}
    alone = leaderboard(arms(one), ScoredRuns(folders), METRICS)
    own = ranked[ranked["data.task"] == "single_label"].drop(columns="data.task").reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone.drop(columns="data.task", errors="ignore"))
