"""Backbones, heads and adapters, and the baselines that are no neural network."""
