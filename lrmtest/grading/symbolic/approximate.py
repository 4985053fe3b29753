"""Values in floating point, at a few places: that two differ is seen quickly.

Symbols get values drawn once and for all, positive and irrational for what matters here. That two
expressions agree in all places proves nothing; that they differ by more than `APART` of their size
in one of them is taken as a proof that they are not equal, for nothing here loses ten digits.
"""

from __future__ import annotations

import cmath
import math
import zlib
from collections.abc import Callable

from lrmtest.grading.symbolic.node import IN_AN_EXPRESSION, Node

APART = 1e-9
PLACES = 3
_LARGEST = 1e290


class NoValueError(ValueError):
    """There is no value, or none that a floating-point number holds."""


def approximate(node: Node, place: int) -> complex:
    """The value of a tree at a place.

    Args:
        node: a single value.
        place: from 0 to `PLACES` - 1.

    Raises:
        NoValueError: it has none there.
    """
    try:
        value = complex(_value(node, place))
    except (ArithmeticError, ValueError, TypeError) as error:
        raise NoValueError(str(error)) from error
    if not cmath.isfinite(value) or abs(value) > _LARGEST:
        raise NoValueError("too large")
    return value


def apart(one: complex, other: complex) -> bool:
    """Whether two values differ by more than rounding explains."""
    return abs(one - other) > APART * max(abs(one), abs(other), 1e-6)


def _drawn(name: str, place: int) -> float:
    """A value between 0.4 and 1.6 for a name."""
    return 0.4 + 1.2 * zlib.crc32(f"{name}/{place}".encode()) / 2**32


def _value(node: Node, place: int) -> complex:
    if node.head == "number":
        return float(node.value)
    if node.head == "symbol":
        constant = {"pi": math.pi, "e": math.e, "i": 1j}.get(node.name)
        return _drawn(node.name, place) if constant is None else constant
    if node.head in ("subscript", "based"):
        return _drawn(repr(node), place)
    if node.head == "quantity":
        unit = IN_AN_EXPRESSION.get(node.name)
        if unit is None:
            raise NoValueError("a unit in an expression")
        return _value(node.parts[0], place) * _value(unit, place)
    parts = [_value(part, place) for part in node.parts]
    if node.head == "call":
        return _call(node.name, parts, place)
    if node.head not in _OPERATIONS:
        raise NoValueError(f"no value for {node.head}")
    return _OPERATIONS[node.head](parts)


def _product(parts: list[complex]) -> complex:
    value: complex = 1
    for part in parts:
        value *= part
    return value


def _root(parts: list[complex]) -> complex:
    radicand, degree = parts
    real = abs(radicand.imag) < 1e-300
    if real and radicand.real < 0 and degree.real % 2 == 1:
        return -float((-radicand.real) ** (1 / degree.real))
    return cmath.sqrt(radicand) if degree == 2 else complex(radicand) ** (1 / degree)


def _factorial(parts: list[complex]) -> complex:
    (value,) = parts
    if value.imag or value.real < 0:
        raise NoValueError("a factorial")
    return math.gamma(value.real + 1)


_OPERATIONS: dict[str, Callable[[list[complex]], complex]] = {
    "sum": sum,
    "product": _product,
    "quotient": lambda parts: parts[0] / parts[1],
    "negative": lambda parts: -parts[0],
    "power": lambda parts: complex(parts[0]) ** parts[1],
    "root": _root,
    "factorial": _factorial,
}

_ONE_ARGUMENT: dict[str, Callable[[complex], complex]] = {
    **{name: getattr(cmath, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp")},
    "cot": lambda x: 1 / cmath.tan(x),
    "sec": lambda x: 1 / cmath.cos(x),
    "csc": lambda x: 1 / cmath.sin(x),
    "arcsin": cmath.asin,
    "arccos": cmath.acos,
    "arctan": cmath.atan,
    "ln": cmath.log,
    "abs": abs,
    "floor": lambda x: math.floor(x.real),
    "ceiling": lambda x: math.ceil(x.real),
}


def _call(name: str, parts: list[complex], place: int) -> complex:
    if name in _ONE_ARGUMENT and len(parts) == 1:
        return _ONE_ARGUMENT[name](complex(parts[0]))
    if name == "log":
        if len(parts) == 2:
            return cmath.log(parts[0]) / cmath.log(parts[1])
        # Nothing says of which base.
        return cmath.log(parts[0]) * _drawn("log", place)
    if name == "binom":
        n, k = (part.real for part in parts)
        return math.gamma(n + 1) / math.gamma(k + 1) / math.gamma(n - k + 1)
    raise NoValueError(name)
