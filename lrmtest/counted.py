"""A number with its noun, as every room writes it."""


def counted(number: int, noun: str) -> str:
    """``1 error``, ``1,234 errors``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def three_digits(number: float) -> str:
    """Three digits, but never fewer than the number has before its point: ``2.31``, ``1,109``."""
    return f"{number:,.0f}" if abs(number) >= 999.5 else f"{number:.3g}"
