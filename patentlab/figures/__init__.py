"""Figures: a function a figure, from tables. Imports neither torch nor transformers."""
