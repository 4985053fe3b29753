"""The facts that tests' reports carry, in this process or from xdist's, and their collector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.records import SampleRecord
from lrmtest.runs.rows import record_from_json, record_to_json

_ATTRIBUTE = "lrmtest_records"
_INFRASTRUCTURE = "lrmtest_infrastructure"
_MISTAKE, _BROKE = "mistake", "broke"
_OWN_FAILURE = "lrmtest_own_failure"
_SEARCH = "lrmtest_search"
_SMALLEST = "lrmtest_smallest"


def attach(report: pytest.TestReport, records: list[SampleRecord]) -> None:
    """Let a report carry records."""
    setattr(report, _ATTRIBUTE, records)


def serializable(data: dict[str, Any]) -> dict[str, Any]:
    """A report's data, as it goes to another process, with its records as JSON values."""
    if carried := data.get(_ATTRIBUTE):
        return {**data, _ATTRIBUTE: [record_to_json(record) for record in carried]}
    return data


def records_of(report: pytest.TestReport) -> list[SampleRecord]:
    """The records that a report carries."""
    carried: list[SampleRecord | dict[str, Any]] = getattr(report, _ATTRIBUTE, [])
    if any(isinstance(one, dict) for one in carried):  # it came from another process
        read = [record_from_json(one) if isinstance(one, dict) else one for one in carried]
        attach(report, read)
        return read
    return [one for one in carried if not isinstance(one, dict)]


def mark_infrastructure(report: pytest.TestReport, *, mistaken: bool = False) -> None:
    """Say that a test failed for a reason that is not the model's; workers' reports keep it.

    Args:
        report: the test's.
        mistaken: it was asked for what cannot be, where otherwise something broke.
    """
    setattr(report, _INFRASTRUCTURE, _MISTAKE if mistaken else _BROKE)


def is_infrastructure(report: pytest.TestReport) -> bool:
    """Whether a test failed for a reason that is not the model's."""
    return hasattr(report, _INFRASTRUCTURE)


def mark_own_failure(report: pytest.TestReport) -> None:
    """Say that a test failed for a reason of its own, which its answer's verdict is not."""
    setattr(report, _OWN_FAILURE, True)


def is_own_failure(report: pytest.TestReport) -> bool:
    """Whether a test failed for a reason of its own, whatever its answer's verdict."""
    return hasattr(report, _OWN_FAILURE)


def attach_search(report: pytest.TestReport, result: str, smallest: tuple[str, str] | None) -> None:
    """Let a report carry what came of its test's search.

    Args:
        report: the test's.
        result: what came of it, in one line.
        smallest: a model, and the id of the smallest question that fails with it; None for none.
    """
    setattr(report, _SEARCH, result)
    setattr(report, _SMALLEST, smallest)


def search_of(report: pytest.TestReport) -> str | None:
    """What came of a test's search, in one line; None for a test without one."""
    result: str | None = getattr(report, _SEARCH, None)
    return result


class RecordCollector:
    """The latest record of every sample, by model, and the tests that they come from.

    Attributes:
        infrastructure: tests that failed because an engine, a server or a worker broke.
        mistakes: tests that failed because they asked for what cannot be.
        smallest: of searches, each model and a smallest question that fails with it.
        lines: where each test function begins, from 1, by the test's id.
    """

    def __init__(self) -> None:
        self._records: dict[str, dict[tuple[QuestionKey, int], SampleRecord]] = {}
        self._test_ids: dict[str, dict[QuestionKey, str]] = {}
        self.infrastructure = 0
        self.mistakes = 0
        self.smallest: list[tuple[str, str]] = []
        self.lines: dict[str, int] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report carries."""
        if report.failed and is_infrastructure(report):
            mistaken = getattr(report, _INFRASTRUCTURE) == _MISTAKE
            self.mistakes += mistaken
            self.infrastructure += not mistaken
        if found := getattr(report, _SMALLEST, None):
            self.smallest.append(found)
        for record in records_of(report):
            question = record.place.question
            samples = self._records.setdefault(record.model, {})
            samples[question, record.place.sample] = record
            self._test_ids.setdefault(record.model, {})[question] = report.nodeid
            self.lines[report.nodeid] = (report.location[1] or 0) + 1

    def by_model(self) -> dict[str, tuple[SampleRecord, ...]]:
        """All records, by model in order of first appearance."""
        return {model: tuple(records.values()) for model, records in self._records.items()}

    def test_ids(self, model: str) -> Mapping[QuestionKey, str]:
        """The tests that asked a model's questions."""
        return self._test_ids.get(model, {})
