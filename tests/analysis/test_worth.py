"""What documents are worth, on matrices that were made from a known curve."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from patentlab.analysis.quantities import Evidence
from patentlab.analysis.worth import Prices, Worth, break_even, worth
from patentlab.config import RequestError
from patentlab.report.worth import make_worth_report
from tests.analysis.swept import row

SIZES = {"1:100": 37, "1:50": 73, "1:20": 183, "1:10": 366, "1:5": 732}
ADDED, SEEDS = 150, 5


def curve(size: float) -> float:
    return float(0.8 - 0.9 * size**-0.4)


def made(rate: float, simulations: int = 1, sizes: dict[str, int] = SIZES, noise: float = 0.01) -> pd.DataFrame:
    """A matrix with real documents alone in all regimes, and 150 added ones at 1:50 that are worth ``rate`` each."""
    rows = []
    for simulation in range(simulations):
        draw = np.random.default_rng(simulation)
        for seed in range(SEEDS):
            shared = draw.normal(0, 0.01)
            for regime, size in sizes.items():
                f1 = {"f1_micro": curve(size) + shared + draw.normal(0, noise)}
                rows.append(row(f"{simulation}-{regime}-{seed}", "minilm", "embedding", "frozen", regime, seed, f1,
                                data=f"set {simulation}", **{"counts.real": size}))  # fmt: skip
            f1 = {"f1_micro": curve(sizes["1:50"] + rate * ADDED) + shared + draw.normal(0, noise)}
            rows.append(row(f"{simulation}-added-{seed}", "minilm", "embedding", "frozen", "1:50", seed, f1,
                            data=f"set {simulation}", strategy="label_conditioned", generator="smollm2", mix=0.3,
                            **{"counts.real": sizes["1:50"], "counts.synthetic": ADDED, "synthesis.accepted": ADDED,
                               "synthesis.generation_seconds": 300.0, "synthesis.tokens": 30_000}))  # fmt: skip
    return pd.DataFrame(rows)


def first(tables: Worth) -> Any:
    return tables.arms.iloc[0]


def test_the_true_exchange_rate_lies_within_its_interval_as_often_as_that_says(
    record_property: Callable[[str, object], None],
):
    found = worth(Evidence(made(0.8, simulations=1_000))).arms
    assert len(found) == 1_000
    held = ((found["rate_low"] <= 0.8) & (found["rate_high"] >= 0.8)).mean()
    width = (found["rate_high"].clip(upper=(732 - 73) / ADDED) - found["rate_low"]).mean()
    record_property("held", float(held))
    record_property("width", float(width))
    assert 0.93 <= held <= 0.975
    assert width < 2
    assert found["rate"].median() == pytest.approx(0.8, abs=0.05)


def test_an_arm_is_projected_onto_the_curve_and_its_price_told():
    tables = worth(Evidence(made(0.8, noise=1e-3)), more=50)
    arm = first(tables)
    assert (arm["documents"], arm["added"], arm["seeds"], arm["shape"]) == (73, ADDED, SEEDS, "power law")
    assert arm["worth"] == pytest.approx(120, abs=8) and arm["worth_low"] < 120 < arm["worth_high"]
    assert arm["rate"] == pytest.approx(0.8, abs=0.06)
    assert (arm["seconds"], arm["tokens"]) == (2.0, 200.0)
    assert arm["pays_above"] == pytest.approx(300 / 120, abs=0.2)  # seconds of generation for each label
    assert arm["pays_above_low"] < arm["pays_above"] < arm["pays_above_high"]
    labels: Any = tables.labels.set_index("documents")
    assert labels.loc[73, "rise"] == pytest.approx(curve(123) - curve(73), abs=2e-3)
    assert labels.loc[73, "rise_low"] < curve(123) - curve(73) < labels.loc[73, "rise_high"]
    assert np.isnan(labels.loc[732, "rise"]) and "from 37 to 732" in labels.loc[732, "sentence"]
    band = tables.curves
    assert ((band["low"] <= band["value"]) & (band["value"] <= band["high"])).all()
    assert list(tables.points["documents"]) == list(SIZES.values()) and set(tables.points["n"]) == {SEEDS}


def test_prices_say_what_is_saved():
    arm = first(worth(Evidence(made(0.8, noise=1e-4)), prices=Prices(label=2.0, document=0.5)))
    assert arm["saved"] == pytest.approx(120 * 2 - ADDED * 0.5, abs=10)
    assert arm["pays_above"] == pytest.approx(ADDED * 0.5 / 120, abs=0.03)
    assert break_even(10, 1.0, 0.0) == np.inf and break_even(10, 1.0, np.inf) == 0


def test_what_lies_beyond_the_curve_is_said():
    arm = first(worth(Evidence(made(20.0, noise=1e-3))))
    assert arm["worth"] == arm["rate_high"] == np.inf
    assert arm["worth_low"] >= 0.9 * (732 - 73)
    assert arm["sentence"] == "beyond the curve, which ends at 732 documents"
    arm = first(worth(Evidence(made(-0.4, noise=1e-3))))
    assert arm["worth"] == -np.inf and arm["worth_low"] == -73 and arm["worth_high"] < 0
    assert arm["sentence"] == "below the curve, which begins at 37 documents"


def test_three_regimes_are_too_few(tmp_path: Path):
    three = {name: SIZES[name] for name in ("1:100", "1:50", "1:20")}
    matrix = made(0.5, sizes=three)
    tables = worth(Evidence(matrix))
    assert np.isnan(tables.arms["worth"]).all()
    assert tables.arms["sentence"].iloc[0] == "needs at least 4 regimes of real documents for a curve, has 3"
    said = make_worth_report("few", matrix, "f1_micro", 50, Prices(), tmp_path)
    assert said[0] == "minilm-embedding-frozen: needs at least 4 regimes of real documents for a curve, has 3."


def test_curve_and_arm_have_the_same_seeds():
    whole = made(0.8)
    short = whole[~((whole["choices.seed"] == 4) & (whole["choices.regime"] == "1:5"))]
    few = first(worth(Evidence(short)))
    assert few["seeds"] == 4
    same = first(worth(Evidence(whole[whole["choices.seed"] != 4])))
    assert (few["worth"], few["worth_low"]) == (same["worth"], same["worth_low"])
    shifted = whole.assign(**{"metrics.test.f1_micro": whole["metrics.test.f1_micro"] + 0.1 * whole["choices.seed"]})
    again, before = (first(worth(Evidence(matrix))) for matrix in (shifted, whole))
    for name in ("worth_low", "worth_high"):  # what a seed's documents add to all its scores is in no difference
        assert again[name] == pytest.approx(before[name], rel=0.02)


def test_without_added_documents_labelling_alone_is_told(tmp_path: Path):
    matrix = made(0.8)
    said = make_worth_report("real", matrix[matrix["choices.strategy"] == "none"], "f1_micro", 50, Prices(), tmp_path)
    assert said[0] == "No run has added documents, so there is nothing to project onto the curve."
    assert "labelling 50 more than 37 documents brings micro-F1 +0.0" in said[1]
    assert (tmp_path / "figures" / "worth.png").is_file()
    far = make_worth_report("real", matrix, "f1_micro", 5_000, Prices(), tmp_path)
    assert "labelling 5000 more than 37 documents: the curve goes from 37 to 732 documents." in far[2]


def test_of_an_error_the_curve_falls():
    matrix = made(0.8, noise=1e-4)
    wrong = matrix.assign(**{"metrics.test.hamming_loss": 1 - matrix["metrics.test.f1_micro"]})
    one, other = (worth(Evidence(wrong), metric) for metric in ("f1_micro", "hamming_loss"))
    assert other.arms["worth"].iloc[0] == pytest.approx(one.arms["worth"].iloc[0])
    assert (other.labels["rise"].dropna() < 0).all()
    assert other.curves["value"].is_monotonic_decreasing and (other.curves["low"] <= other.curves["high"]).all()


def test_the_report_says_it_and_shows_it(tmp_path: Path):
    said = make_worth_report("known", made(0.8), "f1_micro", 50, Prices(), tmp_path)
    assert said[0].startswith("minilm-embedding-frozen: of 1 arm with added documents 1 is worth labelled documents")
    assert "at 1:50, 150 documents of smollm2, label-conditioned are worth " in said[1]
    assert "; adding them pays where a label costs more than " in said[1] and " s of the machine [" in said[1]
    assert said[2].startswith("minilm-embedding-frozen: labelling 50 more than 37 documents brings micro-F1 +0.0")
    assert (tmp_path / "figures" / "worth.pdf").is_file() and (tmp_path / "report.html").is_file()
    assert (tmp_path / "tables" / "worth.csv").is_file()
    with pytest.raises(RequestError, match="runs have no such metric"):
        make_worth_report("known", made(0.8), "f2", 50, Prices(), tmp_path)
    added = made(0.8)
    with pytest.raises(RequestError, match="no run on real documents alone"):
        make_worth_report("known", added[added["choices.strategy"] != "none"], "f1_micro", 50, Prices(), tmp_path)
