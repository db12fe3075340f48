"""The run key: two runs with the same key have the same result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from patentlab import weights
from patentlab.classifiers.merging import merged_runs
from patentlab.classifiers.settings import TransformerSettings
from patentlab.config import (
    CONTROL,
    SEED_SOURCES,
    UNLABELLED_POOL,
    ExperimentConfig,
    MergeConfig,
    ObfuscatedConfig,
    PromptedHeadConfig,
    RequestError,
    SeedsConfig,
    from_settings,
)
from patentlab.config.bounds import neutral_value
from patentlab.config.registry import LOSSES
from patentlab.data.sources import data_fingerprint
from patentlab.data.sources.jsonl import file_fingerprint
from patentlab.language_models.verbalisers import WORD, WORDS
from patentlab.robustness.obfuscated import transfer_files
from patentlab.synthesis.generators import generator_fingerprint, generator_kind
from patentlab.synthesis.strategies import find_strategy
from patentlab.tracking.record import read_record

# Raise a stage's number when its meaning changes: every earlier run then counts as another run.
STAGE_VERSIONS = {"data": 1, "split": 2, "regime": 1, "synthesis": 2, "mixing": 2, "training": 3, "evaluation": 1}

# Raise it when keys are made in another way: those of earlier records are then computed anew from their settings.
KEY_VERSION = 2

_DIGITS = 6  # of a teacher's key
_VECTOR_HEADS = ("none", "embedding", "two_layer")  # their runs were never named after them

_NO_EFFECT = ("tracking",)
_NO_EFFECT_WITHIN = {
    "data": ("path", "titles"),
    "model": ("path", "recommended"),
    "strategy": ("path",),
    "evaluate": ("transfer",),
    "loss": ("teacher",),
    "generator": ("path", "licence", "base_url", "api_key_variable", "concurrency", "timeout", "retries"),
    "trainer": ("save_model",),
}


def input_fingerprints(config: ExperimentConfig) -> dict[str, str]:
    """What a run reads: the data, and the model where it has weights.

    Args:
        config: Composed and checked.

    Returns:
        A fingerprint each, of a generator too where one is asked, and of what the strategy reads, without reading
        documents or loading weights.

    Raises:
        RequestError: Data, model or a strategy's file are not there.
    """
    fingerprints = {"data": data_fingerprint(config.data)}
    if config.model.kind == "transformer":
        fingerprints["model"] = weights.fingerprint(config.model.path or "", config.model.revision)
    if (table := _table(config)) is not None:
        fingerprints["verbaliser"] = hashlib.sha256(table.read_bytes()).hexdigest()
    if getattr(config.head, "verbaliser", None) == WORD:
        fingerprints["words"] = file_fingerprint(WORDS, "conf/words")
    if (teacher := getattr(config.loss, "teacher", None)) is not None:
        fingerprints["teacher"] = _key_of("loss.teacher", teacher)
    if config.model.merge.runs:
        fingerprints["merged"] = ",".join(_key_of("model.merge.runs", folder) for folder in config.model.merge.runs)
        merged_runs(TransformerSettings.of(config))
    if (unlabelled := config.data.unlabelled) not in (None, UNLABELLED_POOL):
        fingerprints["unlabelled"] = file_fingerprint(Path(str(unlabelled)).expanduser(), "data.unlabelled")
    if isinstance(config.evaluate, ObfuscatedConfig) and config.evaluate.transfer is not None:
        fingerprints["transfer"] = _files(transfer_files(config.evaluate))
    if config.generates:
        fingerprints["generator"] = generator_fingerprint(config.generator)
    return fingerprints | find_strategy(config.strategy_used).inputs(config.strategy)


def _table(config: ExperimentConfig) -> Path | None:
    """The file that a head takes its words for labels from, if it does."""
    path = Path(getattr(config.head, "verbaliser", "")).expanduser()
    return path if path.is_file() else None


def _files(paths: Sequence[Path]) -> str:
    """Of files that are measured too."""
    named = "".join(f"{path.name} {file_fingerprint(path, 'evaluate.transfer')}\n" for path in paths)
    return hashlib.sha256(named.encode()).hexdigest()


def _key_of(setting: str, folder: str) -> str:
    """The key of a finished run."""
    record = read_record(Path(folder).expanduser())
    if record is None or record.status != "finished":
        found = "no run" if record is None else f"the run is {record.status}"
        raise RequestError(f"{setting}={folder}: {found}; give the folder of a finished one, with its result.json")
    return record.key


def run_key(config: ExperimentConfig, fingerprints: dict[str, str], *, earlier: bool = False) -> str:
    """Hash of all that can change a run's result.

    Args:
        config: Settings that cannot change a result (paths, tracking, what is saved) are left out, and those at their
            neutral value, so that a setting that is added later leaves earlier runs what they are; so are the
            strategy where nothing is added, the generator where none is asked, and the loss of models that have none.
        fingerprints: Of the data and the model, which stand for their paths.
        earlier: Whether it is that of a run from before ``KEY_VERSION`` 2, when some settings had another meaning.

    Returns:
        16 hexadecimal digits.
    """
    settings = _beside_neutral(config)
    for group in (*_NO_EFFECT, *CONTROL):
        settings.pop(group, None)
    for group, names in _NO_EFFECT_WITHIN.items():
        for name in names:
            settings.get(group, {}).pop(name, None)
            for part in settings.get(group, {}).get("parts", {}).values():
                part.pop(name, None)
    for name in config.idle_settings:
        _take_out(settings, name.split("."))
    _put_merge(settings["model"], config.model.merge)
    if _table(config) is not None:
        settings["head"]["verbaliser"] = "table"  # whose content is a fingerprint
    if config.data.unlabelled not in (None, UNLABELLED_POOL):
        settings["data"]["unlabelled"] = Path(str(config.data.unlabelled)).suffix  # likewise; this says how it is read
    if config.mix.budget is None and settings["strategy"].get("sources") == "mixture":
        settings["strategy"]["sources"] = "regime"  # a mix without a budget takes all of the regime: the same documents
    if config.mix.budget is not None and config.mix.ordering == "filtered" and not earlier:
        settings["mix"]["judge"] = "sources"  # it had learned from all of the regime before
    if config.is_fitted and not earlier:
        # the constant answer's scores were zeros and ones before, and TF-IDF confused more than 128 labels
        settings["model"]["baseline"] = 2
    for group in _once_otherwise(config):
        settings[group]["version"] = 2
    if not settings["evaluate"]:
        del settings["evaluate"]
    settings.pop("seeds", None)
    settings |= _seeds(config)
    if config.strategy_used == "none":
        del settings["strategy"]
    if not config.generates:
        del settings["generator"]
    elif not earlier and (version := generator_kind(config.generator).version) != 1:
        settings["generator"]["version"] = version
    if not find_strategy(config.strategy_used).adds:
        del settings["mix"]["ordering"]
        settings["mix"].pop("agreement", None)
    if config.is_fitted:
        for group in ("head", "adapter", "loss"):
            del settings[group]
        settings["trainer"] = {"monitor": config.trainer.monitor}
    content = {"settings": settings, "fingerprints": fingerprints, "stages": STAGE_VERSIONS}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _put_merge(model: dict[str, Any], merge: MergeConfig) -> None:
    """How runs are merged, where some are; which, is a fingerprint."""
    how = model.pop("merge", {})
    if merge.runs:
        kept = {name: value for name, value in how.items() if name not in ("runs", "weights", *merge.idle)}
        model["merge"] = kept | {"weights": merge.shares}


def _take_out(settings: dict[str, Any], path: Sequence[str]) -> None:
    """Take out a nested setting, and sections that have no other."""
    first, *rest = path
    if rest and isinstance(settings.get(first), dict):
        _take_out(settings[first], rest)
        if not settings[first]:
            del settings[first]
    elif not rest:
        settings.pop(first, None)


def _once_otherwise(config: ExperimentConfig) -> Iterator[str]:
    """Groups whose settings once gave other results."""
    reduced = config.trainer.precision == "bf16"
    head = config.head
    if isinstance(head, PromptedHeadConfig) and (reduced or head.answer == "list"):
        yield "head"  # logits were rounded to bf16; labels of a list were scored whatever followed
    if reduced and config.loss.name in LOSSES and LOSSES.get(config.loss.name).compares:
        yield "loss"  # epochs were judged by vectors in fp32 beside others in bf16


def _seeds(config: ExperimentConfig) -> dict[str, Any]:
    """The split's seed as that of the run, and those of other sources that differ: the same runs have one spelling."""
    seed, idle = config.seed_of("split"), config.idle_seeds
    # the order of documents still decides how sums are rounded where nothing is learned batch by batch
    counted = [name for name in SEED_SOURCES if name not in idle or name == "batches"]
    apart = {name: own for name in counted if (own := config.seed_of(name)) != seed}
    return {"seed": seed, **({"seeds": apart} if apart else {})}


def _beside_neutral(section: Any) -> dict[str, Any]:
    """Settings of a dataclass that have another value than their neutral one, nested ones too."""
    found: dict[str, Any] = {}
    for field in fields(section):
        value = getattr(section, field.name)
        if is_dataclass(value):
            found[field.name] = _beside_neutral(value)
        elif value != neutral_value(section, field.name):
            nested = isinstance(value, Mapping) and any(is_dataclass(one) for one in value.values())
            found[field.name] = {name: _beside_neutral(one) for name, one in value.items()} if nested else value
    return found


def run_name(choices: Mapping[str, Any]) -> str:
    """A name that tells runs apart at a glance: ``minilm-full 1:10 mix=0.2 duplicate seed=0``."""
    apart = [str(choices["seeds"])] if choices.get("seeds") else []
    return " ".join([_seedless_name(choices), f"seed={choices['seed']}", *apart])


def name_of_teacher(folder: Path) -> str:
    """What earlier runs that differ in seeds alone have in common: a name, and the first digits of a key without seeds.

    Args:
        folder: Of a finished run.
    """
    record = read_record(folder)
    if record is None:
        return "unknown"
    settings: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    config = replace(from_settings(settings), seed=0, seeds=SeedsConfig())
    return f"{_seedless_name(record.choices)} ({run_key(config, {})[:_DIGITS]})"


def _seedless_name(choices: Mapping[str, Any]) -> str:
    parts = ["-".join(str(choices[name]) for name in ("model", "adapter") if choices[name] != "none")]
    parts += [str(choices["head"])] if choices["head"] not in _VECTOR_HEADS else []
    parts += [f"merge={choices['merge']}"] if choices.get("merge") else []
    parts += [str(choices["regime"]), f"mix={choices['mix']:g}"]
    parts += [str(choices["strategy"])] if choices["strategy"] != "none" else []
    parts += [str(choices["loss"])] if choices["loss"] not in ("bce", "answer") else []
    return " ".join(parts)
