"""How often claims are decided wrongly and printed intervals hold the truth: ``make coverage`` prints the table.

Designs are drawn as a sweep would give them: what seeds and generators share is in them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pytest

from patentlab.analysis.arms import Arm, Runs
from patentlab.analysis.claims import Claim, Claims, check_claims
from patentlab.analysis.optimum import contains, optimum
from patentlab.analysis.quantities import Evidence, Quantity
from patentlab.analysis.replicates import COLUMNS
from patentlab.statistics.aggregation import cluster_means, t_interval
from patentlab.statistics.undecidable import UndecidableError

pytestmark = pytest.mark.slow

SIMULATIONS = 2000
MOST_FALSE = 0.06  # of families
LEAST_COVERED = 0.93
CELL = ["regime", "budget"]
SEEDS = 5


class Drawn(Evidence):
    """Gains over seeds of corpora of generators at some temperatures, in two regimes, and nothing else."""

    def __init__(self, table: pd.DataFrame) -> None:
        super().__init__(pd.DataFrame())
        self._table = table

    @cached_property
    def runs(self) -> Runs:
        return Runs(self._table, CELL)

    @cached_property
    def pairs(self) -> Runs:
        return Runs(self._table, CELL)

    @cached_property
    def _known(self) -> dict[str, pd.DataFrame]:
        """What :meth:`_points` gives, in a hundredth of the time: every arm has all seeds, and one loss."""
        names = {"fidelity.mmd2": "x", "gain.f1_micro": "y"}
        of = self._table.assign(arm=self._table["arm"].map(str)).rename(columns=names).groupby(["regime", "arm"])
        table = of[["x", "y"]].mean().assign(cluster=of["cluster"].first())
        return {str(regime): part.droplevel("regime") for regime, part in table.groupby("regime")}

    def _points(self, quantity: Quantity, **more: Any) -> pd.DataFrame:
        return self._known[self._regime({**quantity.where, **more}["regime"])]


def draw(
    seed: int, generators: int, temperatures: int, *, gain: float, rho: float, between: float = 0.7, noise: float = 0.5
) -> Drawn:
    """Of the spread of fidelity and gain of corpora (1 and 0.01) generators have a share, temperatures the rest.

    Fidelity and gain of generators correlate by ``rho``, and so do what temperatures add to each, on its own.
    """
    random = np.random.default_rng(seed)
    parts = []
    for regime in ("1:100", "1:10"):
        root = np.linalg.cholesky([[1, rho], [rho, 1]])
        of_generator = (root @ random.normal(size=(2, generators)))[..., None]
        of_corpus = (root @ random.normal(size=(2, generators * temperatures))).reshape(2, generators, temperatures)
        x, y = np.sqrt(between) * of_generator + np.sqrt(1 - between) * of_corpus
        of_seed = random.normal(size=SEEDS)  # a seed's split moves the gains of all corpora
        errors = random.normal(size=(generators, temperatures, SEEDS))
        gains = gain + 0.01 * (y[..., None] - y.mean() + 0.5 * of_seed + noise * errors)
        index = pd.MultiIndex.from_product([range(generators), range(temperatures), range(SEEDS)])
        table = pd.DataFrame({"gain.f1_micro": gains.ravel()}, index).reset_index(names=["generator", "t", "seed"])
        table["fidelity.mmd2"] = np.repeat(x.ravel(), SEEDS)
        parts.append(table.assign(regime=regime))
    table = pd.concat(parts, ignore_index=True)
    arms = {
        (g, t): Arm("label_conditioned", f"g{g}", settings=(("settings.generator.temperature", t),))
        for g in range(generators)
        for t in range(temperatures)
    }
    names = [arms[pair] for pair in zip(table["generator"], table["t"], strict=True)]
    table["arm"], table["cluster"] = pd.Series(names, dtype=object), table["generator"].map("g{}".format)
    table[["contrast", "budget", "strategy", "loss"]] = "gain", 250, "label_conditioned", "bce"
    for column in COLUMNS:
        table[column] = table["seed"]
    return Drawn(table.assign(test_set="one", overlap=0.0))


def claim(name: str, kind: str, direction: str = "above", **quantity: Any) -> Claim:
    return Claim(name, name, Quantity(kind, **quantity), direction)


SCARCE, PLENTY = {"regime": "scarcest"}, {"regime": "largest"}
FAMILY = Claims((
    claim("gain", "gain", where=SCARCE), claim("harm", "gain", "below", where=PLENTY),
    claim("rises", "correlation", where=SCARCE), claim("falls", "correlation", "below", where=PLENTY),
    claim("regimes differ", "correlation_difference"),
))  # fmt: skip


def families(draws: Callable[[int], Evidence], family: Claims = FAMILY) -> Iterator[pd.DataFrame]:
    for seed in range(SIMULATIONS):
        yield check_claims(draws(seed), family).set_index("claim")


def test_known_points_are_those_of_the_analysis():
    drawn = draw(0, 4, 3, gain=0.0, rho=0.5)
    for regime in ("scarcest", "largest"):
        quantity = Quantity("correlation", where={"regime": regime})
        known, found = drawn._points(quantity), Evidence._points(drawn, quantity)
        found.index = found.index.map(str)
        pd.testing.assert_frame_equal(known, found.loc[known.index], check_names=False)


@pytest.mark.parametrize(("generators", "temperatures"), [(2, 5), (4, 3), (5, 4), (8, 2), (8, 1), (14, 1)])
def test_where_nothing_is_there_few_families_decide_anything(generators: int, temperatures: int):
    decided, held, widths = 0, Counter[str](), Counter[str]()
    told: Counter[str] = Counter()
    for table in families(lambda seed: draw(seed, generators, temperatures, gain=0.0, rho=0.0)):
        decided += bool((table["verdict"] != "undecided").any())
        for name, row in table[table["low"].notna()].iterrows():
            told[str(name)] += 1
            held[str(name)] += row["low"] <= 0 <= row["high"]
            widths[str(name)] += row["high"] - row["low"]
    print(f"\n{generators} generators × {temperatures} temperatures: decided in {decided / SIMULATIONS:.3f}", end="")
    for name, times in told.items():
        print(f"; {name} covered {held[name] / times:.3f}, width {widths[name] / times:.3f}", end="")
        assert held[name] / times >= LEAST_COVERED
    assert decided / SIMULATIONS <= MOST_FALSE
    assert ("rises" in told) == (generators >= 6)


@pytest.mark.parametrize(("generators", "temperatures"), [(8, 2), (14, 1)])
@pytest.mark.parametrize(("gain", "rho"), [(0.004, 0.5), (-0.02, -0.9)])
def test_what_is_there_is_seldom_taken_for_its_opposite(generators: int, temperatures: int, gain: float, rho: float):
    truth = {"gain": gain > 0, "harm": gain < 0, "rises": rho > 0, "falls": rho < 0}
    wrong, verdicts = 0, Counter[str]()
    for table in families(lambda seed: draw(seed, generators, temperatures, gain=gain, rho=rho)):
        false = [table.loc[name, "verdict"] == ("refuted" if true else "supported") for name, true in truth.items()]
        wrong += any(false) or str(table.loc["regimes differ", "verdict"]) != "undecided"  # they do not
        verdicts.update(name for name in truth if table.loc[name, "verdict"] != "undecided")
    found = ", ".join(f"{name} {times / SIMULATIONS:.2f}" for name, times in verdicts.items())
    print(
        f"\n{generators} × {temperatures}, gain {gain}, rho {rho}: false in {wrong / SIMULATIONS:.3f}; found {found}",
        end="",
    )
    assert wrong / SIMULATIONS <= MOST_FALSE


@pytest.mark.parametrize(("gain", "wanted"), [(0.0, "equivalent"), (0.01, None), (-0.01, None), (0.02, "supported")])
def test_equivalence_is_found_where_it_is(gain: float, wanted: str | None):
    equal = Claims((Claim("gain", "gain", Quantity("gain", where=SCARCE), "above", equivalence=0.01),))
    verdicts = Counter(
        table.loc["gain", "verdict"]
        for table in families(lambda seed: draw(seed, 8, 1, gain=gain, rho=0.0, noise=0.2), equal)
    )
    shares = {name: times / SIMULATIONS for name, times in verdicts.items()}
    print(f"\nequivalence margin 0.01, gain {gain}: {shares}", end="")
    if wanted == "equivalent":
        assert shares["equivalent"] > 0.8 and shares.get("supported", 0) + shares.get("refuted", 0) <= MOST_FALSE
    elif wanted is None:  # at the margin it is not equal
        assert shares.get("equivalent", 0) <= MOST_FALSE
    else:
        assert shares[wanted] > 0.8 and shares.get("equivalent", 0) == 0


SHARES = np.array([0.1, 0.2, 0.3, 0.5, 0.7, 1.0])
CURVES: dict[str, tuple[Callable[[Any], Any], float]] = {
    "parabola": (lambda s: -0.15 * (s - 0.25) ** 2, 0.25),
    "saturating": (lambda s: 0.1 * (1 - np.exp(-s / 0.1)) - 0.1 * s, 0.1 * np.log(10)),
    "saturating, then falling": (lambda s: 0.05 * np.minimum(s / 0.25, 1) - 0.06 * np.maximum(s - 0.25, 0), 0.25),
    "log peak": (lambda s: -0.02 * np.log(s / 0.25) ** 2, 0.25),
}


def curve(name: str, seed: int, seeds: int, noise: float = 0.008) -> pd.DataFrame:
    """Scores at shares: the level of each seed, the curve, and noise."""
    random = np.random.default_rng([seed, seeds])
    of = 0 * SHARES if name == "flat" else np.asarray(CURVES[name][0](SHARES))
    scores = random.normal(scale=0.02, size=(seeds, 1)) + of + random.normal(scale=noise, size=(seeds, len(SHARES)))
    return pd.DataFrame({"share": np.tile(SHARES, seeds), "score": scores.ravel(),
                         "seed": np.repeat(range(seeds), len(SHARES))})  # fmt: skip


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("name", CURVES)
def test_true_claims_about_the_best_share_are_seldom_refuted(name: str, seeds: int):
    best = CURVES[name][1]
    verdicts: Counter[str] = Counter()
    widths = []
    for seed in range(SIMULATIONS):
        try:
            found = optimum(curve(name, seed, seeds), resamples=20)
        except UndecidableError:
            verdicts["no optimum told"] += 1
            continue
        widths.append(found.high - found.low)
        verdicts["covered"] += found.low <= best <= found.high
        verdicts["true claim refuted"] += contains(found, 0.2, 0.3) == "refuted"
        verdicts["false claim supported"] += contains(found, 0.3, 0.6) == "supported"
        verdicts["false claim refuted"] += contains(found, 0.6, 1.0) == "refuted"
    told = SIMULATIONS - verdicts["no optimum told"]
    shares = ", ".join(f"{what} {times / SIMULATIONS:.3f}" for what, times in verdicts.items())
    print(f"\n{name}, {seeds} seeds: {shares}; width {np.mean(widths):.2f}", end="")
    assert verdicts["true claim refuted"] / SIMULATIONS <= 0.05
    assert verdicts["false claim supported"] / SIMULATIONS <= MOST_FALSE
    assert verdicts["covered"] / told >= LEAST_COVERED


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_on_a_flat_curve_no_optimum_is_named(seeds: int):
    named = 0
    for seed in range(SIMULATIONS):
        try:
            optimum(curve("flat", seed, seeds), resamples=20)
            named += 1
        except UndecidableError:
            pass
    print(f"\nflat curve, {seeds} seeds: no optimum named in {1 - named / SIMULATIONS:.3f}", end="")
    assert 1 - named / SIMULATIONS >= 0.94


@pytest.mark.parametrize(
    "sizes", [(3, 3, 3, 3), (1, 2, 4, 6, 2), (2, 2, 2, 2, 2, 2), (1, 2, 3, 4, 1, 2, 3, 4), (2,) * 14]
)
@pytest.mark.parametrize("between", [0.2, 0.8])
def test_mean_gains_over_generators_cover(sizes: tuple[int, ...], between: float):
    names = np.repeat(np.arange(len(sizes)), sizes)
    held, widths = 0, []
    for seed in range(SIMULATIONS):
        random = np.random.default_rng(seed)
        own = random.normal(size=len(sizes))[names]
        values = np.sqrt(between) * own + np.sqrt(1 - between) * random.normal(size=len(names))
        found = t_interval(cluster_means(values, names))
        held += found.low <= 0 <= found.high
        widths.append(found.high - found.low)
    covered = held / SIMULATIONS
    print(f"\nmean over {len(sizes)} generators, {between} of the spread theirs: covered {covered:.3f}, ", end="")
    print(f"width {np.mean(widths):.2f}", end="")
    assert covered >= LEAST_COVERED
