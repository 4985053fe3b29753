"""The options of property mode."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from lrmtest.errors import UsageError
from lrmtest.options.common import AddOption, at_least_1

DEFAULT_GENERATIONS = 400

_OF_RATES = (
    ("baseline", "--baseline"),
    ("save_baseline", "--save-baseline"),
    ("save_traces", "--save-traces"),
    ("triage", "--triage"),
    ("summary_json", "--summary-json"),
    ("html", "--html"),
    ("markdown", "--markdown"),
)
"""Options that work with pass rates, which questions that were searched for do not have."""


@dataclass(frozen=True, slots=True)
class PropertyOptions:
    """What the user wants searched.

    Attributes:
        generations: the most completions that one test may ask for.
        against: a model that has to pass where the model under test fails; None for no other.
    """

    generations: int = DEFAULT_GENERATIONS
    against: str | None = None


def add_property_options(add: AddOption) -> None:
    """Add the options."""
    add(
        "--property",
        action="store_true",
        help="search for the smallest generated question that fails each test of a generated "
        "suite; greedy unless --temperature is given",
    )
    add(
        "--generations",
        type=at_least_1,
        metavar="N",
        help="with --property: completions that one test may ask for "
        f"(default: {DEFAULT_GENERATIONS})",
    )
    add(
        "--against",
        metavar="NAME",
        help="with --property: search for questions that fail, but pass with this model, which "
        "is named as for --model",
    )


def read_property_options(option: argparse.Namespace) -> PropertyOptions | None:
    """What is to be searched; None without ``--property``.

    Raises:
        UsageError: a combination that cannot be meant.
    """
    if not option.property:
        for name in ("generations", "against"):
            if getattr(option, name) is not None:
                raise UsageError(
                    f"--{name} needs --property",
                    hint="it belongs to the search for a failing question: docs/minimal.md",
                )
        return None
    for name, flag in _OF_RATES:
        if getattr(option, name):
            raise UsageError(
                f"--property and {flag} cannot be given together",
                hint="questions that were searched for say nothing of a pass rate; run the suite "
                "without --property for that",
            )
    found = PropertyOptions(option.generations or DEFAULT_GENERATIONS, option.against)
    least = 2 * (option.samples or 1) * (1 if found.against is None else 2)
    if found.generations < least:
        raise UsageError(
            f"--generations {found.generations} is not enough to ask one question, and once more",
            hint=f"allow at least {least}",
        )
    return found
