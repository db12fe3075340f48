"""What papers print, recomputed, and their headline numbers beside ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy import stats

from patentlab.analysis.claims import read_quantity
from patentlab.analysis.quantities import Evidence
from patentlab.statistics.correlation_difference import (
    CorrelationDifference,
    compare_independent,
    fisher_standard_error,
)

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class RecomputedDifference:
    """Two published correlations, and what follows from them.

    Attributes:
        n: Points of each regime that the published z needs: the z from so many is nearest to it.
        z: Of Fisher's test with that n.
        agrees: Other n whose z is the published one too, in its last printed digit.
        printed_low: Lower end of tanh(Δz ± 1.96·SE), which is no interval on Δr: it cannot leave [−1, 1].
        printed_high: Upper end.
        zou: The interval on Δr, with the test.
    """

    n: int
    z: float
    agrees: tuple[int, ...]
    printed_low: float
    printed_high: float
    zou: CorrelationDifference


def tanh_interval(r_1: float, n_1: int, r_2: float, n_2: int, confidence: float = 0.95) -> tuple[float, float]:
    """tanh(Δz ± z·SE): the difference of two Fisher z carried back to the scale of one correlation.

    It is sometimes printed as an interval on Δr, and is none: Δr lies between −2 and 2. Zou's is one.

    Raises:
        UndecidableError: An n is below 4, or an r is −1 or 1.
    """
    compare_independent(r_1, n_1, r_2, n_2)
    half = stats.norm.ppf((1 + confidence) / 2) * fisher_standard_error(n_1, n_2)
    difference = np.arctanh(r_1) - np.arctanh(r_2)
    return float(np.tanh(difference - half)), float(np.tanh(difference + half))


def recompute(r_1: float, r_2: float, z: float, decimals: int = 2, most: int = 10_000) -> RecomputedDifference:
    """What two published correlations and the z of their difference imply.

    Args:
        r_1: First correlation.
        r_2: Second correlation.
        z: Published, of Fisher's test of separate samples of one size.
        decimals: Digits that z is printed with.
        most: The largest n to try.

    Returns:
        The n that is consistent with z, and the intervals that it gives.

    Raises:
        UndecidableError: An r is −1 or 1.
    """
    candidates = np.arange(4, most + 1)
    values = (np.arctanh(r_1) - np.arctanh(r_2)) * np.sqrt((candidates - 3) / 2)
    n = int(candidates[np.abs(values - z).argmin()])
    zou = compare_independent(r_1, n, r_2, n)
    agrees = tuple(int(one) for one in candidates[np.abs(values - z) <= 0.5 * 10**-decimals + 1e-12])
    return RecomputedDifference(n, zou.z, agrees, *tanh_interval(r_1, n, r_2, n), zou)


def read_published(folder: Path) -> list[dict[str, Any]]:
    """The files of published numbers, a paper each.

    Args:
        folder: ``conf/published``.

    Returns:
        ``paper, title, numbers`` and, where a paper prints two correlations, ``correlations``.

    Raises:
        RequestError: A quantity is none.
    """
    papers = []
    for path in sorted(folder.glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for number in content["numbers"]:
            if "quantity" in number:
                number["quantity"] = read_quantity(f"{path}: {number['what']}", number["quantity"])
        papers.append(content)
    return papers


def beside_published(papers: list[dict[str, Any]], evidence: Evidence | None) -> pd.DataFrame:
    """Published numbers with those of a run matrix beside them.

    Args:
        papers: As of :func:`read_published`.
        evidence: The matrix, if there is one.

    Returns:
        A row per number: ``paper, what, printed, ours, low, high, n, of, sentence``; ``of`` names the runs that ours
        comes from. Where there is no number of ours, it is NaN and the sentence says that it is not measured, and why.
    """
    rows = []
    for paper in papers:
        for number in paper["numbers"]:
            row: dict[str, Any] = {"paper": paper["paper"], "what": number["what"], "printed": number["printed"]}
            row |= {"ours": np.nan, "low": np.nan, "high": np.nan, "n": 0, "of": ""}
            row["sentence"] = NOT_MEASURED
            if evidence is not None and "quantity" in number:
                found = evidence.estimate(number["quantity"])
                row |= {"ours": found.value, "low": found.low, "high": found.high, "n": found.n}
                if measured := bool(np.isfinite(found.value)):
                    row["of"] = ", ".join(f"{name} {value}" for name, value in number["quantity"].where.items())
                row["sentence"] = found.sentence if measured else f"{NOT_MEASURED}: {found.sentence}"
            rows.append(row)
    return pd.DataFrame(rows)


def recomputed(papers: list[dict[str, Any]]) -> pd.DataFrame:
    """Published pairs of correlations, recomputed.

    Args:
        papers: As of :func:`read_published`.

    Returns:
        A row per paper that prints two: ``paper, r_1, r_2, z_printed, n, z, printed_low, printed_high`` (the interval
        that the paper prints), ``tanh_low, tanh_high`` (how it comes about), ``zou_low, zou_high`` (the interval on
        Δr).
    """
    rows = []
    for paper in papers:
        if "correlations" not in paper:
            continue
        printed = paper["correlations"]
        (r_1, r_2), (low, high) = printed["r"], printed["interval"]
        found = recompute(r_1, r_2, printed["z"])
        row = {"paper": paper["paper"], "r_1": r_1, "r_2": r_2, "z_printed": printed["z"]}
        row |= {"n": found.n, "z": found.z, "printed_low": low, "printed_high": high}
        row |= {"tanh_low": found.printed_low, "tanh_high": found.printed_high}
        rows.append(row | {"zou_low": found.zou.low, "zou_high": found.zou.high})
    return pd.DataFrame(rows)
