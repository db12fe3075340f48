"""Vectors of texts: what fixes them, and that they are computed once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from patentlab.config import ModelConfig
from patentlab.console.command_line import compose
from patentlab.models.encoder import Encoder, EncoderConfig, embed_texts
from patentlab.models.network import Network
from patentlab.protocols import Silent

TEXTS = ["a wheel with a motor .", "lens", "the sensor of a seat"]


@pytest.fixture
def config(tiny_model: Callable[[str], Path]) -> EncoderConfig:
    return EncoderConfig(compose("model=minilm", f"model.path={tiny_model('bert')}").model, "mean", 64)


def test_what_changes_vectors_changes_their_identity_and_nothing_else_does(config: EncoderConfig):
    def of_model(**changes: object) -> EncoderConfig:
        return replace(config, model=replace(config.model, **changes))  # type: ignore[arg-type]

    for other in (
        replace(config, pooling="max"),
        replace(config, max_length=32),
        replace(config, dtype="bfloat16"),
        replace(config, quantisation="nf4"),
        of_model(attn_implementation="eager"),
        of_model(padding_side="left"),
    ):
        assert other.identity != config.identity
    for same in (
        of_model(name="another"),
        of_model(recommended={}),
        of_model(lora_targets=["query"]),
        of_model(max_length=16),
        replace(config, quantisation=None),
    ):
        assert same.identity == config.identity


def test_a_setting_that_comes_later_leaves_yesterdays_vectors_valid(config: EncoderConfig):
    @dataclass
    class Later(ModelConfig):
        vision: str = "blind"

    assert replace(config, model=Later(**vars(config.model))).identity == config.identity
    other = Later(**vars(config.model), vision="keen")
    assert replace(config, model=other).identity != config.identity


def test_vectors_of_an_encoder_are_computed_once_and_follow_no_training(
    config: EncoderConfig, monkeypatch: pytest.MonkeyPatch
):
    def encoder() -> Encoder:
        backbone = config.load(Silent())
        return Encoder(config, Network(backbone.model), backbone.tokenizer, 2)

    first, second = encoder(), encoder()
    vectors = first.vectors(TEXTS, Silent())
    assert vectors.shape == (3, 64)
    assert np.allclose(first.compute(TEXTS, Silent()), vectors, atol=1e-6)

    def fail(*args: object, **kwargs: object) -> None:
        raise AssertionError("vectors were computed again")

    monkeypatch.setattr(second.network, "read", fail)
    assert np.array_equal(second.vectors(TEXTS[::-1], Silent()), vectors[::-1])
    with pytest.raises(AssertionError, match="computed again"):
        second.compute(TEXTS, Silent())


@pytest.mark.integration
def test_texts_are_compared_by_vectors_of_unit_length():
    vectors = embed_texts([*TEXTS, "a wheel with an engine ."], Silent())
    assert vectors.shape == (4, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    likeness = vectors[0] @ vectors.T
    assert likeness.argsort()[::-1][:2].tolist() == [0, 3]
