"""Finished runs that a classifier is merged from: which may be, and what is taken of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patentlab import weights
from patentlab.classifiers.saving import MODEL_FOLDER, SETTINGS_FILE, read_settings
from patentlab.classifiers.settings import TransformerSettings
from patentlab.config import OF_ADAPTERS, RequestError
from patentlab.config.registry import HEADS
from patentlab.corpus import derive_seed
from patentlab.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

    from patentlab.models.merging import Merge

_ADAPTER_FILE = "adapter_config.json"
# of adapters whose updates are no plain products of two matrices, or that hold more than these
_OTHER_ADAPTERS = {
    "use_rslora": "rsLoRA",
    "use_dora": "DoRA",
    "modules_to_save": "with whole modules",
    "lora_bias": "with biases",
}
_HEAD_SETTINGS = ("hidden", "subword")  # that layers which are taken over were trained under


@dataclass(frozen=True)
class MergedRun:
    """A finished run, as it was saved.

    Attributes:
        name: Its folder, as it was given.
        folder: Of its model.
        weight: In the merge.
        settings: Of its classifier.
        task: That it was trained for.
        rank: Of its adapter; None where all weights were trained.
    """

    name: str
    folder: Path
    weight: float
    settings: TransformerSettings
    task: Task
    rank: int | None

    @property
    def parts(self) -> dict[str, Any]:
        """The prefix of each part of its layers → the head that it is of."""
        return _parts(self.settings.head.name)


def merged_runs(settings: TransformerSettings) -> list[MergedRun]:
    """The runs that ``model.merge`` names, in the order in which they are merged.

    Args:
        settings: Of the classifier that is merged from them.

    Returns:
        None where it names none; where adapters stand apart, the run of each part of the head in the head's order.

    Raises:
        RequestError: One of them cannot be merged, or not with the others; in one line.
    """
    merge = settings.model.merge
    if not merge.runs:
        return []
    base = weights.fingerprint(settings.model.path or "", settings.model.revision)
    runs = [_read(name, share, settings, base) for name, share in zip(merge.runs, merge.shares, strict=True)]
    if settings.adapter.name != "none":
        return runs
    sources = _sources(runs, settings)
    return runs if merge.folds else [having[0][0] for having in sources.values()]


def merge_of(settings: TransformerSettings, seed: int) -> Merge | None:
    """How the backbone of a classifier is merged; None where it is not.

    Args:
        settings: Of the classifier.
        seed: Of what is drawn.
    """
    from patentlab.models.merging import Change, Merge

    merge = settings.model.merge
    changes = tuple(Change(run.folder / "backbone", run.weight, run.rank) for run in merged_runs(settings))
    return Merge(changes, str(merge.method), merge.density, derive_seed(seed, "merge")) if changes else None


def merged_layers(settings: TransformerSettings, task: Task) -> dict[str, Tensor]:
    """Weights of a head that are those of merged runs; means, where several have a part.

    Args:
        settings: Of the classifier, with ``adapter=none``.
        task: That it is asked.

    Returns:
        By name; none for heads that answer without.

    Raises:
        RequestError: A run knows other labels.
    """
    from safetensors.torch import load_file

    from patentlab.models.merging import mean_layers

    found: dict[str, Tensor] = {}
    for prefix, having in _sources(merged_runs(settings), settings).items():
        states = []
        for run, own in having:
            if _labels(run.task, run.parts[own]) != _labels(task, run.parts[own]):
                raise RequestError(
                    f"model.merge.runs={run.name}: knows other labels than this run's, or in another order"
                )
            layers = load_file(run.folder / "head.safetensors")
            states.append({name.removeprefix(own): value for name, value in layers.items() if name.startswith(own)})
        merged = mean_layers(states, [run.weight for run, _ in having])
        found |= {f"{prefix}{name}": value for name, value in merged.items()}
    return found


def _sources(runs: Sequence[MergedRun], settings: TransformerSettings) -> dict[str, list[tuple[MergedRun, str]]]:
    """For each part of a head the runs that have it, with the prefix that it has there."""
    head = HEADS.get(settings.head.name)
    if not head.own_layers:
        return {}
    found: dict[str, list[tuple[MergedRun, str]]] = {}
    for prefix, kind in _parts(settings.head.name).items():
        having = [(run, own) for run in runs for own, other in run.parts.items() if other is kind]
        for run, _ in having:
            for name in _HEAD_SETTINGS:
                theirs, ours = getattr(run.settings.head, name, None), getattr(settings.head, name, None)
                if theirs != ours and hasattr(run.settings.head, name) and hasattr(settings.head, name):
                    raise RequestError(
                        f"model.merge.runs={run.name}: was trained with head.{name}={theirs}, not {ours}"
                    )
        if not having and head.answers_untrained:
            return {}
        if not having:
            names = ", ".join(sorted(run.settings.head.name for run in runs))
            wanted = head.layers_of.get(prefix.rstrip("."), settings.head.name)
            raise RequestError(
                f"adapter=none: head={settings.head.name} needs layers of a run with head={wanted}, and those that are "
                f"merged have head={names}; add one, or train a head with adapter=frozen"
            )
        found[prefix] = having
    return found


def _parts(name: str) -> dict[str, Any]:
    head = HEADS.get(name)
    return {f"{prefix}.": HEADS.get(part) for prefix, part in head.layers_of.items()} or {"": head}


def _labels(task: Task, part: Any) -> tuple[str, ...]:
    """What a part of a task's head tells apart."""
    of_words = part.tags_words and not part.labels_documents
    return task.labels.types if of_words and task.labels_documents else task.labels.names


def _read(name: str, weight: float, settings: TransformerSettings, base: str) -> MergedRun:
    """A run that may be merged into a classifier."""
    shown, folder = f"model.merge.runs={name}", Path(name).expanduser() / MODEL_FOLDER
    if not folder.is_dir():
        raise RequestError(f"{shown}: the run kept no model; start it again with trainer.save_model=always")
    if not (folder / SETTINGS_FILE).is_file():
        raise RequestError(f"{shown}: has no backbone that could be merged; take runs of one transformer")
    own, task, fingerprint = read_settings(folder, None)
    if own.model.merge.runs:
        raise RequestError(f"{shown}: was merged itself; name the runs that it was made of")
    if own.adapter.name not in ("lora", "full"):
        why = "learned on weights of 4 bits" if own.adapter.name == "qlora" else "changed no weights of its backbone"
        raise RequestError(f"{shown}: adapter={own.adapter.name} {why}; take runs of adapter=lora or full")
    if fingerprint != base:
        raise RequestError(
            f"{shown}: was trained on another base ({fingerprint}), not on model={settings.model.name} ({base})"
        )
    if own.model.attention != settings.model.attention:
        raise RequestError(
            f"{shown}: was trained with model.attention={own.model.attention}, not {settings.model.attention}"
        )
    pooling = own.head.pooling, settings.head.pooling
    if None not in pooling and pooling[0] != pooling[1]:
        raise RequestError(f"{shown}: was trained with head.pooling={pooling[0]}, not {pooling[1]}")
    if HEADS.get(own.head.name).language_model != HEADS.get(settings.head.name).language_model:
        raise RequestError(
            f"{shown}: only one of head={own.head.name} and head={settings.head.name} needs the head that predicts "
            "tokens; their weights have other names"
        )
    return MergedRun(name, folder, weight, own, task, _rank(folder, shown, own, settings))


def _rank(folder: Path, shown: str, own: TransformerSettings, settings: TransformerSettings) -> int | None:
    """Of an adapter that may be merged."""
    method = str(settings.model.merge.method)
    if own.adapter.name == "full":
        if method in OF_ADAPTERS:
            raise RequestError(f"{shown}: has no adapter, which model.merge.method={method} merges; use linear or ties")
        return None
    content = json.loads((folder / "backbone" / _ADAPTER_FILE).read_text(encoding="utf-8"))
    kinds = [said for setting, said in _OTHER_ADAPTERS.items() if content.get(setting)]
    kinds += [f"of kind {content.get('peft_type')}"] if content.get("peft_type") != "LORA" else []
    kinds += ["with biases"] if content.get("bias", "none") != "none" else []
    if kinds:
        raise RequestError(f"{shown}: its adapter is {kinds[0]}, which does not merge exactly; take plain LoRA")
    return max([int(content["r"]), *map(int, (content.get("rank_pattern") or {}).values())])
