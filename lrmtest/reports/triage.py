"""The output of ``lrmtest triage RUN``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from lrmtest.analysis.triage import TriagedQuestion, TriageKind, of_kinds
from lrmtest.grading.verdict import FAILURE_CLASSES, classes_of
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import UNKNOWN, count, counted
from lrmtest.reports.tables import open_table
from lrmtest.runs.outcomes import QuestionOutcome

_NAME_LIMIT = 60
_MOST_ROWS = 20

_SINCE: tuple[TriageKind, ...] = ("broken", "fixed", "flaky", "both-fail", "both-pass")
_MEANINGS: Mapping[TriageKind, str] = {
    "broken": "passed in the baseline, fails now",
    "fixed": "failed in the baseline, passes now",
    "flaky": "some samples pass, some fail, no more than by chance",
    "both-fail": "failed in the baseline too",
    "both-pass": "passed in the baseline too",
    "failed": "failed",
    "wrong": "gave a wrong answer",
    "no-answer": "gave no answer that could be read",
    "lost-answer": "had the right answer, and went on to another or ran out",
    "unclosed": "never closed their reasoning",
    "truncated": "ran out of their budget, or were never closed and do not say how they ended",
    "looped": "ended in a loop",
    "error": "the engine gave nothing",
}
_STYLES: Mapping[TriageKind, str] = {"broken": "bold red", "fixed": "bold green"}


def triage_view(
    questions: Sequence[TriagedQuestion],
    *,
    title: str,
    compared: bool,
    kinds: Sequence[TriageKind] = (),
    next_steps: Sequence[str] = (),
) -> RenderableType:
    """The questions of a run by kind, as a rich renderable.

    Args:
        questions: from `lrmtest.analysis.triage.triage`.
        title: which run, and against which.
        compared: whether there is a baseline.
        kinds: which to list, all of each; by default those that want looking at, the first
            few of each.
        next_steps: commands to go on with.
    """
    parts: list[RenderableType] = [Text(one_line(title, 400), style="bold"), _tally(questions)]
    if compared:
        parts.append(_tally_since(questions))
    chosen: Sequence[TriageKind] = kinds or (
        ("broken", "fixed", "flaky", "both-fail", "error")
        if compared
        else (*FAILURE_CLASSES, "flaky", "error")
    )
    several = len({question.outcome.suite for question in questions}) > 1
    for kind in chosen:
        part = of_kinds(questions, [kind])
        if part:
            most = len(part) if kinds else _MOST_ROWS
            parts += ["", *_section(kind, part, most, several=several)]
    if next_steps:
        # A command that is wrapped could not be pasted.
        lines = [Text(step, no_wrap=True, overflow="ignore") for step in next_steps]
        parts += ["", *lines]
    return Group(*parts)


def _tally(questions: Sequence[TriagedQuestion]) -> Text:
    failed = of_kinds(questions, ["failed"])
    classes = [(name, len(of_kinds(failed, [name]))) for name in FAILURE_CLASSES]
    text = Text(f"{counted(len(questions), 'question')}, {len(failed):,} failed")
    named = ", ".join(f"{number:,} {name}" for name, number in classes if number)
    text.append(f": {named}" if named else "")
    errors = len(of_kinds(questions, ["error"]))
    if errors:
        text.append(f"; {errors:,} with nothing but engine errors", style="bold red")
    return text


def _tally_since(questions: Sequence[TriagedQuestion]) -> Text:
    counts = {kind: len(of_kinds(questions, [kind])) for kind in _SINCE}
    text = Text("since the baseline: ")
    text.append(", ".join(f"{number:,} {kind}" for kind, number in counts.items()))
    alone = sum(question.baseline is None for question in questions)
    if alone:
        text.append(f"; {counted(alone, 'question')} not compared", style="yellow")
    return text


def _section(
    kind: TriageKind, questions: Sequence[TriagedQuestion], most: int, *, several: bool
) -> list[RenderableType]:
    table = open_table()
    if several:
        table.add_column(Text("suite"), no_wrap=True)
    table.add_column(Text("question"), overflow="fold", min_width=8)
    table.add_column(Text("passed"), justify="right", no_wrap=True)
    table.add_column(Text("failures"), overflow="fold")
    table.add_column(Text("tokens"), justify="right", no_wrap=True)
    for question in questions[:most]:
        suite = [Text(one_line(question.outcome.suite, _NAME_LIMIT))] if several else []
        table.add_row(
            *suite,
            Text(one_line(question.outcome.question_id, 2 * _NAME_LIMIT)),
            _change(question, _passed),
            Text(_failures(question.outcome), style="yellow"),
            _change(question, _tokens),
        )
    heading = Text.assemble(
        (kind, _STYLES.get(kind, "bold yellow")),
        f" ({counted(len(questions), 'question')}): {_MEANINGS[kind]}",
    )
    parts: list[RenderableType] = [heading, table]
    if len(questions) > most:
        parts.append(Text(f"... and {len(questions) - most:,} more: --kind {kind}", style="dim"))
    return parts


def _change(question: TriagedQuestion, figure: Callable[[QuestionOutcome], str]) -> Text:
    after = figure(question.outcome)
    if question.baseline is None:
        return Text(after)
    return Text(f"{figure(question.baseline)} → {after}")


def _passed(outcome: QuestionOutcome) -> str:
    return f"{outcome.passes}/{outcome.count}" if outcome.count else UNKNOWN


def _tokens(outcome: QuestionOutcome) -> str:
    return count(outcome.tokens / outcome.count if outcome.count and outcome.tokens else None)


def _failures(outcome: QuestionOutcome) -> str:
    classes = classes_of(sample.failure for sample in outcome.samples.values())
    counts = [(name, outcome.failures(name)) for name in classes]
    return ", ".join(name if n == 1 else f"{name} ×{n}" for name, n in counts if n)
