"""Metrics of predictions. Works on arrays and knows nothing of models."""
