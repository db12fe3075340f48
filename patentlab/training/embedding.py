"""Sentence embeddings that texts are compared by, the same for all runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from patentlab.config import AdapterConfig, HeadConfig, LossConfig, TrainerConfig, load_option
from patentlab.protocols import Progress
from patentlab.training.features import Features

NAME = "all-MiniLM-L6-v2"
_LENGTH = 256  # tokens; the model was trained with no more


def embed_texts(texts: Sequence[str], progress: Progress) -> Features:
    """Mean-pooled vectors of unit length from the embedded MiniLM, computed once a text.

    Args:
        texts: Any number.
        progress: Shows what is computed.

    Returns:
        Shape ``(texts, 384)``.

    Raises:
        RequestError: The model's wheel is not installed.
    """
    from patentlab.training.finetuning import EmbeddingClassifier  # loads torch

    encoder = EmbeddingClassifier(
        load_option("model", "minilm"),
        HeadConfig(pooling="mean", dropout=0.0, hidden=None),
        AdapterConfig(name="frozen", quantisation=None),
        # fp32 everywhere, so that values compare between machines
        TrainerConfig(max_length=_LENGTH, eval_batch_size=32, precision="fp32", gradient_checkpointing=False),
        LossConfig(name="bce", gamma=None, gamma_negative=None, alpha=None, clip=None, power=None, max_weight=None),
        label_count=1,
        progress=progress,
    )
    vectors = encoder.embed(list(texts), progress)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
