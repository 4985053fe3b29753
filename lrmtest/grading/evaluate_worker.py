"""The process behind `lrmtest.grading.evaluate`: lines of JSON, a string in, an integer out."""

from __future__ import annotations

import json
import logging
import signal
import sys

_MEMORY_BYTES = 2 << 30
_LARGEST = 10**18


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows; the time limit still holds
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def evaluate(expression: str) -> int | None:
    """The integer that a LaTeX expression equals; None when it equals none or cannot be read."""
    from math_verify import LatexExtractionConfig, parse

    parsed = parse(
        f"${expression}$", extraction_config=[LatexExtractionConfig()], parsing_timeout=None
    )
    if not parsed or isinstance(parsed[0], str):
        return None
    value = parsed[0]
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
            value = evaluate(json.loads(line))
        except Exception:  # the parser's and sympy's errors are of every class
            value = None
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
