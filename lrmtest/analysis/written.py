"""Written: figures in a sentence, as people write them."""

from __future__ import annotations


def p_words(p: float) -> str:
    """A p-value: ``p = 0.012``, ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def three_digits(number: float) -> str:
    """Three digits, but never fewer than the number has before its point: ``2.31``, ``1,109``."""
    return f"{number:,.0f}" if abs(number) >= 999.5 else f"{number:.3g}"
