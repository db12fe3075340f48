"""What a transformer classifier is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from patentlab.config import AdapterConfig, ExperimentConfig, HeadConfig, LossConfig, ModelConfig, TrainerConfig
from patentlab.config.registry import HEADS

if TYPE_CHECKING:
    from patentlab.models.encoder import EncoderConfig
    from patentlab.models.merging import Merge, SavedMerge


@dataclass(frozen=True)
class TransformerSettings:
    """Settings of all parts of a transformer classifier.

    Attributes:
        model: The backbone.
        head: How it answers.
        adapter: Which weights are trained.
        trainer: How.
        loss: What is minimised.
        curriculum: Train on added documents first, and on real ones last.
    """

    model: ModelConfig
    head: HeadConfig
    adapter: AdapterConfig
    trainer: TrainerConfig
    loss: LossConfig
    curriculum: bool = False

    @classmethod
    def of(cls, config: ExperimentConfig) -> TransformerSettings:
        """Those of an experiment."""
        curriculum = config.mix.ordering == "curriculum"
        return cls(config.model, config.head, config.adapter, config.trainer, config.loss, curriculum)


def encoding_of(settings: TransformerSettings, merge: Merge | SavedMerge | None = None) -> EncoderConfig:
    """What fixes the vectors of a backbone before it is trained.

    Args:
        settings: Of a classifier.
        merge: What is merged into the backbone.

    Returns:
        Weights that are trained, or that changes are folded into, stay in fp32, also where they are multiplied in bf16.
    """
    from patentlab.models.encoder import EncoderConfig  # loads torch
    from patentlab.training.arguments import precision

    model, adapter = settings.model, settings.adapter
    reduced = precision(settings.trainer) == "bf16" and adapter.name != "full" and not model.merge.folds
    return EncoderConfig(
        model,
        settings.head.pooling or model.pooling or "mean",
        settings.trainer.max_length or 512,
        "bfloat16" if reduced else "float32",
        adapter.quantisation if adapter.name == "qlora" else None,
        adapter.double_quantisation if adapter.name == "qlora" else None,
        HEADS.get(settings.head.name).language_model,
        merge,
    )
