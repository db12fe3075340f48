"""Claims as statements that a run matrix can support, refute, find negligible, or leave undecided."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from patentlab.analysis.optimum import contains
from patentlab.analysis.quantities import Estimate, Evidence, Quantity
from patentlab.config import RequestError, closest, config_folder
from patentlab.statistics.arrays import Floats
from patentlab.statistics.multiple_testing import holm
from patentlab.statistics.power import LEVEL

DIRECTIONS = ("above", "below", "within")
_ADJUSTMENTS = ("holm", "none")


@dataclass(frozen=True)
class Claim:
    """A statement about a quantity.

    Attributes:
        name: Short, of the file its own.
        says: The statement, in words.
        quantity: What it is about.
        direction: ``above`` or ``below`` the margin, or ``within`` bounds (of an optimum).
        margin: What it is above or below of.
        bounds: Of ``within``.
        equivalence: How far from the margin a quantity may lie and still count as equal to it; None: no distance is
            negligible.
        source: Who makes it.
    """

    name: str
    says: str
    quantity: Quantity
    direction: str
    margin: float = 0.0
    bounds: tuple[float, float] | None = None
    equivalence: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Claims:
    """The claims of a file: one family of tests.

    Attributes:
        claims: In their order.
        level: Probability at which a claim that is true in neither direction is decided all the same.
        adjust: ``holm``: the level holds for all claims of the file together; ``none``: for each.
    """

    claims: tuple[Claim, ...]
    level: float = LEVEL
    adjust: str = "holm"


def claims_file(name: str) -> Path:
    """The file of ``conf/claims/`` with a name, or the one at a path.

    Args:
        name: Without a suffix, or a path.

    Raises:
        RequestError: There is no such file.
    """
    known = {path.stem: path for path in (config_folder() / "claims").glob("*.yaml")}
    if name not in known and not Path(name).is_file():
        raise RequestError(f"claims={closest(name, known)}: no such file; conf/claims/ has {', '.join(sorted(known))}")
    return known.get(name, Path(name))


def read_claims(path: Path) -> Claims:
    """Read a claims file.

    Args:
        path: A YAML file: ``claims``, a list of ``name, says, quantity, direction, margin, bounds, equivalence,
            source``; ``level`` and ``adjust``.

    Raises:
        RequestError: It is not there, or says something that a claims file cannot.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(f"claims={path}: no such file") from None
    except yaml.YAMLError as error:
        raise RequestError(f"claims={path}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not isinstance(content.get("claims"), list):
        raise RequestError(f"claims={path}: needs a list of claims")
    _known(path, "", content, ("claims", "level", "adjust"))
    level, adjust = content.get("level", LEVEL), content.get("adjust", "holm")
    if adjust not in _ADJUSTMENTS:
        raise RequestError(f"{path}: adjust={adjust}: allowed are {', '.join(_ADJUSTMENTS)}")
    if not isinstance(level, float) or not 0 < level < 1:
        raise RequestError(f"{path}: level={level}: must be between 0 and 1")
    claims = tuple(_claim(path, entry) for entry in content["claims"])
    names = [claim.name for claim in claims]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RequestError(f"{path}: claims named twice: {', '.join(twice)}")
    return Claims(claims, level, adjust)


def check_claims(evidence: Evidence, family: Claims) -> pd.DataFrame:
    """What a matrix says to each claim.

    Verdicts are read off the intervals that are printed. Those are as wide as Holm's adjustment asks for: a claim that
    is decided has the interval of the level at which it was, the others that of the level at which it stopped. A claim
    is ``equivalent`` where its interval lies wholly within its equivalence margin (two one-sided tests), ``supported``
    where it lies beyond the margin in the claim's direction, ``refuted`` where it does in the other, else
    ``undecided``; so is what has no interval.

    Args:
        evidence: The matrix.
        family: The claims.

    Returns:
        A row per claim: ``claim, verdict, says, value, low, high, confidence`` (of the interval), ``margin, p,
        p_adjusted, n, smallest_low, smallest_high`` (between which lies the distance from the margin that would have
        been found with power 0.8), ``takes`` (what it would take to decide it), ``sentence, source``.
    """
    first = [evidence.estimate(claim.quantity, claim.margin, 1 - family.level) for claim in family.claims]
    p = np.array([estimate.p if estimate.decides else np.nan for estimate in first])
    levels, adjusted = _levels(p, np.array([estimate.decides for estimate in first]), family)
    rows = []
    for claim, level, p_adjusted in zip(family.claims, levels, adjusted, strict=True):
        estimate = evidence.estimate(claim.quantity, claim.margin, 1 - level)
        verdict = _verdict(claim, estimate, level)
        row: dict[str, Any] = {"claim": claim.name, "verdict": verdict, "says": claim.says, "value": estimate.value}
        row |= {"low": estimate.low, "high": estimate.high, "confidence": 1 - level if estimate.decides else np.nan}
        row |= {"margin": claim.margin, "p": estimate.p, "p_adjusted": p_adjusted, "n": estimate.n}
        row |= {"smallest_low": estimate.smallest[0], "smallest_high": estimate.smallest[1]}
        row |= {"takes": estimate.takes if verdict == "undecided" else "", "sentence": estimate.sentence}
        rows.append(row | {"source": claim.source})
    return pd.DataFrame(rows)


def read_quantity(place: str, entry: Any) -> Quantity:
    """A quantity out of a YAML file.

    Args:
        place: For messages.
        entry: A mapping with the fields of :class:`Quantity`.

    Raises:
        RequestError: It is none.
    """
    if not isinstance(entry, dict) or "kind" not in entry:
        raise RequestError(f"{place}: quantity: needs a kind")
    _known(place, "quantity.", entry, tuple(one.name for one in fields(Quantity)))
    values = dict(entry)
    for name in ("regimes", "sides"):
        if name in values:
            given = values[name] if isinstance(values[name], list) else ()
            values[name] = tuple("nan" if one is None else str(one) for one in given)
            if len(values[name]) != 2:
                raise RequestError(f"{place}: quantity.{name}: needs two")
    if not isinstance(values.get("where", {}), dict):
        raise RequestError(f"{place}: quantity.where: needs columns and their values")
    return Quantity(**values)


def _claim(path: Path, entry: Any) -> Claim:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise RequestError(f"{path}: every claim needs a name")
    place = f"{path}: {entry['name']}"
    _known(place, "", entry, tuple(one.name for one in fields(Claim)))
    if missing := [name for name in ("says", "quantity", "direction") if name not in entry]:
        raise RequestError(f"{place}: has no {', '.join(missing)}")
    quantity = read_quantity(place, entry["quantity"])
    claim = Claim(**{**entry, "quantity": quantity})
    if claim.direction not in DIRECTIONS:
        raise RequestError(f"{place}: direction={claim.direction}: allowed are {', '.join(DIRECTIONS)}")
    if (claim.direction == "within") != (quantity.kind == "optimum"):
        raise RequestError(f"{place}: direction=within goes with an optimum, and with nothing else")
    if claim.direction == "within":
        bounds = entry.get("bounds")
        if not isinstance(bounds, list) or len(bounds) != 2 or not bounds[0] <= bounds[1]:
            raise RequestError(f"{place}: bounds: needs a lower and an upper share")
    elif isinstance(claim.margin, bool) or not isinstance(claim.margin, int | float):
        raise RequestError(f"{place}: margin={claim.margin}: must be a number")
    equal = claim.equivalence
    if equal is not None and (claim.direction == "within" or not isinstance(equal, int | float) or not equal > 0):
        raise RequestError(f"{place}: equivalence={equal}: must be a number above 0, of a claim with a margin")
    if quantity.kind == "correlation_difference" and claim.margin != 0:
        raise RequestError(f"{place}: margin: a difference of correlations can be held against 0 alone")
    if quantity.kind == "correlation" and not -1 < claim.margin < 1:
        raise RequestError(f"{place}: margin={claim.margin}: a correlation lies between -1 and 1")
    return claim


def _levels(p: Floats, decides: NDArray[np.bool_], family: Claims) -> tuple[Floats, Floats]:
    """The level of each claim's interval, and its adjusted p.

    Claims that have an interval make up the family. Those of them without a p, which are decided by their intervals
    alone, have Bonferroni's level.
    """
    told = int(decides.sum())
    if family.adjust == "none" or told == 0:
        return np.full(len(p), family.level), p
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    # those without a p stand last, where Holm's steps do not reach them
    adjusted = p.copy()
    padded = holm(np.concatenate([p[known], np.ones(told - len(known))]))
    adjusted[known] = padded[: len(known)]
    levels = np.where(decides, family.level / told, family.level)
    rejected = int((adjusted[known] < family.level).sum())
    for place, position in enumerate(order):
        levels[position] = family.level / (told - min(place, rejected))
    return levels, adjusted


def _verdict(claim: Claim, estimate: Estimate, level: float) -> str:
    if claim.direction == "within":
        if estimate.optimum is None or claim.bounds is None:
            return "undecided"
        return contains(estimate.optimum, *claim.bounds)
    if not estimate.decides:
        return "undecided"
    margin, around = claim.margin, claim.equivalence
    if around is not None and margin - around < estimate.low and estimate.high < margin + around:
        return "equivalent"
    # a permutation test may know better than the interval of a correlation
    if estimate.low <= margin <= estimate.high or not estimate.p < level:
        return "undecided"
    return "supported" if (estimate.low > margin) == (claim.direction == "above") else "refuted"


def _known(place: Path | str, prefix: str, entry: dict[str, Any], allowed: tuple[str, ...]) -> None:
    if wrong := [str(name) for name in entry if name not in allowed]:
        raise RequestError(f"{place}: {prefix}{closest(wrong[0], allowed)}: allowed are {', '.join(allowed)}")
