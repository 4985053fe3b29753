"""The result of a search, as it is left for the report of its test."""

from __future__ import annotations

import pytest

SEARCHED = pytest.StashKey[tuple[str, str | None]]()
"""What came of a test's search, in one line, and the id of the smallest question that failed."""


class SmallestFailure(AssertionError):
    """The smallest question found on which a test fails; its text explains it."""
