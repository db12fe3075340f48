"""Sweeps that can be planned, watched, stopped and resumed."""
