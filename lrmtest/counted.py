"""A number with its noun, as every room writes it."""


def counted(number: int, noun: str) -> str:
    """``1 error``, ``1,234 errors``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
