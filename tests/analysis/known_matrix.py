"""Run matrices with a known truth: what the statistics should find in them is what went in."""

from typing import Any

import numpy as np
import pandas as pd


def known_matrix(
    *,
    generators: int = 14,
    seeds: int = 5,
    regimes: tuple[str, ...] = ("1:100", "1:10"),
    rho: tuple[float, ...] = (0.9, -0.7),
    gain: float = 0.03,
    duplicate_gain: float = 0.01,
    between: float = 0.01,
    noise: float = 0.004,
    shares: tuple[float, ...] = (0.2,),
    best_share: float | None = None,
    models: tuple[str, ...] = ("minilm",),
    seed: int = 0,
) -> pd.DataFrame:
    """A matrix as of read_matrix.

    Of each regime, fidelity and gain of the generators are drawn from a bivariate normal distribution with its ``rho``;
    gains have mean ``gain`` and spread ``between``; every run has ``noise`` of its own, and a seed's runs a level that
    they share; the score falls off with the squared distance to ``best_share``.
    """
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for regime, r in zip(regimes, rho, strict=True):
        x, e = draw.normal(size=(2, generators))
        mmd2, gains = 0.05 + 0.01 * x, gain + between * (r * x + np.sqrt(1 - r**2) * e)
        for model in models:
            of_seed = 0.5 + 0.02 * draw.normal(size=seeds)
            for share in shares:
                curve = 0.0 if best_share is None else -0.3 * (share - best_share) ** 2
                for number in range(seeds):
                    base = of_seed[number]
                    cell = {"model": model, "regime": regime, "mix": share, "seed": number}
                    rows.append(_row(cell, "none", base + noise * draw.normal()))
                    rows.append(_row(cell, "none", base + noise * draw.normal(), loss="focal"))
                    rows.append(_row(cell, "step_matched", base + noise * draw.normal()))
                    rows.append(_row(cell, "duplicate", base + duplicate_gain + noise * draw.normal(), added=200))
                    for index in range(generators):
                        score = base + gains[index] + curve + noise * draw.normal()
                        rows.append(_row(cell, "label_conditioned", score, f"g{index}", mmd2[index], 200))
    return pd.DataFrame(rows)


def _row(
    cell: dict[str, Any], strategy: str, score: float, generator: str | None = None, mmd2: float = np.nan,
    added: int = 0, loss: str = "bce",
) -> dict[str, Any]:  # fmt: skip
    run = "-".join(map(str, (*cell.values(), strategy, loss, generator)))
    choices = {
        "data": "patents", "head": "embedding", "adapter": "frozen", "generator": generator, "loss": loss,
        "adaptation": "none" if generator else None, "strategy": strategy, "ordering": "shuffled", **cell,
    }  # fmt: skip
    return {
        "run": run, "key": run, "status": "finished", "error": None,
        **{f"choices.{name}": value for name, value in choices.items()},
        "metrics.test.f1_micro": score, "metrics.test.f1_macro": score / 2,
        "counts.synthetic": added, "counts.real": 44 if cell["regime"] == "1:100" else 440,
        "fidelity.mmd2": mmd2, "settings.mix.budget": 250, "fingerprints.test": f"test {cell['seed']}",
    }  # fmt: skip
