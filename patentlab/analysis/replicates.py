"""Replicates: runs of one arm in one cell that differ in seeds alone, and what they share of what was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from patentlab.analysis.strategies import properties
from patentlab.config import FITTED, SEED_SOURCES

PREFIX = "seeds."
COLUMNS = [f"{PREFIX}{source}" for source in SEED_SOURCES]
_DOCUMENTS = ("split", "regime", "generation")  # what a run learns from, each drawn from those before it
_WITHIN = {"regime": _DOCUMENTS[:1], "generation": _DOCUMENTS[:2], "batches": _DOCUMENTS}
Levels = NDArray[np.int64]


def effective_seeds(matrix: pd.DataFrame, strategy: str | None = None) -> pd.DataFrame:
    """The seed of each source of randomness of each run.

    Args:
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`.
        strategy: Taken to be that of all runs; None for their own.

    Returns:
        ``seeds.split`` and so on, with the index of the matrix; NaN where a run does not draw on the source.
    """
    seed, empty = matrix["choices.seed"], pd.Series(None, matrix.index, dtype=object)
    found = {}
    for column in COLUMNS:
        own = matrix.get(f"settings.{column}", empty)
        found[column] = pd.to_numeric(own.where(own.notna(), seed))
    names = matrix["choices.strategy"] if strategy is None else pd.Series(strategy, matrix.index)
    known = {name: properties(str(name)) for name in names.unique()}
    draws = names.map(lambda name: known[name].draws).astype(bool)
    of_sources = names.map(lambda name: known[name].uses_sources).astype(bool)
    sources = matrix.get("settings.strategy.sources", empty).fillna("mixture").astype(str)
    whole = (matrix["choices.regime"] == "1:1") & matrix.get("settings.mix.budget", empty).isna()
    fitted = matrix.get("settings.model.kind", empty).isin(FITTED)
    idle = {"generation": ~draws, "regime": whole & ~(of_sources & (sources != "mixture")), "weights": fitted,
            "batches": fitted}  # fmt: skip
    for source, rows in idle.items():
        found[PREFIX + source] = found[PREFIX + source].mask(rows)
    return pd.DataFrame(found, matrix.index)


def set_apart(seeds: pd.DataFrame) -> pd.Series[bool]:
    """Which runs have other seeds for some sources than for others."""
    values = seeds[COLUMNS]
    return values.max(axis=1) > values.min(axis=1)


def replicate_names(seeds: pd.DataFrame) -> pd.Series:
    """What tells replicates apart: the seed or, where any run has several, those that differ between runs.

    Args:
        seeds: As of :func:`effective_seeds`.

    Returns:
        ``0``, or ``split 0, weights 2``; sources that always have the same seed are named together.
    """
    if not set_apart(seeds).any():
        return seeds[COLUMNS].max(axis=1).astype("int64")
    together: dict[tuple[float, ...], list[str]] = {}
    for source in varying(seeds) or SEED_SOURCES:
        together.setdefault(tuple(seeds[PREFIX + source].fillna(-1)), []).append(source)
    names = pd.Series("", seeds.index)
    for values, sources in together.items():
        shown = [f"{'/'.join(sources)} {value:.0f}" if value >= 0 else "" for value in values]
        names = names.str.cat(shown, ", ").str.strip(", ")
    return names.replace("", "the same")


def varying(seeds: pd.DataFrame) -> list[str]:
    """The sources that were drawn more than once."""
    return [source for source in SEED_SOURCES if len(seeds[PREFIX + source].dropna().unique()) > 1]


def drawn_levels(seeds: pd.DataFrame) -> dict[str, Levels]:
    """What was drawn from each source that varies, numbered.

    A subset, added documents and an order are drawn from what was drawn before them: under the same number they are
    something else on another split, and so another level. Initial weights are the same ones on every split.

    Args:
        seeds: Of runs of one arm in one cell.

    Returns:
        The level of each run by source; sources that vary together are one (``split, regime and weights``).
    """
    return _together(seeds, _WITHIN)


def levels_by_documents(seeds: pd.DataFrame) -> tuple[dict[str, Levels], dict[str, str]]:
    """The same, with what initial weights do on one training set and not on another as a level of its own.

    Args:
        seeds: As of :func:`drawn_levels`.

    Returns:
        Levels by factor; and which factors are parts of what: what weights do on every training set alike, and what
        they do on each, are both of the weights.
    """
    levels = _together(seeds, {**_WITHIN, "weights": _DOCUMENTS})
    parts = {name: name for name in levels}
    alike = next((codes for name, codes in drawn_levels(seeds).items() if "weights" in name), None)
    if alike is not None and not any(np.array_equal(alike, codes) for codes in levels.values()):
        levels["on all alike"] = alike
        parts["on all alike"] = next(name for name in levels if "weights" in name)
    return levels, parts


def _together(seeds: pd.DataFrame, within: Mapping[str, Sequence[str]]) -> dict[str, Levels]:
    """Levels of sources within levels of others; those of sources that vary together once."""
    sources, parts = varying(seeds), dict[tuple[int, ...], list[str]]()
    for source in sources:
        columns = [PREFIX + name for name in (*within.get(source, ()), source) if name in sources]
        codes = seeds.groupby(columns, sort=False, dropna=False).ngroup()
        parts.setdefault(tuple(codes.tolist()), []).append(source)
    return {listed(names): np.array(codes) for codes, names in parts.items()}


def independent_levels(seeds: pd.DataFrame) -> dict[str, Levels]:
    """The levels that are what is independent of runs: those that lie within the levels of another source are not.

    Args:
        seeds: As of :func:`drawn_levels`.
    """
    levels = drawn_levels(seeds)
    return {
        name: codes
        for name, codes in levels.items()
        if not any(other is not codes and _refines(codes, other) for other in levels.values())
    }


def speaks_of(seeds: pd.DataFrame) -> str:
    """What an interval over runs of one arm in one cell speaks of, where that is not all that is drawn.

    Args:
        seeds: Of these runs.
    """
    several = varying(seeds)
    one = [source for source in SEED_SOURCES if source not in several and seeds[PREFIX + source].notna().all()]
    if not (one and several):
        return ""
    return f"all runs have one seed of {listed(one)}: the interval speaks of {listed(several)} alone"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _refines(fine: Levels, coarse: Levels) -> bool:
    """Whether each level of the one lies in a level of the other."""
    return len(set(zip(fine.tolist(), coarse.tolist(), strict=True))) == len(set(fine.tolist()))
