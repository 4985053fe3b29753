"""Annotations of GitHub Actions: workflow commands, which its runner reads from the log.

How no model's text becomes one: `lrmtest.reports.log_commands`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from lrmtest.analysis.gate import Decision, GateResult
from lrmtest.analysis.gate_said import GateSaid
from lrmtest.counted import counted
from lrmtest.reports.comparison_words import in_words
from lrmtest.reports.escape import one_line
from lrmtest.reports.failed import FailedQuestion
from lrmtest.reports.numbers import UNKNOWN, count

MOST_ANNOTATIONS = 9
"""Questions annotated; GitHub shows ten of each level for a step, and one says how many more."""

Level = Literal["error", "warning", "notice"]

_ANSWER_LIMIT = 100


def annotation(level: Level, message: str, *, title: str, file: str = "", line: int = 0) -> str:
    """One workflow command; whatever is in the texts stays in their place."""
    properties = {"file": file, "line": str(line) if line else "", "title": title}
    given = ",".join(f"{name}={_property(text)}" for name, text in properties.items() if text)
    return f"::{level} {given}::{_data(message)}"


def question_annotations(
    questions: Sequence[tuple[FailedQuestion, str]], level: Level
) -> list[str]:
    """Annotations of failed questions, each with the file of its test; the first few of many."""
    lines = [
        annotation(
            level,
            _told(question),
            title=f"{question.model}: {' '.join(question.key)}",
            file=file,
            line=question.line,
        )
        for question, file in questions[:MOST_ANNOTATIONS]
    ]
    if len(questions) > MOST_ANNOTATIONS:
        more = counted(len(questions) - MOST_ANNOTATIONS, "more question")
        lines.append(annotation(level, f"{more} failed; see the job summary", title="lrmtest"))
    return lines


def decision_annotation(model: str, decision: Decision, said: GateSaid) -> str:
    """What a gate decided, what that means, and why; an ok with warnings is one."""
    levels: Mapping[GateResult, Level] = {
        "regressed": "error",
        "undecided": "warning",
        "cannot-tell": "warning",
        "ok": "notice",
    }
    _, _, meaning = said.headline.partition(": ")
    lines = [meaning, *(f"warning: {each}" for each in said.texts), *decision.reasons]
    return annotation(
        "warning" if said.warnings else levels[decision.result],
        "\n".join(one_line(line, 500) for line in lines),
        title=f"{model}: gate {in_words(decision.result)}",
    )


def _told(question: FailedQuestion) -> str:
    if question.failure is None:
        return f"engine error: {one_line(question.error, 300)}"
    answers = [UNKNOWN if answer is None else answer for answer in question.answers[:4]]
    given = ", ".join(one_line(answer, _ANSWER_LIMIT) for answer in answers)
    since = "passed in the baseline, now " if question.broken else ""
    told = f"{since}{question.failure}; answered {given}"
    if question.samples > 1:
        told += f"; {question.passes} of {question.samples} samples passed"
    if question.tokens is not None:
        told += f"; {count(question.tokens)} tokens"
    return told


def _data(text: str) -> str:
    lines = "\n".join(one_line(line, 1000) for line in text.split("\n"))
    return lines.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text, 300)).replace(":", "%3A").replace(",", "%2C")
