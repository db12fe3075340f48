"""Trained on examples, asked for outputs: any backbone with any head, the baselines, and two of them together."""
