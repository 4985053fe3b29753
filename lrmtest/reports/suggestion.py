"""The suggestion of what to protect, shown: lines for a terminal and a file, and JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lrmtest.analysis.suggestion import SuggestedModule, Suggestion
from lrmtest.counted import counted, three_digits
from lrmtest.reports.numbers import percent

_UNITS = ((1e9, "Gbit"), (1e6, "Mbit"), (1e3, "kbit"))


def suggestion_lines(found: Suggestion) -> list[str]:
    """A suggestion in sentences, then a line for each module."""
    mend = found.together.mend
    low, high = mend.interval.low, mend.interval.high
    against = (
        f"more than {found.together.beaten} of {found.together.draws} random draws of as many "
        "weights"
        if found.together.draws
        else "with no other modules of that size to compare"
    )
    return [
        f"To protect within {100 * found.budget:.3g} % of {found.of}: "
        f"{counted(len(found.modules), 'module')}, {percent(found.share)} of the weights, "
        f"{_bits(found.spent)} of {_bits(found.whole)}.",
        f"Restored together they mend {three_digits(mend.value)} "
        f"[{three_digits(low)}, {three_digits(high)}] of the "
        f"{three_digits(found.lost)} nats a trace that were lost, {against}"
        + (f"; the best of {found.tried} sets that were tried." if found.tried > 1 else "."),
        *(f"  {_module(one)}" for one in found.modules),
    ]


def suggestion_document(found: Suggestion) -> dict[str, Any]:
    """A suggestion as JSON values, unrounded."""
    mend = found.together.mend
    return {
        "budget": found.budget,
        "bits": found.spent,
        "of": found.of,
        "of_bits": found.whole,
        "share_of_weights": found.share,
        "lost": found.lost,
        "mends": {"value": mend.value, "interval": [mend.interval.low, mend.interval.high]},
        "beaten": found.together.beaten,
        "draws": found.together.draws,
        "tried": found.tried,
        "modules": [
            {
                "module": one.name,
                "weights": one.weights,
                "bits": one.cost,
                "type": one.type or None,
                "mends_alone": one.mend,
                "measured": one.measured,
            }
            for one in found.modules
        ],
    }


def remarks_of(modules: Sequence[SuggestedModule]) -> list[str]:
    """A few words on each module: what it costs and mends."""
    return [f"{_bits(one.cost)}, {_alone(one)}" for one in modules]


def _module(one: SuggestedModule) -> str:
    type_ = f" as {one.type}" if one.type else ""
    return f"{one.name}{type_}, {_bits(one.cost)}, {_alone(one)}"


def _alone(one: SuggestedModule) -> str:
    return f"{'mends' if one.measured else 'would mend'} {three_digits(one.mend)} alone"


def _bits(number: float) -> str:
    for unit, name in _UNITS:
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return f"{number:.0f} bit"
