from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from patentlab.analysis.claims import check_claims, read_claims
from patentlab.analysis.quantities import Estimate, Evidence, Quantity
from patentlab.config import RequestError, config_folder
from patentlab.console.command_line import compose_run
from patentlab.tracking.record import flatten
from tests.analysis.known_matrix import known_matrix

SCARCE = {"regime": "scarcest"}


def family(folder: Path, *claims: dict[str, Any], **more: Any) -> Path:
    path = folder / "claims.yaml"
    path.write_text(yaml.safe_dump({"claims": list(claims), **more}))
    return path


def claim(name: str, quantity: dict[str, Any], direction: str = "above", **more: Any) -> dict[str, Any]:
    return {"name": name, "says": name, "quantity": quantity, "direction": direction, **more}


GAIN = claim("gain", {"kind": "gain", "where": SCARCE})
CLAIMS = (
    GAIN,
    claim("harm", {"kind": "gain", "where": SCARCE}, "below"),
    claim("large gain", {"kind": "gain", "where": SCARCE}, margin=0.1),
    claim("rising", {"kind": "correlation", "where": SCARCE}),
    claim("falling", {"kind": "correlation", "where": SCARCE}, "below"),
    claim("differ", {"kind": "correlation_difference", "regimes": ["1:100", "1:10"]}),
    claim("best share", {"kind": "optimum", "where": SCARCE}, "within", bounds=[0.1, 0.4]),
)


def test_what_is_there_is_found_and_what_is_not_is_refuted(tmp_path: Path):
    matrix = known_matrix(shares=(0.1, 0.2, 0.3, 0.4, 0.5), best_share=0.25, generators=10, noise=0.001)
    table = check_claims(Evidence(matrix), read_claims(family(tmp_path, *CLAIMS))).set_index("claim")
    assert table["verdict"].to_dict() == {
        "gain": "supported", "harm": "refuted", "large gain": "refuted", "rising": "supported", "falling": "refuted",
        "differ": "supported", "best share": "supported",
    }  # fmt: skip
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()
    assert set(table["takes"]) == {""}


def test_verdicts_are_read_off_the_intervals_that_holm_asks_for(tmp_path: Path):
    matrix = known_matrix(gain=0.006, between=0.001, noise=0.004, seeds=8, rho=(0.8, 0.0))
    names = [claim(f"above {margin}", {"kind": "gain", "where": SCARCE}, margin=margin) for margin in (0, 0.002, 0.005)]
    family_ = read_claims(family(tmp_path, *names, CLAIMS[3]))
    table = check_claims(Evidence(matrix), family_)
    assert 0 < table["verdict"].eq("undecided").sum() < 4
    outside = ~((table["low"] <= table["margin"]) & (table["margin"] <= table["high"]))
    decided = table["verdict"].ne("undecided")
    assert outside.tolist() == decided.tolist() == (table["p_adjusted"] < 0.05).tolist()
    rejected = int(decided.sum())
    by_p = table.sort_values("p")["confidence"].tolist()
    expected = [1 - 0.05 / (4 - min(place, rejected)) for place in range(4)]
    assert by_p == pytest.approx(expected)


def test_what_is_equal_but_for_a_margin_is_equivalent_and_refutes_nothing(tmp_path: Path):
    matrix = known_matrix(gain=0.001, between=0.0, noise=0.001, seeds=6)
    entries = [claim(f"within {of}", GAIN["quantity"], equivalence=of) for of in (0.01, 0.0001)]
    table = check_claims(Evidence(matrix), read_claims(family(tmp_path, *entries, GAIN))).set_index("claim")
    verdicts = table["verdict"].to_dict()
    assert verdicts["within 0.01"] == "equivalent"
    assert verdicts["within 0.0001"] == verdicts["gain"] != "equivalent"


def test_corpora_of_few_generators_decide_nothing_of_a_correlation(tmp_path: Path):
    matrix = known_matrix(generators=14, noise=0.0005, rho=(0.9, -0.9))
    few = matrix.assign(
        **{"choices.generator": matrix["choices.generator"].map({f"g{n}": f"m{n % 3}" for n in range(14)})}
    )
    few["settings.generator.temperature"] = matrix["choices.generator"].fillna("g0").str[1:].astype(float)
    claims = read_claims(family(tmp_path, CLAIMS[3], CLAIMS[5]))
    table = check_claims(Evidence(few), claims).set_index("claim")
    assert set(table["verdict"]) == {"undecided"} and table[["low", "high", "p"]].isna().all(axis=None)
    assert set(table["takes"]) == {"3 more independent generators"} and set(table["n"]) == {3}
    rising, differ = table.to_dict("index").values()
    assert "14 corpora of 3 independent generators: r = +0." in rising["sentence"]
    assert "Fisher's interval [" in rising["sentence"] and "Zou's interval [" in differ["sentence"]
    assert np.isfinite(rising["value"]) and "'s z = " in differ["sentence"]
    many = check_claims(Evidence(matrix), claims)
    assert set(many["verdict"]) == {"supported"} and set(many["n"]) == {14}


def test_a_difference_is_the_mean_over_seeds_of_what_one_value_is_ahead_of_the_other(tmp_path: Path):
    matrix = known_matrix(seeds=5, generators=2, models=("minilm", "bert"), regimes=("1:10",), rho=(0.5,))
    real = (matrix["choices.strategy"] == "none") & (matrix["choices.loss"] == "bce")
    where = {"arm": "real only"}
    quantity = {"kind": "difference", "between": "model", "sides": ["bert", "minilm"], "where": where}

    def of(*sides: str) -> Estimate:
        return Evidence(matrix).estimate(
            Quantity("difference", where=where, between="model", sides=(sides[0], sides[1]))
        )

    estimate = of("bert", "minilm")
    scores = matrix[real].pivot_table(
        index="choices.seed", columns="choices.model", values="metrics.test.f1_micro", aggfunc="mean"
    )
    ahead = scores["bert"] - scores["minilm"]
    expected = stats.ttest_1samp(ahead, 0).confidence_interval(0.95)
    assert estimate.value == pytest.approx(ahead.mean())
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), rel=0.2)  # seeds share a pool
    assert estimate.n == 5 and estimate.sentence == "5 seeds"
    turned = of("minilm", "bert")
    assert (turned.value, turned.low, turned.high) == pytest.approx((-estimate.value, -estimate.high, -estimate.low))
    entries = [claim("ahead", quantity), claim("alike", quantity, equivalence=1.0)]
    table = check_claims(Evidence(matrix), read_claims(family(tmp_path, *entries))).set_index("claim")
    assert table.loc["alike", "verdict"] == "equivalent"
    missing = of("bert", "gpt2")
    assert missing.sentence == "no runs differ in model alone: bert and gpt2"
    for wrong in ({"between": "color"}, {"sides": ["bert"]}, {"sides": ["bert", "bert"]}, {"between": ""}):
        with pytest.raises(RequestError, match=r"between|sides"):
            check_claims(Evidence(matrix), read_claims(family(tmp_path, claim("x", {**quantity, **wrong}))))


def test_too_little_evidence_is_undecided_and_the_smallest_difference_says_how_little(tmp_path: Path):
    matrix = known_matrix(gain=0.001, between=0.0, noise=0.02, seeds=3, rho=(0.0, 0.0))
    table = check_claims(Evidence(matrix), read_claims(family(tmp_path, *CLAIMS))).set_index("claim")
    assert set(table["verdict"].drop("large gain")) == {"undecided"}
    rows = table.to_dict("index")
    assert rows["best share"]["sentence"] == "needs at least 3 different shares, has 1"
    assert 0.005 < rows["gain"]["smallest_low"] < rows["gain"]["smallest_high"]
    assert rows["differ"]["smallest_low"] == pytest.approx(1.07, abs=0.005)  # of 14 generators each
    assert "seeds for a difference of" in rows["gain"]["takes"] and rows["rising"]["takes"].endswith("generators")


def decided(tmp_path: Path, simulations: int, **truth: Any) -> pd.Series:
    """How often claims are decided where nothing is there to be found."""
    claims = read_claims(family(tmp_path, CLAIMS[0], CLAIMS[3], CLAIMS[5]))
    found = []
    for seed in range(simulations):
        evidence = Evidence(known_matrix(seed=seed, generators=8, seeds=6, **truth))
        found.append(check_claims(evidence, claims)["verdict"].ne("undecided"))
    table = pd.concat(found, axis=1)
    return pd.Series({"any": table.any().mean(), "most": table.mean(axis=1).max()})


def test_where_nothing_is_there_the_family_keeps_its_level(tmp_path: Path):
    # with Holm's adjustment any of the three is decided in at most 5 of 100 matrices
    found = decided(tmp_path, 40, gain=0.0, between=0.0, rho=(0.0, 0.0))
    assert found["any"] <= stats.binom.ppf(0.999, 40, 0.05) / 40


@pytest.mark.slow
def test_where_nothing_is_there_the_family_keeps_its_level_closely(tmp_path: Path):
    found = decided(tmp_path, 1000, gain=0.0, between=0.0, rho=(0.0, 0.0))
    print(f"\nany of three claims decided, all at zero: {found['any']:.3f} (promised: at most 0.05)")
    assert found["any"] <= stats.binom.ppf(0.999, 1000, 0.05) / 1000


def test_estimates_are_those_of_the_runs_they_name():
    matrix = known_matrix(seeds=4, generators=3, models=("minilm", "bert"))
    evidence = Evidence(matrix)
    found = evidence.estimate(Quantity("score", where={"arm": "real only", "model": "bert", "regime": "largest"}))
    own = matrix[(matrix["choices.strategy"] == "none") & (matrix["choices.loss"] == "bce")
                 & (matrix["choices.model"] == "bert") & (matrix["choices.regime"] == "1:10")]  # fmt: skip
    interval = stats.ttest_1samp(own["metrics.test.f1_micro"], 0).confidence_interval()  # no counts: no overlap
    assert (found.value, found.low, found.high, found.n) == pytest.approx(
        (own["metrics.test.f1_micro"].mean(), interval.low, interval.high, 4)
    )
    both = evidence.estimate(Quantity("gain", contrast="controlled_gain", where={"model": ["minilm", "bert"]}))
    gains = evidence.pairs.table
    of_seeds = gains[gains["contrast"] == "controlled_gain"].groupby("seed")["gain.f1_micro"].mean()
    assert both.value == pytest.approx(of_seeds.mean()) and both.n == 4


def test_points_of_different_budgets_and_regimes_are_not_pooled():
    matrix = known_matrix(seeds=2)
    other = matrix.copy()
    other[["key", "run"]] += "-500"
    other["settings.mix.budget"] = 500
    evidence = Evidence(pd.concat([matrix, other], ignore_index=True))
    sentences = {
        kind: evidence.estimate(Quantity(kind, where=SCARCE)).sentence for kind in ("score", "gain", "correlation")
    }
    assert sentences == {
        "score": "runs of different budgets are not pooled", "gain": "runs of different budgets are not pooled",
        "correlation": "points of different budgets are not pooled",
    }  # fmt: skip
    assert Evidence(matrix).estimate(Quantity("correlation")).sentence == "points of different regimes are not pooled"
    assert np.isnan(Evidence(matrix).estimate(Quantity("gain", where={"model": "none such"})).value)


def test_no_best_share_is_told_where_the_budget_shrank_for_some():
    matrix = known_matrix(shares=(0.1, 0.2, 0.3, 0.4), best_share=0.2)
    assert np.isfinite(Evidence(matrix).estimate(Quantity("optimum", where=SCARCE)).value)
    matrix.loc[(matrix["choices.mix"] == 0.4) & (matrix["counts.synthetic"] == 200), "counts.synthetic"] = 66
    found = Evidence(matrix).estimate(Quantity("optimum", where=SCARCE))
    assert np.isnan(found.value)
    assert found.sentence == "the budget was not met by all: they have 110 to 244 documents"


def test_a_best_share_is_told_of_arms_that_have_every_share():
    matrix = known_matrix(shares=(0.1, 0.2, 0.3, 0.4), best_share=0.4, generators=2)
    alone = Evidence(matrix).estimate(Quantity("optimum", where=SCARCE))
    better = matrix[matrix["choices.mix"].isin([0.1, 0.2]) & (matrix["choices.generator"] == "g0")].copy()
    better["choices.generator"], better["metrics.test.f1_micro"] = "g9", better["metrics.test.f1_micro"] + 0.1
    better["key"] = better["run"] = better["run"] + "-g9"
    both = Evidence(pd.concat([matrix, better], ignore_index=True)).estimate(Quantity("optimum", where=SCARCE))
    assert (both.value, both.low, both.high) == (alone.value, alone.low, alone.high)


def test_a_mean_is_over_the_same_arms_in_every_seed():
    matrix = known_matrix(seeds=3, generators=3)
    hit = (matrix["choices.generator"] == "g0") & (matrix["choices.seed"] == 1)
    gain, score = Quantity("gain", where=SCARCE), Quantity("score", where={**SCARCE, "strategy": "label_conditioned"})
    for quantity in (gain, score):
        found = Evidence(matrix[~hit]).estimate(quantity)
        assert np.isnan(found.value) and found.sentence == "some of the arms lack seeds that others have"
        missing = matrix.assign(**{"metrics.test.f1_micro": matrix["metrics.test.f1_micro"].mask(hit)})
        found = Evidence(missing).estimate(quantity)
        assert np.isnan(found.value) and found.sentence == "1 of 9 values are missing"


def test_points_are_over_the_same_seeds():
    matrix = known_matrix(seeds=3, generators=7)
    hit = (matrix["choices.generator"] == "g0") & (matrix["choices.seed"] == 1)
    whole = matrix[matrix["choices.generator"] != "g0"]
    quantity = Quantity("correlation", where=SCARCE)
    found, without = (Evidence(runs).estimate(quantity) for runs in (matrix[~hit], whole))
    assert (found.value, found.n) == (without.value, 6)
    missing = matrix.assign(**{"metrics.test.f1_micro": matrix["metrics.test.f1_micro"].mask(hit)})
    assert Evidence(missing).estimate(quantity).sentence == "some values are no numbers"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (claim("a", {"kind": "gian"}), "kind=gian (did you mean gain?): allowed are"),
        (claim("a", {"kind": "gain", "contrast": "controlled"}), "contrast=controlled"),
        (claim("a", {"kind": "gain", "were": {}}), "a: quantity.were (did you mean where?)"),
        (claim("a", {"kind": "gain"}, "upwards"), "a: direction=upwards: allowed are above, below, within"),
        (claim("a", {"kind": "gain"}, margin="much"), "a: margin=much: must be a number"),
        (claim("a", {"kind": "gain"}, "within", bounds=[0.2, 0.3]), "direction=within goes with an optimum"),
        (claim("a", {"kind": "optimum"}, "within", bounds=[0.3, 0.2]), "needs a lower and an upper share"),
        (claim("a", {"kind": "correlation_difference"}, margin=0.5), "can be held against 0 alone"),
        (claim("a", {"kind": "correlation"}, margin=1.5), "a correlation lies between -1 and 1"),
        (claim("a", {"kind": "gain"}, equivalence=-0.1), "a: equivalence=-0.1: must be a number above 0"),
        ({"name": "a", "says": "a"}, "a: has no quantity, direction"),
        ({"says": "a"}, "every claim needs a name"),
    ],
)
def test_a_mistake_in_a_claims_file_is_one_line(entry: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(RequestError) as error:
        read_claims(family(tmp_path, entry))
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("entries", "more", "message"),
    [
        ((GAIN, GAIN), {}, "claims named twice: gain"),
        ((GAIN,), {"adjust": "bonferroni"}, "adjust=bonferroni: allowed are holm, none"),
        ((GAIN,), {"level": 5.0}, "level=5.0: must be between 0 and 1"),
        ((GAIN,), {"levle": 0.05}, r"levle \(did you mean level\?\)"),
    ],
)
def test_a_mistake_about_the_family_is_one_line(entries, more: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(RequestError, match=message):
        read_claims(family(tmp_path, *entries, **more))


def test_what_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(RequestError, match="no such file"):
        read_claims(tmp_path / "none.yaml")
    with pytest.raises(RequestError, match="runs have no such column"):
        Evidence(known_matrix(seeds=2)).estimate(Quantity("gain", where={"modle": "minilm"}))


@pytest.mark.parametrize("path", sorted((config_folder() / "claims").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_claims_that_come_along_can_be_checked(path: Path):
    matrix = known_matrix(seeds=3)
    for claim in read_claims(path).claims:  # what other runs have than those of known_matrix
        metric = claim.quantity.metric
        if f"metrics.test.{metric}" not in matrix and not metric.startswith("test_under."):
            matrix[f"metrics.test.{metric}"] = matrix["metrics.test.f1_micro"]
        if claim.quantity.between == "parts":
            matrix["choices.parts"] = "chat"
    found = check_claims(Evidence(matrix), read_claims(path))
    assert len(found) == len(read_claims(path).claims)
    assert set(found["verdict"]) <= {"supported", "refuted", "equivalent", "undecided"}


def of_experiment(name: str, excluded: Callable[[dict[str, str]], bool]) -> pd.DataFrame:
    """A matrix of the shape that an experiment of conf/ gives, with random scores; two seeds."""
    params = yaml.safe_load((config_folder() / "experiment" / f"{name}.yaml").read_text())["hydra"]["sweeper"]["params"]
    swept = {key: str(values).split(",") for key, values in params.items() if key != "seed"}
    draw, rows = np.random.default_rng(0), []
    for values in product(*swept.values()):
        chosen = dict(zip(swept, values, strict=True))
        if excluded(chosen):
            continue
        for seed in range(2):
            words = [f"{key}={value}" for key, value in chosen.items()]
            made = compose_run([f"+experiment={name}", *words, f"seed={seed}"], alone=False)
            score = float(draw.uniform(0.4, 0.6))
            run = " ".join([*words, str(seed)])
            rows.append(
                {"run": run, "key": run, "status": "finished", "error": None, "counts.synthetic": 0}
                | {f"choices.{key}": value for key, value in made.config.choices.items()}
                | {"choices.adaptation": None, "metrics.test.f1_micro": score, "metrics.test.f1_macro": score}
                | flatten(made.config.settings, "settings.") | {"fingerprints.test": f"test {seed}"}
            )  # fmt: skip
    told = [
        {key: ",".join(map(str, one)) if isinstance(one, list) else one for key, one in row.items()} for row in rows
    ]
    return pd.DataFrame(told)


def _sees_anyway(chosen: dict[str, str]) -> bool:
    return chosen["model"] == "roberta_large" and chosen["model.attention"] == "bidirectional"


@pytest.mark.parametrize(
    ("name", "excluded"),
    [
        ("head_vs_instruction", lambda chosen: False),
        ("label_supervised", _sees_anyway),
        ("entities", _sees_anyway),
    ],
)
def test_every_claim_finds_its_runs_in_its_own_experiment(name: str, excluded: Callable[[dict[str, str]], bool]):
    matrix = of_experiment(name, excluded)
    table = check_claims(Evidence(matrix), read_claims(config_folder() / "claims" / f"{name}.yaml")).set_index("claim")
    assert table["value"].notna().all() and set(table["n"]) == {2}, table["sentence"].tolist()
    assert set(table["sentence"]) == {"2 seeds"}
    scored = matrix.assign(score=matrix["metrics.test.f1_micro"])
    if name == "head_vs_instruction":
        mean = scored.groupby(["choices.head", "settings.adapter.rank"])["score"].mean()
        rank = table.loc["rank_helps_instruction", "value"]
        assert rank == pytest.approx(mean["instruction", 16] - mean["instruction", 2])
        heads = scored.groupby("choices.head")["score"].mean()
        assert table.loc["head_ahead_of_instruction", "value"] == pytest.approx(
            heads["embedding"] - heads["instruction"]
        )
    elif name == "entities":
        mean = scored.groupby(["choices.model", "settings.model.attention", "settings.head.subword"])["score"].mean()
        causal = mean["llama3_1_8b", "causal", "last"]
        ahead = causal - mean["llama3_1_8b", "causal", "first"]
        assert table.loc["last_token_ahead_of_first", "value"] == pytest.approx(ahead)
        encoder = mean.xs(("roberta_large", "last"), level=(0, 2)).mean()
        assert table.loc["decoder_ahead_of_encoder", "value"] == pytest.approx(causal - encoder)
    else:
        means = scored.groupby(["choices.model", "settings.model.attention", "settings.head.pooling"])["score"].mean()
        ahead = means["llama3_1_8b", "causal", "mean"] - means["llama3_1_8b", "causal", "last"]
        assert table.loc["mean_ahead_of_last", "value"] == pytest.approx(ahead)
        own = scored[scored["settings.head.pooling"] == "mean"]
        encoder = own[own["choices.model"] == "roberta_large"]["score"].mean()
        decoder = own[(own["choices.model"] == "llama3_1_8b") & (own["settings.model.attention"] == "causal")]["score"]
        assert table.loc["decoder_ahead_of_encoder", "value"] == pytest.approx(decoder.mean() - encoder)


def test_a_setting_that_no_option_has_is_a_mistake_and_one_that_does_not_vary_is_not():
    matrix = known_matrix(seeds=3).assign(**{"settings.head.pooling": "mean"})
    evidence = Evidence(matrix)
    with pytest.raises(RequestError, match=r"head\.poolng \(did you mean head\.pooling\?\): runs have no such setting"):
        evidence.estimate(Quantity("score", where={"head.poolng": "mean"}))
    with pytest.raises(RequestError, match=r"head\.poolng"):
        evidence.estimate(Quantity("difference", between="head.poolng", sides=("mean", "last")))
    told = evidence.estimate(Quantity("difference", between="head.pooling", sides=("mean", "last")))
    assert told.sentence == "runs do not differ in head.pooling"
