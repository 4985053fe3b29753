"""The process behind `lrmtest.grading.evaluate`: lines of JSON.

In comes a string, and its integer value goes out; or a list of two, and whether they are equal.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from typing import Any

_MEMORY_BYTES = 2 << 30
_LARGEST = 10**18


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows; the time limit still holds
        return
    # Who started it may have less, and only root may take more than that.
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY_BYTES if most == resource.RLIM_INFINITY else min(most, _MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _parsed(expression: str) -> Any:
    """What math-verify reads of a LaTeX expression, of one of sympy's classes; None if nothing."""
    from math_verify import LatexExtractionConfig, parse

    parsed = parse(
        f"${expression}$", extraction_config=[LatexExtractionConfig()], parsing_timeout=None
    )
    return parsed[0] if parsed and not isinstance(parsed[0], str) else None


def equal(one: str, other: str) -> bool | None:
    """Whether two LaTeX expressions are proved equal or unequal; None when neither is."""
    from sympy import Expr, simplify

    left, right = _parsed(one), _parsed(other)
    if not isinstance(left, Expr) or not isinstance(right, Expr):
        return None
    difference = simplify(left.doit() - right.doit())
    if difference.is_zero is not None:
        return bool(difference.is_zero)
    decided = difference.equals(0)
    return None if decided is None else bool(decided)


def evaluate(expression: str) -> int | None:
    """The integer that a LaTeX expression equals; None when it equals none or cannot be read."""
    value = _parsed(expression)
    if value is None:
        return None
    if getattr(value, "is_Equality", False):
        value = value.rhs
    value = value.doit()
    if not getattr(value, "is_integer", False) or not value.is_number or abs(value) > _LARGEST:
        return None
    return int(value)


def main() -> None:
    """Answer requests until standard input ends."""
    seconds = float(sys.argv[1])
    logging.disable()
    import math_verify  # noqa: F401  (its import must not count as an expression's time)

    _limit_memory()
    print("ready", flush=True)
    for line in sys.stdin:
        # The signal ends this process, in the middle of an endless computation too.
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            request = json.loads(line)
            value = evaluate(request) if isinstance(request, str) else equal(*request)
        except Exception:  # the parser's and sympy's errors are of every class
            value = None
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
