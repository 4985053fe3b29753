"""The questions that failed, for a continuous integration service: which, where, and how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lrmtest.grading.verdict import FailureClass
from lrmtest.natural_order import in_order
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.records import SampleRecord, by_question


@dataclass(frozen=True, slots=True)
class FailedQuestion:
    """A question that a model failed, or that its engine gave nothing for.

    Attributes:
        model: the model's name.
        key: its suite and id.
        test_id: what to give pytest to run it.
        line: where its test function begins, from 1.
        broken: it passed in the baseline.
        failure: the most frequent failure class; None when every sample ended in an engine error.
        passes, samples: how many samples passed, of how many with a verdict.
        answers: the extracted answers, each once, the most frequent first.
        tokens: mean tokens of its completions; None when unknown.
        error: what the engine said; empty without an engine error.
    """

    model: str
    key: QuestionKey
    test_id: str
    line: int
    broken: bool
    failure: FailureClass | None
    passes: int
    samples: int
    answers: tuple[str | None, ...]
    tokens: float | None
    error: str = ""


def failed_questions(
    records: Iterable[SampleRecord],
    test_ids: Mapping[QuestionKey, str],
    lines: Mapping[str, int],
    *,
    threshold: float,
    broken: Iterable[QuestionKey] = (),
) -> list[FailedQuestion]:
    """Those of a model's questions that failed: broken ones first, then the others, then errors.

    Args:
        records: the model's samples.
        test_ids: the tests of its questions.
        lines: where tests begin, by their ids.
        threshold: share of a question's samples that must be correct for it to pass.
        broken: the questions that passed in the baseline.
    """
    was_passed = set(broken)
    asked = by_question(records)
    found = [
        _failed(key, asked[key], test_ids.get(key, " ".join(key)), lines, key in was_passed)
        for key in in_order(asked)
        if not _passed(asked[key], threshold)
    ]
    return sorted(found, key=lambda question: (not question.broken, question.failure is None))


def _passed(records: list[SampleRecord], threshold: float) -> bool:
    verdicts = [record.verdict for record in records if record.verdict is not None]
    if len(verdicts) < len(records):
        return False
    return sum(verdict.correct for verdict in verdicts) >= threshold * len(verdicts)


def _failed(
    key: QuestionKey,
    records: list[SampleRecord],
    test_id: str,
    lines: Mapping[str, int],
    broken: bool,
) -> FailedQuestion:
    graded = [(record, record.verdict) for record in records if record.verdict is not None]
    failures = Counter(
        verdict.failure for _, verdict in graded if verdict.failure is not None
    ).most_common(1)
    answers = Counter(verdict.extracted for _, verdict in graded)
    tokens = [record.tokens for record, _ in graded]
    errors = [record.error for record in records if record.error]
    return FailedQuestion(
        model=records[0].model,
        key=key,
        test_id=test_id,
        line=lines.get(test_id, 1),
        broken=broken,
        failure=failures[0][0] if failures else None,
        passes=sum(verdict.correct for _, verdict in graded),
        samples=len(graded),
        answers=tuple(answer for answer, _ in answers.most_common()),
        tokens=sum(tokens) / len(tokens) if any(tokens) else None,
        error=errors[0] if errors else "",
    )
