"""Causal language models: loading (shared with backbones), decoding, fine-tuning."""
