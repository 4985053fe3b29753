"""Arithmetic of rational numbers: prime factors, and functions that have rational values."""

from __future__ import annotations

from fractions import Fraction
from math import comb, gcd


class TooLargeError(ValueError):
    """The exact value takes more steps or digits than are spent, or there is none."""


_LARGEST_BINOMIAL = 1024

_LARGEST_FACTORED = 10**9
"""Numbers up to here are taken apart into primes, by trial division."""


def factors_of(number: int) -> dict[int, int]:
    """Primes and their powers; what is left of a large number counts as one, which it may not be.

    A product of two large primes is so an atom of its own: what is not recognized as equal is left
    to others to decide.
    """
    found: dict[int, int] = {}
    divisor = 2
    while divisor * divisor <= number and divisor <= 31_623:
        while number % divisor == 0:
            found[divisor] = found.get(divisor, 0) + 1
            number //= divisor
        divisor += 1 + (divisor > 2)
    if number > 1:
        if number > _LARGEST_FACTORED:
            raise TooLargeError("a root of a large number")
        found[number] = found.get(number, 0) + 1
    return found


def rational_call(name: str, values: list[Fraction]) -> Fraction | None:
    """A function of rational numbers, where it is one by definition."""
    whole = [int(value) for value in values if value.denominator == 1]
    if name == "abs" and len(values) == 1:
        return abs(values[0])
    if name in ("floor", "ceiling") and len(values) == 1:
        floor = values[0].numerator // values[0].denominator
        return Fraction(floor if name == "floor" or values[0] == floor else floor + 1)
    if len(whole) < len(values) or len(values) < 2:
        return None
    if name == "binom" and len(whole) == 2 and 0 <= whole[0] <= _LARGEST_BINOMIAL and whole[1] >= 0:
        return Fraction(comb(*whole))
    if name == "gcd":
        return Fraction(gcd(*whole))
    if name in ("max", "min"):
        return Fraction(max(whole) if name == "max" else min(whole))
    return None
