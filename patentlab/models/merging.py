"""What finished runs changed of one base, combined: folded into its weights, or adapters side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from patentlab import weights
from patentlab.config import APART
from patentlab.corpus import derive_seed
from patentlab.models.adapters import load_adapter
from patentlab.models.backbones import Backbone

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

Load = Callable[[Path], "PreTrainedModel"]
"""A folder with another model of the base's kind → the model."""

_FOLDED = "merged.safetensors"
_DRAWS = "dare_ties_svd"


@dataclass(frozen=True)
class Change:
    """What a finished run changed of its base.

    Attributes:
        folder: Its saved backbone: an adapter, or a whole model.
        weight: In the merge.
        rank: Of the adapter; None for a whole model.
    """

    folder: Path
    weight: float
    rank: int | None = None


@dataclass(frozen=True)
class Merge:
    """Changes, and how they become one.

    Attributes:
        changes: Of one base.
        method: As ``model.merge.method``.
        density: As ``model.merge.density``.
        seed: Of the values that are dropped at random.
    """

    changes: tuple[Change, ...]
    method: str
    density: float | None = None
    seed: int = 0

    @property
    def identity(self) -> dict[str, Any]:
        """Of which equal values mean equal weights."""
        changes = [[weights.fingerprint(str(change.folder), None), change.weight] for change in self.changes]
        drawn = {"seed": self.seed} if self.method == _DRAWS else {}
        return {"changes": changes, "method": self.method, "density": self.density, **drawn}

    def put(self, backbone: Backbone, load: Load) -> Backbone:
        """Combine them on their base.

        Args:
            backbone: The base in fp32, changed in place.
            load: Loads whole models.

        Returns:
            The backbone with the names of the weights that were changed, or of the adapters that stand apart.
        """
        if self.method == APART:
            return _side_by_side(backbone, [change.folder for change in self.changes])
        found = [deltas(backbone.model, change, load) for change in self.changes]
        merged = combined(found, [change.weight for change in self.changes], self.method, self.density, self.seed,
                          max((change.rank or 0 for change in self.changes), default=0))  # fmt: skip
        _fold(merged, backbone.model, add=True)
        return replace(backbone, merged=tuple(merged))


@dataclass(frozen=True)
class SavedMerge:
    """A merge as :func:`save_merge` left it, which needs the merged runs no more.

    Attributes:
        folder: Where it was saved.
    """

    folder: Path

    @property
    def identity(self) -> dict[str, Any]:
        """Of which equal values mean equal weights."""
        return {"saved": weights.fingerprint(str(self.folder), None)}

    def put(self, backbone: Backbone, load: Load) -> Backbone:
        """As :meth:`Merge.put`."""
        from safetensors.torch import load_file

        if not (self.folder / _FOLDED).is_file():
            return _side_by_side(backbone, sorted(path for path in self.folder.iterdir() if path.is_dir()))
        folded = load_file(self.folder / _FOLDED)
        _fold(folded, backbone.model, add=False)
        return replace(backbone, merged=tuple(folded))


def save_merge(model: nn.Module, backbone: Backbone, folder: Path) -> None:
    """Save what a merge made of a base: the weights that it changed, or the adapters that stand apart.

    Args:
        model: The backbone's, with an adapter of its own or without.
        backbone: As loaded.
        folder: Is created.
    """
    from safetensors.torch import save_file

    folder.mkdir()
    if backbone.apart:
        model.save_pretrained(folder)  # type: ignore[operator]
        return
    save_file({name: tensor.cpu().contiguous() for name, tensor in merged_weights(model, backbone.merged).items()},
              folder / _FOLDED)  # fmt: skip


def merged_weights(model: nn.Module, names: Sequence[str]) -> dict[str, Tensor]:
    """Weights that a merge changed, by name.

    Args:
        model: A backbone, which another adapter may have wrapped.
        names: As of the base.
    """
    base = cast("nn.Module", model.get_base_model()) if hasattr(model, "get_base_model") else model  # type: ignore[operator]
    known = {name.replace(".base_layer.", "."): parameter.detach() for name, parameter in base.named_parameters()}
    return {name: known[name] for name in names}


def deltas(model: PreTrainedModel, change: Change, load: Load) -> dict[str, Tensor]:
    """What a run added to the weights of its base, by their names; those that stayed are left out.

    Args:
        model: The base, in fp32; the same afterwards.
        change: Of the run.
        load: Loads whole models.
    """
    import torch

    with torch.no_grad():
        if change.rank is None:
            tuned = dict(load(change.folder).named_parameters())
            found = {name: tuned[name].to(own) - own for name, own in model.named_parameters()}
            return {name: delta for name, delta in found.items() if bool(delta.any())}
        wrapped: Any = load_adapter(model, change.folder)
        layers = wrapped.get_base_model().named_modules()
        found = {f"{name}.weight": part.get_delta_weight("default").clone() for name, part in layers
                 if hasattr(part, "get_delta_weight")}  # fmt: skip
        wrapped.unload()
    return found


def combined(
    found: Sequence[Mapping[str, Tensor]],
    shares: Sequence[float],
    method: str,
    density: float | None = None,
    seed: int = 0,
    rank: int = 0,
) -> dict[str, Tensor]:
    """One change of several.

    TIES takes the mean of the values that agree in sign, whatever their number; so that equal shares with a sum of 1
    give this mean, shares are multiplied by the number of runs there.

    Args:
        found: As of :func:`deltas`.
        shares: A weight for each.
        method: As ``model.merge.method``.
        density: Of what pruning methods keep.
        seed: Of what is dropped at random.
        rank: That methods ending in ``_svd`` cut each matrix to.

    Returns:
        By name, each of the weight's shape.
    """
    import torch
    from peft.utils.merge_utils import dare_ties, task_arithmetic, ties

    merged: dict[str, Tensor] = {}
    for name in dict.fromkeys(name for one in found for name in one):
        having = [(one[name], share) for one, share in zip(found, shares, strict=True) if name in one]
        parts, own = [part for part, _ in having], torch.tensor([share for _, share in having])
        if method in ("cat", "linear"):
            merged[name] = task_arithmetic(parts, own)
            continue
        prune = dare_ties if method == _DRAWS else ties
        with _drawn(derive_seed(seed, name)):
            merged[name] = prune(parts, own * len(found), 1.0 if density is None else density)
        if method.endswith("_svd"):
            merged[name] = cut_to_rank(merged[name], rank)
    return merged


def cut_to_rank(matrix: Tensor, rank: int) -> Tensor:
    """The nearest matrix of a rank (Eckart and Young 1936).

    Args:
        matrix: Any shape of two dimensions.
        rank: At most.

    Returns:
        The same shape.
    """
    import torch

    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    nearest: Tensor = (left[:, :rank] * values[:rank]) @ right[:rank]
    return nearest


def mean_layers(states: Sequence[Mapping[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor]:
    """The weighted mean of layers of one form; of one alone, that one bit for bit.

    Args:
        states: Their weights by name.
        shares: A weight for each, above 0.
    """
    if len(states) == 1:
        return dict(states[0])
    total = sum(shares)
    return {
        name: cast("Tensor", sum(state[name] * (share / total) for state, share in zip(states, shares, strict=True)))
        for name in states[0]
    }


def _side_by_side(backbone: Backbone, folders: Sequence[Path]) -> Backbone:
    """Adapters on one base; the first is what is read by where none is named."""
    from peft import PeftModel

    # no bare numbers: peft takes an adapter's name out of the names of weights, where layers have numbers too
    names = tuple(f"run{number}" for number in range(len(folders)))
    with weights.quiet_peft():
        wrapped = PeftModel.from_pretrained(backbone.model, folders[0], adapter_name=names[0])
        for name, folder in zip(names[1:], folders[1:], strict=True):
            wrapped.load_adapter(folder, adapter_name=name)
    wrapped.requires_grad_(False)
    return replace(backbone, model=cast("PreTrainedModel", wrapped.eval()), apart=names)


def _fold(values: Mapping[str, Tensor], model: nn.Module, *, add: bool) -> None:
    """Add values to weights, or put them in their place."""
    import torch

    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(own[name] + value if add else value)


@contextmanager
def _drawn(seed: int) -> Iterator[None]:
    """With a seed of its own for what is drawn; peft warns where nothing is to be dropped."""
    import torch

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The density")
        torch.manual_seed(seed)
        yield
