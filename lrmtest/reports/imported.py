"""The result of importing a log, in a few lines."""

from __future__ import annotations

from lrmtest.counted import counted
from lrmtest.reports.escape import one_line
from lrmtest.runs.formats.imported import Disagreement, Imported
from lrmtest.runs.reasoning import told_form, warnings_of

_MOST_LISTED = 10
_NAME_LIMIT = 200


def imported_lines(tool: str, imported: Imported) -> list[str]:
    """How many completions a log had, where its grader disagrees with ours, what was left out."""
    run_id = one_line(imported.run.run_id, _NAME_LIMIT)
    lines = [
        f"{counted(imported.completions, 'completion')} of {run_id} read into suite "
        f"{one_line(imported.suite, _NAME_LIMIT)}, graded, "
        f"{new_ones(imported.new, imported.completions)}; see: lrmtest show {run_id}"
    ]
    if form := told_form(imported.reasoning):
        lines.append(one_line(form, _NAME_LIMIT))
    lines += [one_line(f"warning: {each}", 500) for each in warnings_of(imported.reasoning)]
    if imported.errors:
        lines.append(f"{counted(imported.errors, 'sample')} without an output: engine errors here")
    if imported.end_column:
        lines.append(imported.end_column)
    if imported.unknown_ends:
        lines.append(
            f"{imported.unknown_ends:,} of {counted(imported.completions, 'completion')} do not "
            "say how they ended; --finish-reason says it, but not of tails that repeat themselves"
        )
    if imported.compared:
        agreed = imported.compared - len(imported.disagreements)
        by = ", ".join(one_line(mark, 80) for mark in imported.marks[:3])
        told = f" (by {by})" if by else ""
        lines.append(f"{tool} graded {agreed} of {imported.compared} in the same way{told}")
        lines += [f"  {_told(each)}" for each in imported.disagreements[:_MOST_LISTED]]
        if len(imported.disagreements) > _MOST_LISTED:
            lines.append(f"  ... and {len(imported.disagreements) - _MOST_LISTED} more")
    if imported.left_out:
        names = [one_line(name, 60) for name in imported.left_out[:_MOST_LISTED]]
        more = ", ..." if len(imported.left_out) > _MOST_LISTED else ""
        lines.append(
            f"left out, because the suite does not have them: "
            f"{counted(len(imported.left_out), 'question')} ({', '.join(names)}{more})"
        )
    lines += [
        f"left out: {counted(each.count, 'sample')} (the first: {one_line(each.first, 60)}), "
        f"because {one_line(each.reason, _NAME_LIMIT)}"
        for each in imported.skipped
    ]
    lines += [one_line(remark, _NAME_LIMIT) for remark in imported.remarks]
    return lines


def new_ones(new: int, completions: int) -> str:
    """How many of a file's completions the store did not have."""
    if new == completions:
        return "all of them new"
    return "none of them new: it was imported before" if not new else f"{new} of them new"


def _told(each: Disagreement) -> str:
    verdict = each.verdict
    here = "correct" if verdict.correct else str(verdict.failure)
    if verdict.extracted is not None:
        here += f" ({one_line(verdict.extracted, 80)})"
    return (
        f"{one_line(each.question_id, 80)} sample {each.sample}: "
        f"{'correct' if each.passed else 'wrong'} there, {here} here"
    )
