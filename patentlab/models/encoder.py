"""Texts → one vector each, from the hidden states of a backbone; those of frozen layers are kept in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from patentlab import weights
from patentlab.config import ModelConfig, load_option
from patentlab.language_models.loading import four_bit
from patentlab.models.backbones import Backbone, load_backbone
from patentlab.models.batching import Collator, Item, ask, tokenise
from patentlab.models.features import Features, FeatureStore
from patentlab.models.merging import Merge, SavedMerge
from patentlab.models.network import Network
from patentlab.models.pooling import pool
from patentlab.protocols import Progress

# of a model: what names it, what says how it is trained, and what the encoder's own settings or the fingerprint hold
_NO_EFFECT = (
    "name", "kind", "path", "revision", "pooling", "max_length", "lora_targets", "merge", "recommended", "tfidf"
)  # fmt: skip


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that fixes the vector of a text.

    Attributes:
        model: The backbone's settings.
        pooling: As of :func:`patentlab.models.pooling.pool`.
        max_length: Tokens of a text.
        dtype: Of the weights: ``float32`` or ``bfloat16``.
        quantisation: Of the weights, as ``adapter.quantisation``.
        double_quantisation: As ``adapter.double_quantisation``.
        language_model: Whether it is loaded with the head that predicts tokens.
        merge: What is merged into it.
    """

    model: ModelConfig
    pooling: str
    max_length: int
    dtype: str = "float32"
    quantisation: str | None = None
    double_quantisation: bool | None = None
    language_model: bool = False
    merge: Merge | SavedMerge | None = None

    @property
    def identity(self) -> dict[str, object]:
        """Of which equal values mean equal vectors: the weights, and settings at another value than their default.

        So it grows with the settings by itself, and one that comes later leaves the vectors of yesterday valid.
        """
        found: dict[str, object] = {"weights": weights.fingerprint(self.model.path or "", self.model.revision)}
        for prefix, section, left_out in (("model.", self.model, _NO_EFFECT), ("", self, ("model", "merge"))):
            for one in fields(section):
                value = getattr(section, one.name)
                if one.name not in left_out and value != one.default:
                    found[f"{prefix}{one.name}"] = value
        return found if self.merge is None else found | {"merge": self.merge.identity}

    def load(self, progress: Progress) -> Backbone:
        """Load the backbone.

        Args:
            progress: Told of a conversion.

        Returns:
            The backbone.

        Raises:
            RequestError: It cannot be had.
        """
        dtype = getattr(torch, self.dtype)
        kind, double = self.quantisation, bool(self.double_quantisation)
        quantised = four_bit(dtype, kind, double=double) if kind else None
        backbone = load_backbone(
            self.model, self.max_length, dtype, progress, quantised, language_model=self.language_model
        )
        return (
            backbone if self.merge is None else self.merge.put(backbone, partial(self._load_tuned, progress=progress))
        )

    def _load_tuned(self, folder: Path, progress: Progress) -> PreTrainedModel:
        """A whole model that a run trained from this one."""
        model = replace(self.model, path=str(folder), revision=None)
        return load_backbone(model, None, torch.float32, progress, language_model=self.language_model).model


class Encoder:
    """Texts → vectors.

    Args:
        config: What the backbone was loaded from.
        network: Holds the backbone, which may have an adapter and be trained on.
        tokenizer: Of the backbone.
        batch_size: Texts at once.
    """

    def __init__(
        self, config: EncoderConfig, network: Network, tokenizer: PreTrainedTokenizerBase, batch_size: int
    ) -> None:
        self.config, self.network, self.tokenizer, self.batch_size = config, network, tokenizer, batch_size
        self.store = FeatureStore(config.identity)

    def vectors(self, texts: Sequence[str], progress: Progress) -> Features:
        """Vectors of the backbone as it was loaded, computed once a text and kept in the cache.

        Args:
            texts: Any number.
            progress: Shows what is computed.

        Returns:
            Shape ``(texts, width)``.
        """
        return self.store.get(texts, lambda missing: self.compute(missing, progress, "features"))

    def compute(self, texts: Sequence[str], progress: Progress, task: str = "evaluation") -> Features:
        """Vectors of the backbone as it stands now.

        Args:
            texts: Any number.
            progress: Shows how far it is.
            task: What it is called there.

        Returns:
            Shape ``(texts, width)``.
        """
        return self.read(tokenise(texts, self.tokenizer, self.config.max_length), progress, task)

    def read(self, items: Sequence[Item], progress: Progress, task: str = "evaluation") -> Features:
        """Vectors of tokenised texts, with labels or without; see :meth:`compute`."""

        def embed(batch: dict[str, torch.Tensor]) -> torch.Tensor:
            ids, mask = batch["input_ids"], batch["attention_mask"]
            return pool(self.network.hidden(input_ids=ids, attention_mask=mask), mask, self.config.pooling)

        found: list[Features] = [np.empty(0, dtype=np.float32)] * len(items)
        for positions, pooled in ask(
            self.network, embed, items, Collator(self.tokenizer), self.batch_size, progress, task
        ):
            for position, row in zip(positions, pooled.numpy(), strict=True):
                found[position] = row
        return np.stack(found)


def embed_texts(texts: Sequence[str], progress: Progress) -> Features:
    """Vectors that texts are compared by, the same for all runs: mean-pooled, of unit length, from the embedded MiniLM.

    Args:
        texts: Any number.
        progress: Shows what is computed.

    Returns:
        Shape ``(texts, 384)``.

    Raises:
        RequestError: The model's wheel is not installed.
    """
    # no more tokens than the model was trained with, and fp32 everywhere, so that values compare between machines
    config = EncoderConfig(load_option("model", "minilm"), pooling="mean", max_length=256)
    backbone = config.load(progress)
    vectors = Encoder(config, Network(backbone.model), backbone.tokenizer, batch_size=32).vectors(texts, progress)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
