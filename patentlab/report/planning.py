"""Answers without a run: two correlations by hand, and what a planned matrix could show."""

from __future__ import annotations

from patentlab.analysis.published import tanh_interval
from patentlab.config import RequestError
from patentlab.report.request import Settings, numbers_of
from patentlab.statistics.correlation import fisher_interval
from patentlab.statistics.correlation_difference import compare_independent
from patentlab.statistics.power import (
    points_for_correlations,
    sd_interval,
    seeds_for_difference,
    smallest_correlation_difference,
    smallest_mean_difference,
)
from patentlab.statistics.undecidable import UndecidableError


def compare_by_hand(settings: Settings) -> list[str]:
    """Do two correlations of separate samples differ?

    Args:
        settings: ``r`` and ``n``, two of each, and ``level``.

    Returns:
        Lines to print.

    Raises:
        RequestError: The numbers are none that can be compared.
    """
    r, n = numbers_of(settings, "r", 2), [round(one) for one in numbers_of(settings, "n", 2)]
    level = numbers_of(settings, "level", 1)[0]
    confidence = 1 - level
    try:
        found = compare_independent(r[0], n[0], r[1], n[1], confidence)
        low, high = tanh_interval(r[0], n[0], r[1], n[1], confidence)
        smallest = smallest_correlation_difference(n[0], n[1], level=level)
        own = [(one, size, *fisher_interval(one, size, confidence)) for one, size in zip(r, n, strict=True)]
    except UndecidableError as reason:
        raise RequestError(f"r={settings['r']} n={settings['n']}: {reason}") from reason
    share = f"{confidence:.0%} interval"
    return [
        *(f"r = {one:+.3f}  n = {size}  {share} [{start:+.3f}, {end:+.3f}] (Fisher)" for one, size, start, end in own),
        f"z = {found.z:+.2f}  p = {found.p:.2g} (Fisher's test of separate samples)",
        f"difference = {found.difference:+.3f}  {share} [{found.low:+.3f}, {found.high:+.3f}] (Zou 2007)",
        f"tanh of the {share} on Δz: [{low:+.3f}, {high:+.3f}], which is no interval on the difference",
        f"smallest difference that these n show with power 0.8: {smallest:.3f} (around zero, where it is largest)",
    ]


def level_and_power(settings: Settings) -> tuple[float, float]:
    """Level and power of a planned test.

    Raises:
        RequestError: They are not between 0 and 1, or the power is not above the level.
    """
    level, wanted = numbers_of(settings, "level", 1)[0], numbers_of(settings, "power", 1)[0]
    if not (0 < level < 1 and level < wanted < 1):
        raise RequestError(f"level={level:g} power={wanted:g}: must be between 0 and 1, and the power above the level")
    return level, wanted


def planned(settings: Settings) -> str:
    """What so many points or seeds show, or how many a difference needs.

    Args:
        settings: ``level`` and ``power``; and ``n``, ``r``, ``sd`` and ``n``, or ``sd`` and ``difference``;
            ``sd_from``, how many seeds the standard deviation was estimated from.

    Returns:
        A sentence.

    Raises:
        RequestError: Something else is given, or it cannot be told.
    """
    level, wanted = level_and_power(settings)
    try:
        return f"{_planned(settings, level, wanted)} at level {level:g} with power {wanted:g}"
    except UndecidableError as reason:
        raise RequestError(f"power: {reason}") from reason


def _planned(settings: Settings, level: float, wanted: float) -> str:
    given = {name for name in ("n", "r", "sd", "difference") if settings[name] is not None}
    if given == {"n"}:
        one, two = (round(n) for n in numbers_of(settings, "n", 2))
        smallest = smallest_correlation_difference(one, two, level=level, power=wanted)
        return f"{one} and {two} points show correlations that are {smallest:.3f} apart, around zero,"
    if given == {"r"}:
        r_1, r_2 = numbers_of(settings, "r", 2)
        if not max(abs(r_1), abs(r_2)) < 1:
            raise RequestError(f"r={settings['r']}: correlations lie between -1 and 1")
        points = points_for_correlations(r_1, r_2, level, wanted)
        return f"correlations of {r_1:g} and {r_2:g} need {points} points each"
    if given == {"sd", "n"}:
        seeds = round(numbers_of(settings, "n", 1)[0])
        gains = [f"{smallest_mean_difference(sd, seeds, level, wanted):.4f}" for sd in _spreads(settings)]
        return f"{seeds} seeds show a gain of {' to '.join(gains)}"
    if given == {"sd", "difference"}:
        difference = numbers_of(settings, "difference", 1)[0]
        needed = [f"{seeds_for_difference(difference, sd, level, wanted):,}" for sd in _spreads(settings)]
        return f"a gain of {difference:g} needs {' to '.join(needed)} seeds"
    raise RequestError("power: give n=14,14 or r=.6,-.2 or sd=… n=… or sd=… difference=… or sweep=FOLDER")


def _spreads(settings: Settings) -> list[float]:
    """The standard deviation that is given; or the ends of its interval, where it is told how it was estimated."""
    sd = numbers_of(settings, "sd", 1)[0]
    if settings["sd_from"] is None:
        return [sd]
    return list(sd_interval(sd, round(numbers_of(settings, "sd_from", 1)[0]) - 1))
