"""The output of ``lrmtest triage RUN``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from lrmtest.analysis.changed import changed
from lrmtest.analysis.divergence import Divergence
from lrmtest.analysis.flips import Flip
from lrmtest.analysis.foretold import Foretold
from lrmtest.analysis.triage import TriagedQuestion, of_kinds
from lrmtest.analysis.triage_kinds import CHANGE_KINDS, TRIAGE_KINDS, TriageKind
from lrmtest.counted import counted
from lrmtest.grading.verdict import FAILURE_CLASSES, classes_of
from lrmtest.reports.changes import (
    change_document,
    changed_document,
    counts_said,
    directions_said,
)
from lrmtest.reports.escape import one_line
from lrmtest.reports.foretold import foretold_document, foretold_said
from lrmtest.reports.numbers import UNKNOWN, count, p_value
from lrmtest.reports.reading import variation_said
from lrmtest.reports.tables import open_table
from lrmtest.runs.outcomes import QuestionKey, QuestionOutcome

_NAME_LIMIT = 60
_MOST_ROWS = 20

_MEANINGS: Mapping[TriageKind, str] = {
    "broken": "passed in the baseline, fails now",
    "worse": "passes less often than in the baseline",
    "unstable": "up or down, no more than by chance",
    "unchanged": "passes as often as in the baseline",
    "better": "passes more often than in the baseline",
    "fixed": "failed in the baseline, passes now",
    "fell": "passes less often, by chance or not",
    "rose": "passes more often, by chance or not",
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
_STYLES: Mapping[TriageKind, str] = {
    "broken": "bold red",
    "worse": "bold red",
    "fell": "bold red",
    "rose": "bold green",
    "better": "bold green",
    "fixed": "bold green",
}


def triage_view(
    questions: Sequence[TriagedQuestion],
    *,
    title: str,
    compared: bool,
    kinds: Sequence[TriageKind] = (),
    chosen: Sequence[TriagedQuestion] | None = None,
    reading: str = "",
    divergences: Mapping[QuestionKey, Divergence] = MappingProxyType({}),
    foretold: Foretold | None = None,
    next_steps: Sequence[str] = (),
) -> RenderableType:
    """The questions of a run by kind, as a rich renderable.

    Args:
        questions: from `lrmtest.analysis.triage.triage`.
        title: which run, and against which.
        compared: whether there is a baseline.
        kinds: which to list, all of each; by default those that want looking at, the first
            few of each.
        chosen: the questions that are listed, in order; by default all. Those above are counted.
        reading: whose divergence is shown; empty for none.
        divergences: of each question, by reading.
        foretold: what that says of the change; None where nothing can be said.
        next_steps: commands to go on with.
    """
    flips = [question.flip for question in questions if question.flip is not None]
    parts: list[RenderableType] = [Text(one_line(title, 400), style="bold"), _tally(questions)]
    if compared:
        parts += _tally_since(questions, flips)
    if reading:
        parts.append(Text(one_line(reading, 400)))
    if foretold is not None:
        parts += [Text(line) for line in foretold_said(foretold)]
    listed = questions if chosen is None else chosen
    sections: Sequence[TriageKind] = kinds or (
        ("broken", "worse", "unstable", "better", "fixed", "both-fail", "error")
        if compared
        else (*FAILURE_CLASSES, "flaky", "error")
    )
    several = len({question.outcome.suite for question in questions}) > 1
    for kind in sections:
        part = of_kinds(listed, [kind])
        if kind == "both-fail" and not kinds:  # the others have a section above
            part = of_kinds(part, ["unchanged"])
        if part:
            most = len(part) if kinds else _MOST_ROWS
            parts += ["", *_section(kind, part, most, divergences, several=several)]
    if next_steps:
        # A command that is wrapped could not be pasted.
        lines = [Text(step, no_wrap=True, overflow="ignore") for step in next_steps]
        parts += ["", *lines]
    return Group(*parts)


def triage_document(
    run_id: str,
    baseline_id: str | None,
    questions: Sequence[TriagedQuestion],
    chosen: Sequence[TriagedQuestion],
    divergences: Mapping[QuestionKey, Divergence] = MappingProxyType({}),
    foretold: Foretold | None = None,
) -> dict[str, Any]:
    """The questions as JSON values; docs/triage.md describes every field.

    Args:
        run_id, baseline_id: the two runs; None for one alone.
        questions: all, which are counted.
        chosen: those that are listed, in order.
        divergences: of each question, by reading.
        foretold: what that says of the change; None where nothing can be said.
    """
    flips = [question.flip for question in questions if question.flip is not None]
    return {
        "schema": "lrmtest-triage/1",
        "run_id": run_id,
        "baseline": baseline_id,
        "changed": None if baseline_id is None else changed_document(changed(flips)),
        "foretold": None if foretold is None else foretold_document(foretold),
        "questions": [
            {
                "suite": question.outcome.suite,
                "question": question.outcome.question_id,
                "kinds": [kind for kind in TRIAGE_KINDS if kind in question.kinds],
                "passes": question.outcome.passes,
                "samples": question.outcome.count,
                "failure": question.failure,
                "change": None if question.flip is None else change_document(question.flip),
                "divergence": _divergence(divergences.get(question.outcome.key)),
            }
            for question in chosen
        ],
    }


def _divergence(one: Divergence | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "s_low": one.variation.low,
        "s_high": one.variation.high,
        "s_exact": one.exact,
        "own_share_low": one.own_share.low,
        "own_share_high": one.own_share.high,
    }


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


def _tally_since(questions: Sequence[TriagedQuestion], flips: Sequence[Flip]) -> list[Text]:
    found = changed(flips)
    text = Text(f"since the baseline: {counts_said(found)}")
    alone = sum(question.baseline is None for question in questions)
    if alone:
        text.append(f"; {counted(alone, 'question')} not compared", style="yellow")
    return [text, Text(directions_said(found))]


def _section(
    kind: TriageKind,
    questions: Sequence[TriagedQuestion],
    most: int,
    divergences: Mapping[QuestionKey, Divergence],
    *,
    several: bool,
) -> list[RenderableType]:
    table = open_table()
    if several:
        table.add_column(Text("suite"), no_wrap=True)
    table.add_column(Text("question"), overflow="fold", min_width=8)
    table.add_column(Text("passed"), justify="right", no_wrap=True)
    compared = any(question.flip is not None for question in questions)
    if compared:
        table.add_column(Text("points"), justify="right", no_wrap=True)
        table.add_column(Text("p"), justify="right", no_wrap=True)
    if divergences:
        table.add_column(Text("S"), justify="right", no_wrap=True)
    table.add_column(Text("failures"), overflow="fold")
    table.add_column(Text("tokens"), justify="right", no_wrap=True)
    for question in questions[:most]:
        suite = [Text(one_line(question.outcome.suite, _NAME_LIMIT))] if several else []
        table.add_row(
            *suite,
            Text(one_line(question.outcome.question_id, 2 * _NAME_LIMIT)),
            _change(question, _passed),
            *(_size(question.flip) if compared else ()),
            *((Text(variation_said(divergences.get(question.outcome.key))),) * bool(divergences)),
            Text(_failures(question.outcome), style="yellow"),
            _change(question, _tokens),
        )
    heading = Text.assemble(
        (kind, _STYLES.get(kind, "bold yellow")),
        f" ({counted(len(questions), 'question')}): {_MEANINGS[kind]}",
    )
    parts: list[RenderableType] = [heading, table]
    if len(questions) > most:
        option = "--change" if kind in CHANGE_KINDS else "--kind"
        more = f"... and {len(questions) - most:,} more: {option} {kind}"
        parts.append(Text(more, style="dim"))
    return parts


def _change(question: TriagedQuestion, figure: Callable[[QuestionOutcome], str]) -> Text:
    after = figure(question.outcome)
    if question.baseline is None:
        return Text(after)
    return Text(f"{figure(question.baseline)} → {after}")


def _size(flip: Flip | None) -> tuple[Text, Text]:
    if flip is None:
        return Text(UNKNOWN), Text(UNKNOWN)
    return Text(f"{100 * flip.difference + 0.0:+.0f}"), Text(p_value(flip.p))


def _passed(outcome: QuestionOutcome) -> str:
    return f"{outcome.passes}/{outcome.count}" if outcome.count else UNKNOWN


def _tokens(outcome: QuestionOutcome) -> str:
    return count(outcome.tokens / outcome.count if outcome.count and outcome.tokens else None)


def _failures(outcome: QuestionOutcome) -> str:
    classes = classes_of(sample.failure for sample in outcome.samples.values())
    counts = [(name, outcome.failures(name)) for name in classes]
    return ", ".join(name if n == 1 else f"{name} ×{n}" for name, n in counts if n)
