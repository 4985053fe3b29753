"""Tokenizers of checkpoints: chat templates and token counts."""
