"""Written: figures in a sentence, as people write them."""

from __future__ import annotations


def p_words(p: float) -> str:
    """A p-value: ``p = 0.012``, ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
