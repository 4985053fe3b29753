"""The summary as Markdown, for the job page of a continuous integration service.

What comes from a model or a file stands in it as text and nothing else: every character that
Markdown, HTML or GitHub's additions (mentions, issue numbers, formulas, links) could take for
markup is written as an HTML entity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.flips import by_size
from lrmtest.analysis.gate import GateResult
from lrmtest.analysis.gate_said import gate_said
from lrmtest.analysis.paired_comparison import RateChange, SuiteComparison
from lrmtest.analysis.summary import RunSummary, SuiteSummary
from lrmtest.counted import counted
from lrmtest.grading.verdict import FailureClass
from lrmtest.reports.certificate import certificate_notes
from lrmtest.reports.changes import counts_said, directions_said
from lrmtest.reports.classes import shown_classes
from lrmtest.reports.comparison_words import (
    TOKENS_NOT_COMPARED,
    change_said,
    compared_by_passes,
    could_tell,
    ends_notes,
    greedy_said,
    in_words,
    interval_said,
    look_said,
    reasoning_warnings,
    run_ends,
    told,
    would_decide,
)
from lrmtest.reports.drafts import drafts_said
from lrmtest.reports.escape import one_line
from lrmtest.reports.failed import FailedQuestion
from lrmtest.reports.numbers import (
    UNKNOWN,
    count,
    interval_percent,
    p_value,
    percent,
)
from lrmtest.reports.several_samples import several_said
from lrmtest.runs.adapted import run_warnings

MOST_QUESTIONS = 100
"""Failed questions listed for each model; GitHub shows at most 1 MiB."""

_NAME_LIMIT = 120
_ANSWER_LIMIT = 120
_ERROR_LIMIT = 300
_MARKS: Mapping[GateResult, str] = {
    "ok": "✅",
    "regressed": "❌",
    "undecided": "⚠️",
    "cannot-tell": "⚠️",
}
_MARKUP = re.compile(r"[&<>`*_\[\]|\\~#@:!$\"']|(?<=www)\.", re.IGNORECASE)


def literal(text: str, limit: int) -> str:
    """`text` on one line, cut to `limit` characters, with nothing that is taken for markup."""
    return _MARKUP.sub(lambda match: f"&#{ord(match.group())};", one_line(text, limit))


def markdown_report(
    summaries: Sequence[RunSummary],
    compared: Sequence[ComparedRuns] = (),
    failed: Mapping[str, Sequence[FailedQuestion]] | None = None,
    not_tested: Mapping[str, str] | None = None,
) -> str:
    """The report, ending in a line feed.

    Args:
        summaries: one for each run.
        compared: the runs' comparisons with their baselines.
        failed: the failed questions of each model, by its name.
        not_tested: why a model could not be tested at all, by its name.
    """
    parts = ["## lrmtest"]
    for model, reason in (not_tested or {}).items():
        parts.append(
            f"**⚠️ {literal(model, _NAME_LIMIT)} could not be tested**: "
            f"{literal(reason, _ERROR_LIMIT)}"
        )
    parts += [_decision(each) for each in compared if each.decision is not None]
    if summaries:
        parts.append(_results(summaries))
        ends = [
            f"- {line}"
            for summary in summaries
            for line in run_ends(literal(summary.model, _NAME_LIMIT), summary)
        ]
        if ends:
            parts.append("\n".join(ends))
        parts.append(_legend(summaries))
        warnings = [
            f"- ⚠️ {literal(summary.model, _NAME_LIMIT)}: {literal(warning, 500)}"
            for summary in summaries
            for warning in run_warnings(summary.manifest)
        ]
        parts += ["\n".join(warnings)] if warnings else []
    parts += [_comparison(each) for each in compared]
    for model, questions in (failed or {}).items():
        if questions:
            parts.append(_failed(model, questions))
    return "\n\n".join(parts) + "\n"


def _decision(compared: ComparedRuns) -> str:
    decision = compared.decision
    assert decision is not None
    name = literal(compared.candidate.model, _NAME_LIMIT)
    words = gate_said(compared)
    assert words is not None
    mark = "⚠️" if words.warnings else _MARKS[decision.result]
    _, _, what = words.headline.partition(": ")
    lines = [f"**{mark} gate: {in_words(decision.result)}: {literal(what, 300)}** ({name})", ""]
    lines += [f"- ⚠️ {literal(each, 500)}" for each in words.texts]
    lines += [f"- {literal(reason, 400)}" for reason in decision.reasons]
    said = [would_decide(decision)]
    if decision.result == "cannot-tell":
        said.append(could_tell(decision))
    said += [look_said(decision.settings), *greedy_said(compared), words.meaning]
    lines += [f"- {literal(each, 1000)}" for each in said if each]
    return "\n".join(lines)


def _results(summaries: Sequence[RunSummary]) -> str:
    classes = shown_classes(part for summary in summaries for part in summary.suites)
    named = [name.replace("-", " ") for name in classes]
    headers = ["model", "suite", "n", "pass rate", "lenient", *named, "errors", "tokens"]
    untold = any(summary.total.unknown_ends for summary in summaries)
    if untold:
        headers += ["end unknown", "pass rate if not ended"]
    rows = []
    for summary in summaries:
        parts = list(summary.suites)
        if len(parts) > 1:
            parts.append(summary.total)
        for part in parts:
            estimated = part.tokens_estimated and not summary.manifest.totals_counted
            cells = [literal(summary.model, _NAME_LIMIT), *_suite_cells(part, classes, estimated)]
            if untold:
                cells += [str(part.unknown_ends or ""), percent(part.known.value)]
            rows.append(cells)
    return markdown_table(headers, rows, left=2)


def _suite_cells(part: SuiteSummary, classes: Sequence[FailureClass], estimated: bool) -> list[str]:
    strict = percent(part.strict.value)
    if part.strict.value is not None:
        strict += f" {interval_percent(part.strict.interval)}"
    known = [stats.mean for stats in (part.reasoning_tokens, part.answer_tokens) if stats]
    tokens = count(sum(known), estimated=estimated) if known else UNKNOWN
    per_question = part.samples / part.questions if part.questions else 1
    asked = f"{part.questions}" + (f"×{per_question:.3g}" if per_question != 1 else "")
    return [
        literal(part.suite, _NAME_LIMIT),
        asked,
        strict,
        percent(part.lenient.value),
        *(str(part.failures.get(name) or "") for name in classes),
        str(part.errors or ""),
        tokens,
    ]


def _legend(summaries: Sequence[RunSummary]) -> str:
    runs = ", ".join(literal(summary.run_id, _NAME_LIMIT) for summary in summaries)
    return (
        f"n: questions×samples. Pass rate: [{100 * summaries[0].level:g} % interval for questions "
        "like these]; the model must have ended by itself. Lenient: what was cut off is graded on "
        f"what it had said. Tokens: mean per completion. Errors are the engine's and in no rate. "
        f"Runs: {runs}."
        + "".join(
            f" {literal(summary.model, _NAME_LIMIT)}: {drafts_said(summary.total.drafts)}."
            for summary in summaries
            if summary.total.drafts is not None
        )
        + "".join(
            f" {literal(summary.model, _NAME_LIMIT)}: {literal(said, 2000)}."
            for summary in summaries
            if (said := several_said(summary))
        )
    )


def _comparison(compared: ComparedRuns) -> str:
    title = (
        f"### {literal(compared.candidate.model, _NAME_LIMIT)} against the baseline "
        f"{literal(compared.baseline.model, _NAME_LIMIT)} "
        f"({literal(compared.baseline.run_id, _NAME_LIMIT)})"
    )
    parts = [title]
    if compared.early is None and compared.comparison.total.questions:
        parts.append(
            f"Questions: {directions_said(compared.changed)}. "
            f"By change: {counts_said(compared.changed)}."
        )
    notes = [f"- {literal(told(each), 300)}" for each in compared.told]
    notes += [f"- {literal(each, 500)}" for each in reasoning_warnings(compared)]
    notes += [f"- allowed to differ: {literal(str(each), 200)}" for each in compared.differences]
    notes += [f"- {note}" for note in _notes(compared)]
    if notes:
        parts.append("\n".join(notes))
    comparison = compared.comparison
    if compared.early is None and comparison.total.questions:
        rows = list(comparison.suites)
        if len(rows) > 1:
            rows.append(comparison.total)
        headers = ["suite", "n", "baseline", "candidate", "change, points", "p", "tokens, ratio"]
        parts.append(markdown_table(headers, [_comparison_cells(row) for row in rows], left=1))
        scored = [_score_cells(row, row.score) for row in rows if row.score is not None]
        if scored:
            headers = ["suite", "primary metric", *headers[2:6]]
            parts.append(markdown_table(headers, scored, left=2))
        parts.append(
            "Change: candidate minus baseline "
            f"{interval_said(comparison.total.failed.interval)}, paired by question."
        )
        parts += _fallen(compared)
    return "\n\n".join(parts)


def _fallen(compared: ComparedRuns) -> list[str]:
    """The questions that fell, the furthest first."""
    fallen = [flip for flip in by_size(compared.flips) if flip.difference < 0]
    if not fallen:
        return []
    headers = ["suite", "question", "change", "passed", "points", "p"]
    rows = [
        [
            literal(flip.candidate.suite, _NAME_LIMIT),
            literal(flip.candidate.question_id, _NAME_LIMIT),
            flip.change,
            f"{flip.baseline.passes}/{flip.baseline.count} → "
            f"{flip.candidate.passes}/{flip.candidate.count}",
            f"{100 * flip.difference:+.0f}",
            p_value(flip.p),
        ]
        for flip in fallen[:MOST_QUESTIONS]
    ]
    lines = ["<details>", f"<summary>{counted(len(fallen), 'question')} fell</summary>", ""]
    lines += [markdown_table(headers, rows, left=3), ""]
    if len(fallen) > MOST_QUESTIONS:
        lines += [f"... and {len(fallen) - MOST_QUESTIONS:,} more", ""]
    return ["\n".join([*lines, "</details>"])]


def _notes(compared: ComparedRuns) -> list[str]:
    notes = [literal(each, 500) for each in certificate_notes(compared.certificate)]
    if not compared.tokens_comparable:
        notes.append(TOKENS_NOT_COMPARED)
    notes += ends_notes(compared)
    notes += [literal(each, 300) for each in compared_by_passes(compared)]
    early = compared.early
    if early is not None:
        notes.append(
            f"stopped when decided: {early.looked_at:,} of {counted(early.samples, 'sample')} "
            f"counted, {early.not_generated:,} not generated; rates above are of what had arrived"
            + (
                ""
                if early.table is None
                else f"; told against all {early.table:,} samples of the baseline"
            )
            + (
                ""
                if early.foreseen is None
                else f"; stakes by reading {counted(early.foreseen, 'trace')}"
            )
        )
    # Of what was certified nothing is missing.
    sides = () if compared.certified else (("candidate", "baseline"), ("baseline", "candidate"))
    for side, other in sides:
        missing = sum(gap.side == side for gap in compared.comparison.missing)
        if missing:
            notes.append(
                f"{counted(missing, 'question')} of the {other} without a verdict in the {side}"
            )
    return notes


def _comparison_cells(row: SuiteComparison) -> list[str]:
    change = row.failed
    ratio = UNKNOWN if row.tokens is None else f"{row.tokens.ratio:.2f}"
    return [
        literal(row.suite, _NAME_LIMIT),
        str(row.questions),
        percent(1 - change.baseline),
        percent(1 - change.candidate),
        change_said(-change.worsening, change.interval, falling=True),
        p_value(row.p_adjusted),
        ratio,
    ]


def _score_cells(row: SuiteComparison, change: RateChange) -> list[str]:
    return [
        literal(row.suite, _NAME_LIMIT),
        literal(row.metric, 40),
        percent(1 - change.baseline),
        percent(1 - change.candidate),
        change_said(-change.worsening, change.interval, falling=True),
        p_value(change.pairs.p_different()),
    ]


def _failed(model: str, questions: Sequence[FailedQuestion]) -> str:
    broken = sum(question.broken for question in questions)
    title = f"{counted(len(questions), 'question')} of {literal(model, _NAME_LIMIT)} failed"
    if broken:
        title += f", {broken:,} of them passed in the baseline"
    rows = [_failed_cells(question) for question in questions[:MOST_QUESTIONS]]
    lines = [
        "<details>",
        f"<summary>{title}</summary>",
        "",
        markdown_table(["test", "", "class", "passed", "answered", "tokens"], rows, left=3),
        "",
    ]
    if len(questions) > MOST_QUESTIONS:
        lines += [f"... and {len(questions) - MOST_QUESTIONS:,} more", ""]
    return "\n".join([*lines, "</details>"])


def _failed_cells(question: FailedQuestion) -> list[str]:
    if question.failure is None and question.error:
        answers = literal(question.error, _ERROR_LIMIT)
    else:
        given = [UNKNOWN if answer is None else answer for answer in question.answers[:4]]
        answers = ", ".join(literal(answer, _ANSWER_LIMIT) for answer in given)
    return [
        literal(question.test_id, 2 * _NAME_LIMIT),
        "broken" if question.broken else "",
        question.failure or "engine error",
        f"{question.passes}/{question.samples}",
        answers,
        count(question.tokens),
    ]


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    """A table whose first `left` columns are flush left, the others flush right."""
    rule = [":--" if number < left else "--:" for number in range(len(headers))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headers, rule, *rows))
