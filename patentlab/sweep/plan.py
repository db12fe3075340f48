"""What a sweep would take, from what earlier runs took."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from patentlab.config import ExperimentConfig, RequestError, from_settings, seeds_of
from patentlab.mixing.plan import Plan, plan_mixture
from patentlab.storage import digest
from patentlab.sweep.journal import Entry
from patentlab.sweep.resume import DONE
from patentlab.synthesis.generators import generator_kind
from patentlab.synthesis.strategies import find_strategy
from patentlab.tracking.record import FILE_NAME, Record, machine, read_record

_ENOUGH = 20  # earlier runs that an estimate looks at


@dataclass(frozen=True)
class PlannedRun:
    """A run that has not been executed.

    Attributes:
        entry: Its job.
        documents: It would be trained on; those of runs that are done are known, others come from one split of the
            data and may be off by a few. None where the request is wrong.
        seconds: It would take, with the synthetic documents that it is the first of the sweep to need; None where no
            earlier run is like it.
    """

    entry: Entry
    documents: int | None
    seconds: float | None


def plan_runs(entries: Sequence[Entry], folders: Iterable[Path]) -> list[PlannedRun]:
    """What each run of a sweep would be trained on, and how long it would take.

    Args:
        entries: Of a planned sweep, with settings.
        folders: Where earlier runs lie, two levels down.

    Returns:
        A plan per entry.
    """
    earlier = _earlier_runs(folders)
    pools: dict[str, int | None] = {}
    corpora = Corpora(earlier)
    planned = []
    for entry in entries:
        documents, seconds = entry.counts.get("train"), entry.seconds
        if entry.settings is not None and entry.state != DONE:
            config = from_settings(entry.settings)
            mixture = _mixture(config, pools)
            if documents is None and mixture is not None:
                documents = mixture.total if find_strategy(config.strategy_used).adds else mixture.real
            seconds = estimate(config, documents, earlier) if documents is not None else None
            if config.generates and mixture is not None:
                making = corpora.seconds(config, mixture.added)
                seconds = None if seconds is None or making is None else seconds + making
        planned.append(PlannedRun(entry, documents, seconds))
    return planned


class Corpora:
    """How long synthetic documents would take that no run has had made yet, each corpus and each adapter once.

    Args:
        earlier: Finished runs with their folders, the latest first.
    """

    def __init__(self, earlier: Sequence[tuple[Record, Path]]) -> None:
        self._earlier = earlier
        self._there: dict[str, int] = {}  # documents, by corpus
        self._adapted: set[str] = set()

    def seconds(self, config: ExperimentConfig, count: int) -> float | None:
        """What the documents of a run take, and from now on count as there.

        Args:
            config: Of a run that asks a generator.
            count: Documents that it adds.

        Returns:
            By the medians over earlier corpora of this generator, of the same strategy where there are any; None where
            there are none.
        """
        runs = self._runs
        version = generator_kind(config.generator).version
        corpus, adapter = _corpus(config.settings, version), _adapter(config.settings)
        missing = max(count - self._there.get(corpus, 0), 0)
        self._there[corpus] = max(count, self._there.get(corpus, 0))
        if not missing:
            return 0.0
        wanted = (_generator(config.settings), version)
        mine = [(s, r) for s, r in runs if (_generator(s), _version(r)) == wanted]
        same = [(s, r) for s, r in mine if r.choices.get("strategy") == config.strategy_used]
        made = {record.synthesis["key"]: record.synthesis for _, record in same or mine}
        if not made:
            return None
        each: list[float] = [one["generation_seconds"] / one["accepted"] for one in made.values()]
        total = statistics.median(each) * missing
        if config.generator.adapt != "none" and adapter not in self._adapted:
            spent: list[float] = [
                r.synthesis["adaptation_seconds"] for _, r in mine if r.synthesis["adaptation_seconds"]
            ]
            if not spent:
                return None
            total += statistics.median(spent)
            self._adapted.add(adapter)
        return total

    @cached_property
    def _runs(self) -> list[tuple[dict[str, Any], Record]]:
        """Earlier runs that asked a generator, with their settings; what they had made is there."""
        found = []
        for record, folder in self._earlier:
            generated = record.choices.get("generator") is not None and record.synthesis.get("accepted")
            if generated and (settings := _settings(folder)) is not None:
                found.append((settings, record))
                corpus = _corpus(settings, _version(record))
                self._there[corpus] = max(record.synthesis["accepted"], self._there.get(corpus, 0))
                self._adapted.add(_adapter(settings))
        return found


def _version(record: Record) -> int:
    """Of the generator's way to answer, when a run's documents were made."""
    return int(record.synthesis.get("generator_version", 1))


def _corpus(settings: dict[str, Any], version: int) -> str:
    """What a run's synthetic documents depend on."""
    parts = ["data", "regime", "strategy", "generator"]
    if settings["strategy"].get("sources") == "mixture":
        parts.append("mix")
    return digest({**{part: settings[part] for part in parts}, "seeds": _drawn(settings)}, version)


def _adapter(settings: dict[str, Any]) -> str:
    """What a fine-tuned generator depends on."""
    generator = {name: settings["generator"][name] for name in ("path", "revision", "adaptation")}
    return digest({**{part: settings[part] for part in ("data", "regime")}, "seeds": _drawn(settings), **generator})


def _drawn(settings: dict[str, Any]) -> list[int]:
    """The seeds that decide which documents a generator is shown, and what it answers."""
    seeds = seeds_of(settings)
    return [seeds[name] for name in ("split", "regime", "generation")]


def _generator(settings: dict[str, Any]) -> tuple[Any, ...]:
    """What the time of a document depends on."""
    return tuple(settings["generator"][name] for name in ("name", "precision", "adapt", "max_new_tokens"))


def _earlier_runs(folders: Iterable[Path]) -> list[tuple[Record, Path]]:
    """Finished runs on a machine like this one, the latest first."""
    here = machine()
    paths = [path for folder in folders for path in folder.glob(f"*/*/{FILE_NAME}")]
    paths.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    records = ((read_record(path.parent), path.parent) for path in paths)
    return [
        (record, folder)
        for record, folder in records
        if record is not None and record.status == "finished" and record.machine.get("cpus") == here["cpus"]
    ]


def _mixture(config: ExperimentConfig, pools: dict[str, int | None]) -> Plan | None:
    """Real and added documents of a run, from one split of its data."""
    # slow to import, and of no use where all is done
    from patentlab.data.documents import read_split
    from patentlab.data.regimes import part_size

    settings = config.settings["data"]
    name = digest(settings)
    try:
        if name not in pools:
            pools[name] = None
            pools[name] = len(read_split(config)[1].pool)
        pool = pools[name]
        return None if pool is None else plan_mixture(part_size(pool, config.regime.divisor), config.mix)
    except RequestError:
        return None


def estimate(config: ExperimentConfig, documents: int, earlier: Sequence[tuple[Record, Path]]) -> float | None:
    """Seconds that a run would take.

    Args:
        config: Of the run.
        documents: It would be trained on.
        earlier: Finished runs with their folders, the latest first.

    Returns:
        The median over earlier runs of the same model, head and adapter, of the same data where there are any: what
        they took without synthesis, with the time of training scaled to the documents that would pass through.
    """
    alike = [(r, f) for r, f in earlier if all(r.choices.get(n) == config.choices[n] for n in _ALIKE)]
    same_data = [(r, f) for r, f in alike if r.choices.get("data") == config.data.name]
    guesses = []
    for record, folder in (same_data or alike)[:_ENOUGH]:
        training, total = record.timing.get("training"), record.timing.get("total")
        settings = _settings(folder)
        if training is None or total is None or settings is None:
            continue
        passed = _examples(settings["trainer"], record.counts["train"])
        rest = total - training - record.timing.get("synthesis", 0.0)
        guesses.append(rest + training * _examples(config.settings["trainer"], documents) / passed)
    return statistics.median(guesses) if guesses else None


_ALIKE = ("model", "head", "adapter")


def _settings(folder: Path) -> dict[str, Any] | None:
    try:
        found = yaml.load((folder / "config.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, yaml.YAMLError):
        return None
    return found if isinstance(found, dict) and "trainer" in found else None


def _examples(trainer: dict[str, Any], documents: int) -> int:
    """Documents that pass through in training at most, each time counted."""
    bounds = [documents * trainer["epochs"]] if trainer.get("epochs") else []
    if trainer.get("max_steps"):
        bounds.append(trainer["max_steps"] * (trainer["batch_size"] or 1) * (trainer["accumulation"] or 1))
    if trainer.get("max_examples"):
        bounds.append(trainer["max_examples"])
    return max(min(bounds, default=documents), 1)
