"""What an added document is worth: as many labelled real ones as would have brought the same score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from patentlab.analysis.arms import REAL_ONLY, Runs, overlap_of
from patentlab.analysis.quantities import Evidence
from patentlab.analysis.replicates import set_apart
from patentlab.evaluation import lower_is_better
from patentlab.statistics.learning_curve import Equivalent, LearningCurve, equivalent, fit_curve
from patentlab.statistics.undecidable import UndecidableError

SAME_SIZE = 0.01  # of a number of documents: what differs by less is one point of a curve
_OF_SIZE = ("regime", "mix", "budget", "ordering")
_COSTS = {"seconds": ["synthesis.generation_seconds", "synthesis.adaptation_seconds"], "tokens": ["synthesis.tokens"]}
BEYOND, BELOW = "beyond the curve", "below the curve"


@dataclass(frozen=True)
class Prices:
    """What documents cost.

    Attributes:
        label: To have a real document labelled; None where nobody said.
        document: To have one generated; None for the seconds that it took.
    """

    label: float | None = None
    document: float | None = None


@dataclass(frozen=True)
class Worth:
    """Tables of what documents are worth.

    Attributes:
        curves: Learning curves on real documents, a row a point of the band: the columns of a curve (classifier and
            whatever conditions but those of its size), ``documents, value, low, high``.
        points: Of the curves: the same columns, ``documents, mean, n``.
        arms: A row an arm with added documents under a regime: the columns of a curve, ``regime, mix, budget, arm``,
            ``documents`` (real ones of its own), ``added, score``; ``worth`` in real documents beyond its own, with
            ``worth_low, worth_high``, infinite beyond the curve, minus infinity below it (no end is lower than all of
            its own: a size is not below 0); ``rate``, that of a document added, with its
            interval; ``seconds`` and ``tokens`` of generation for a document added; ``pays_above``, the price of a
            label from which on adding pays, with its interval (see :func:`break_even`); ``shape`` of the curve;
            ``seeds, sentence``.
        labels: What labelling more brings instead: the columns of a curve, ``documents, more, rise, rise_low,
            rise_high, sentence``.
    """

    curves: pd.DataFrame
    points: pd.DataFrame
    arms: pd.DataFrame
    labels: pd.DataFrame


def worth(
    evidence: Evidence, metric: str = "f1_micro", more: int = 50, prices: Prices | None = None, confidence: float = 0.95
) -> Worth:
    """Project each arm with added documents onto the learning curve of its classifier.

    The curve goes through runs on real documents alone, whatever part of them a mix took: what counts is how many
    there are. Arm and curve have the same seeds, and so the same test documents; those that either lacks are left out.

    Args:
        evidence: The matrix.
        metric: The score.
        more: Documents whose labelling is told of.
        prices: Of documents.
        confidence: Of intervals.

    Returns:
        The tables; what cannot be told is NaN, with a sentence.
    """
    runs = _with_costs(evidence)
    keys = [name for name in runs.cell if name not in _OF_SIZE]
    sign = -1 if lower_is_better(metric) else 1
    curves, points, rows, labels = [], [], [], []
    for conditions, group in _groups(runs.table.assign(score=sign * runs.table[metric].astype(float)), keys):
        real = _sizes(group[group["arm"] == REAL_ONLY])
        added = group[(group["counts.synthetic"] > 0) & (group["arm"] != REAL_ONLY)]
        if real.empty or (group["model"] == "constant").all():
            continue
        points.append(_of_sizes(real, sign).assign(**conditions))
        overlap, table = overlap_of(group), real.pivot_table("score", "seed", "documents", dropna=False)
        try:
            curve, _ = _curve(table, overlap)
            low, high = sorted((sign * end for end in curve.band(confidence)), key=lambda end: end[0])
            band = {"documents": curve.grid, "value": sign * curve.heights, "low": low, "high": high}
            curves.append(pd.DataFrame(band).assign(**conditions))
            labels += [conditions | one for one in _labelling(curve, more, sign, confidence)]
        except UndecidableError as reason:
            labels.append(conditions | {"documents": np.nan, "more": more, "sentence": str(reason)})
        for key, part in _groups(added, [*_OF_SIZE, "arm"]):
            row = conditions | key | _arm(part, table, overlap, sign, confidence)
            rows.append(row | _money(row, prices or Prices()))
    return Worth(_joined(curves), _joined(points), pd.DataFrame(rows), pd.DataFrame(labels))


def break_even(added: float, price: float, equivalents: float) -> float:
    """The price of a label from which on adding documents pays: what they cost for each label that they stand for.

    Args:
        added: Documents.
        price: Of one.
        equivalents: Labelled documents that they are worth; infinite where no label's price is too low.

    Returns:
        The price; infinite where they are worth nothing.
    """
    return float(added * price / equivalents) if equivalents > 0 else np.inf


def _with_costs(evidence: Evidence) -> Runs:
    """Runs with what each of their added documents took to generate."""
    runs, matrix = evidence.runs, evidence.matrix.drop_duplicates("run").set_index("run")
    accepted = pd.to_numeric(matrix.get("synthesis.accepted", pd.Series(np.nan, matrix.index)))
    table = runs.table
    for name, columns in _COSTS.items():
        known = [column for column in columns if column in matrix]
        total = matrix[known].apply(pd.to_numeric).sum(axis=1, min_count=1) / accepted if known else accepted * np.nan
        table = table.assign(**{name: table["run"].map(total)})
    return Runs(table, runs.cell)


def _sizes(real: pd.DataFrame) -> pd.DataFrame:
    """Runs on real documents alone, with ``documents``, the mean number of them over seeds."""
    keys = list(_OF_SIZE[:3])
    real = real.assign(documents=real.groupby(keys, dropna=False)["counts.real"].transform("mean"))
    nearest: dict[float, float] = {}
    for size in sorted(set(real["documents"])):
        last = next(reversed(nearest.values()), None)
        nearest[size] = last if last is not None and size - last <= SAME_SIZE * last else size
    real = real.assign(documents=real["documents"].map(nearest))
    return real.drop_duplicates(["documents", "seed"])  # the same documents under another mix


def _of_sizes(real: pd.DataFrame, sign: int) -> pd.DataFrame:
    means = real.groupby("documents")["score"].agg(mean="mean", n="count").reset_index()
    return means.assign(mean=sign * means["mean"])


def _curve(scores: pd.DataFrame, overlap: float, seeds: pd.Index | None = None) -> tuple[LearningCurve, pd.Index]:
    """Through the seeds (rows) that all sizes have, of those that are asked for; and these seeds."""
    whole = (scores if seeds is None else scores.loc[scores.index.intersection(seeds)]).dropna()
    if whole.empty:
        raise UndecidableError("no seed has all regimes of real documents")
    return fit_curve(whole.columns.to_numpy(float), whole.to_numpy(), overlap), whole.index


def _labelling(curve: LearningCurve, more: int, sign: int, confidence: float) -> Iterator[dict[str, Any]]:
    for size in curve.sizes:
        row: dict[str, Any] = {"documents": size, "more": more, "rise": np.nan, "rise_low": np.nan, "rise_high": np.nan}
        try:
            value, low, high = curve.rise(float(size), more, confidence)
            row |= {"rise": sign * value} | dict(
                zip(("rise_low", "rise_high"), sorted((sign * low, sign * high)), strict=True)
            )
            yield row | {"sentence": ""}
        except UndecidableError as reason:
            yield row | {"sentence": str(reason)}


def _arm(part: pd.DataFrame, real: pd.DataFrame, overlap: float, sign: int, confidence: float) -> dict[str, Any]:
    own, added = part["counts.real"].mean(), part["counts.synthetic"].mean()
    row: dict[str, Any] = {"documents": own, "added": added, "score": sign * part["score"].mean(),
                           "seconds": part["seconds"].mean(), "tokens": part["tokens"].mean()}  # fmt: skip
    names = ("worth", "worth_low", "worth_high", "rate", "rate_low", "rate_high")
    nothing = dict.fromkeys(names, np.nan) | {"shape": "", "seeds": part["seed"].nunique()}
    if part["seed"].duplicated().any():
        return row | nothing | {"sentence": "a seed is there twice"}
    scores = part.set_index("seed")["score"].dropna()
    try:
        curve, shared = _curve(real, overlap, scores.index)
    except UndecidableError as reason:
        return row | nothing | {"sentence": str(reason)}
    found = equivalent(curve, scores.loc[shared].to_numpy(), confidence)
    values = np.array([size - own for size in (found.size or -np.inf, found.low, found.high)])
    row |= dict(zip(names, [*values, *values / added], strict=True))
    return row | {"shape": curve.shape, "seeds": curve.seeds, "sentence": _sentence(found, curve, part)}


def _sentence(found: Equivalent, curve: LearningCurve, part: pd.DataFrame) -> str:
    said = []
    if found.size == np.inf:
        said.append(f"{BEYOND}, which ends at {curve.sizes[-1]:g} documents")
    elif found.size == 0:
        said.append(f"{BELOW}, which begins at {curve.sizes[0]:g} documents")
    if np.isnan(found.low):
        said.append("no interval of one seed")
    elif found.low == 0 and found.high == np.inf:
        said.append("no place of the curve is told from it")
    if set_apart(part).any():
        said.append("seeds were drawn apart, and are taken for independent")
    return "; ".join(said)


def _money(row: dict[str, Any], prices: Prices) -> dict[str, float]:
    price = row["seconds"] if prices.document is None else prices.document
    ends = ("worth", "worth_high", "worth_low")  # the more documents are worth, the lower the price that they pay at
    names = ("pays_above", "pays_above_low", "pays_above_high")
    paid = {
        name: np.nan if np.isnan(row[end]) or np.isnan(price) else break_even(row["added"], price, row[end])
        for name, end in zip(names, ends, strict=True)
    }
    if prices.label is None:
        return paid
    saved = {end: row[end] * prices.label - row["added"] * price for end in ("worth", "worth_low", "worth_high")}
    return paid | {end.replace("worth", "saved"): value for end, value in saved.items()}


def _groups(table: pd.DataFrame, keys: list[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    for key, group in table.groupby(keys, dropna=False, sort=False):
        yield dict(zip(keys, key, strict=True)), group


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
