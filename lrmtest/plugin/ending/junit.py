"""A test's properties in JUnit files (``--junitxml``): what its model did."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from lrmtest.reports.escape import one_line
from lrmtest.runs.records import SampleRecord, by_question

_LIMIT = 300
_MOST_SAMPLES = 64


def properties(records: Sequence[SampleRecord]) -> list[tuple[str, str]]:
    """Name and value of every property, question by question.

    With several samples, ``failure``, ``answer`` and the token counts have a value for each, in
    the order of the samples. Everything is on one line, bounded and without control characters,
    which XML cannot hold.
    """
    found: list[tuple[str, str]] = []
    for part in by_question(records).values():
        found += _of_question(sorted(part, key=lambda record: record.place.sample)[:_MOST_SAMPLES])
    return [(name, _value(value)) for name, value in found]


@lru_cache(maxsize=1024)
def _value(text: str) -> str:
    """A value on one line. Most are those of a thousand other tests."""
    return one_line(text, _LIMIT)


def _of_question(records: Sequence[SampleRecord]) -> list[tuple[str, str]]:
    first = records[0]
    graded = [(record, record.verdict) for record in records if record.verdict is not None]
    found = [("model", first.model), ("suite", first.place.suite)]
    found.append(("question", first.place.question_id))
    if graded:
        passes = sum(verdict.correct for _, verdict in graded)
        failures = [verdict.failure or "passed" for _, verdict in graded]
        answers = [(verdict.extracted or "")[:_LIMIT] for _, verdict in graded]
        found += [
            ("passes", f"{passes}/{len(graded)}"),
            ("failure", ", ".join(failures)),
            ("answer", ", ".join(answers)),
            ("reasoning_tokens", ", ".join(str(record.reasoning_tokens) for record, _ in graded)),
            ("answer_tokens", ", ".join(str(record.answer_tokens) for record, _ in graded)),
            ("tokens_estimated", str(any(record.tokens_estimated for record, _ in graded)).lower()),
        ]
    errors = [record.error for record in records if record.error]
    if errors:
        found.append(("engine_error", errors[0]))
    return found
