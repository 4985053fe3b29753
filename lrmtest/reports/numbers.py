"""Figures as people read them: short, aligned, never more digits than they are good for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrmtest.counted import counted
from lrmtest.counted import three_digits as counted_digits

if TYPE_CHECKING:
    from lrmtest.analysis.intervals import Interval

UNKNOWN = "–"
"""Stands where there is no figure."""


def percent(share: float | None) -> str:
    """A share in [0, 1]: ``63.3 %``."""
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def interval_percent(interval: Interval) -> str:
    """The ends of an interval in percent: ``[45.5, 78.1]``."""
    return f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def points(difference: float) -> str:
    """A difference of shares in percentage points, with its sign: ``+3.2``, ``-0.5``."""
    # + 0.0 turns a negative zero into zero.
    return f"{100 * difference + 0.0:+.1f}"


def points_interval(difference: float, low: float, high: float) -> str:
    """A difference of shares with the ends of its interval: ``+3.2 [-1.0, +7.4]``."""
    return f"{points(difference)} [{points(low)}, {points(high)}]"


def p_value(p: float) -> str:
    """A p-value: ``0.182``, ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def three_digits(value: float) -> str:
    """Three digits, or as many as it takes: ``0.00412``, ``1.23``, ``456``, ``1,230``, ``2.7e-04``.

    Only what is below a thousandth has a power of ten.
    """
    return counted_digits(value) if abs(value) >= 1e-3 or value == 0 else f"{value:.1e}"


def rough_percent(share: float) -> str:
    """A share with the two digits that an estimate is good for: ``4.8 %``, ``100 %``."""
    percents = 100 * share
    return f"{percents:.0f} %" if abs(percents) >= 99.5 else f"{percents:.2g} %"


def count(number: float | None, *, estimated: bool = False) -> str:
    """A count in at most five characters: ``987``, ``9,870``, ``98.7k``, ``1.23M``.

    An estimate has ``~`` before it.
    """
    if number is None:
        return UNKNOWN
    return ("~" if estimated else "") + _short(number)


def _short(number: float) -> str:
    if round(number) < 10_000:
        return f"{round(number):,}"
    number, unit = _scaled(number, ("k", "M", "G"))
    # Three digits: 9.99, 99.9, 999.
    decimals = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{decimals}f}{unit}"


def _scaled(number: float, units: tuple[str, ...]) -> tuple[float, str]:
    """`number` in the first unit, each a thousand of the one before, that leaves it below 999.5."""
    for unit in units[:-1]:
        number /= 1000
        if number < 999.5:
            return number, unit
    return number / 1000, units[-1]


def size(number_of_bytes: int) -> str:
    """A size in bytes, decimal units: ``312 bytes``, ``1.2 MB``."""
    if number_of_bytes < 1000:
        return counted(number_of_bytes, "byte")
    number, unit = _scaled(number_of_bytes, ("kB", "MB", "GB"))
    return f"{number:.{1 if number < 9.95 else 0}f} {unit}"


def duration(seconds: float) -> str:
    """A time span, two units at most: ``3.2 s``, ``45 s``, ``2 min 13 s``, ``1 h 05 min``."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02} h"


def rough_duration(seconds: float) -> str:
    """A time span that is only expected, in one unit: ``40 s``, ``12 min``, ``3.5 h``."""
    seconds = max(seconds, 0.0)
    if seconds < 90:
        return f"{round(seconds)} s" if seconds < 20 else f"{5 * round(seconds / 5)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    for unit, length, most in (("h", 3600.0, 48.0), ("d", 86400.0, 1000.0)):
        number = seconds / length
        if number < most:
            return f"{number:.1f} {unit}" if number < 9.95 else f"{round(number)} {unit}"
    return "years"
