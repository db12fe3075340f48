"""Strategies that add nothing: runs on the real part of a mix alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from patentlab.config import UNTRAINED, ExperimentConfig
from patentlab.config.registry import STRATEGIES
from patentlab.synthesis.strategies import Added, Context, Strategy


@STRATEGIES.add("none")
class Unmixed(Strategy):
    """Real documents alone: of a mix below 1, its real part."""

    adds = False
    draws = False

    def add(self, context: Context, count: int) -> Added:
        """Nothing."""
        return Added()


@STRATEGIES.add("step_matched")
class StepMatched(Unmixed):
    """The control for training time: the real part of a mix, trained for as many steps as all of it would be."""

    def training(self, config: ExperimentConfig, documents: int, steps: Callable[[int], int]) -> ExperimentConfig:
        """Settings with ``max_steps`` in place of epochs, and without early stopping, which would end them before.

        Args:
            config: Of the run; returned as it is where the model takes no steps.
            documents: Of the whole mix.
            steps: Documents → optimiser steps.
        """
        if config.trainer.name in UNTRAINED:
            return config
        count = steps(documents)
        return replace(
            config, trainer=replace(config.trainer, epochs=None, max_steps=count, max_examples=None, patience=None)
        )
