"""The summary of a reading: all of a reader's figures, by suite, question and trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lrmtest.analysis.divergence import Divergence, TraceFigures, diverge, trace_figures
from lrmtest.models.reading import Reading, Shaping
from lrmtest.runs.outcomes import QuestionKey


@dataclass(frozen=True, slots=True)
class ReadingSummary:
    """What a reading comes to.

    Attributes:
        total: over all traces.
        suites: by suite, in the traces' order.
        questions: by question, those that diverge most first.
        traces: of every trace, in order.
    """

    total: Divergence
    suites: Mapping[str, Divergence]
    questions: Mapping[QuestionKey, Divergence]
    traces: tuple[TraceFigures, ...]


def summarize_reading(
    readings: Iterable[Reading], shapings: Mapping[str, Shaping], level: float = 0.95
) -> ReadingSummary | None:
    """The summary of some readings; None of none.

    Args:
        readings: one at a time; they are not kept.
        shapings: by the place's key, how the trace was drawn. Readings of others are left out.
        level: nominal coverage of the intervals.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    traces = tuple(
        trace_figures(one, shapings[one.place.key]) for one in readings if one.place.key in shapings
    )
    if not traces:
        return None
    by_suite: dict[str, list[TraceFigures]] = {}
    by_question: dict[QuestionKey, list[TraceFigures]] = {}
    for one in traces:
        by_suite.setdefault(one.place.suite, []).append(one)
        by_question.setdefault(one.place.question, []).append(one)
    questions = {key: diverge(group, level) for key, group in by_question.items()}
    order = sorted(questions, key=lambda key: -questions[key].variation.high)
    return ReadingSummary(
        total=diverge(traces, level),
        suites={suite: diverge(group, level) for suite, group in by_suite.items()},
        questions={key: questions[key] for key in order},
        traces=traces,
    )
