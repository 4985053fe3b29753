"""Comparison with a baseline while a session runs."""
