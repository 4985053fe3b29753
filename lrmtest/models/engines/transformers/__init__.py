"""Continuous batching over a transformers model in this process."""
