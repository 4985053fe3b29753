"""The failure classes that a table of results has columns for."""

from __future__ import annotations

from collections.abc import Iterable

from lrmtest.analysis.summary import SuiteSummary
from lrmtest.grading.verdict import FailureClass, classes_of


def shown_classes(parts: Iterable[SuiteSummary]) -> tuple[FailureClass, ...]:
    """In their order: those that are always shown, and those that some sample is of."""
    return classes_of(name for part in parts for name, number in part.failures.items() if number)
