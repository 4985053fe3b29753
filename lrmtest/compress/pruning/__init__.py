"""Pruning: setting weights to zero, one file per algorithm, and what runs them over a model."""
