"""The explanation of a failing test, in place of a traceback."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from textwrap import wrap

from lrmtest.counted import counted
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict, classes_of
from lrmtest.questions.question import Question
from lrmtest.reports.escape import one_line
from lrmtest.reports.fold import last_lines
from lrmtest.suites.registry import request_of

Sample = tuple[Completion | None, Verdict | None, str | None]
"""One sample: its completion and verdict, or its engine error."""

_WIDTH = 96
_QUESTION_LIMIT = 600
_MOST_FIELDS = 4
_ANSWER_LIMIT = 80
_TAIL_LINES = 8
_TAIL_LIMIT = 800
_MOST_SAMPLES = 16


def explain(question: Question, samples: Sequence[Sample]) -> str:
    """Why an attempt failed: what was asked, expected and answered, safe to print.

    The first line stands for itself, since pytest shows it alone in its short summary. Then come
    the question, a line for each sample, and how the first failing sample ended. Where the authors
    of a benchmark ask that its questions are not published, there is no text of any: a session's
    output is what is copied into logs, and logs are often public.
    """
    request = request_of(question.suite)
    lines = [headline(question, samples)]
    lines += _block("question", f"not shown, for its authors ask: {request}") if request else []
    lines += [] if request else _asked(question)
    lines += _block("expected", _expected(question))
    for index, sample in enumerate(samples[:_MOST_SAMPLES]):
        name = "answer" if len(samples) == 1 else f"sample {index}"
        lines += _block(name, _describe(sample))
    if len(samples) > _MOST_SAMPLES:
        lines += _block("", f"… and {len(samples) - _MOST_SAMPLES} more samples")
    for index, (completion, verdict, _) in enumerate(samples):
        if completion is not None and verdict is not None and not verdict.correct:
            if request:
                lines.append(
                    "(what was asked and answered: lrmtest show last "
                    + one_line(question.id, 80)
                    + ")"
                )
                break
            which = "it" if len(samples) == 1 else f"sample {index}"
            tail = last_lines(completion.text, _TAIL_LINES, _TAIL_LIMIT)
            lines.append(f"{which} ended with:")
            lines += [f"  | {part}" for line in tail.split("\n") for part in wrap(line, _WIDTH)]
            break
    return "\n".join(lines)


def headline(question: Question, samples: Sequence[Sample]) -> str:
    """One line: ``expected 33, answered 34`` or ``1 of 4 samples correct: 2 wrong, 1 looped``."""
    expected = f"expected {one_line(question.expected, _ANSWER_LIMIT)}"
    if len(samples) == 1:
        return f"{expected}, {_describe(samples[0])}"
    verdicts = [verdict for _, verdict, _ in samples if verdict is not None]
    classes = Counter(verdict.failure for verdict in verdicts if verdict.failure is not None)
    counts = [f"{classes[name]} {name}" for name in classes_of(classes) if classes[name]]
    errors = len(samples) - len(verdicts)
    counts += [counted(errors, "engine error")] if errors else []
    correct = sum(verdict.correct for verdict in verdicts)
    return f"{correct} of {len(samples)} samples correct, {expected}: {', '.join(counts) or 'none'}"


def _describe(sample: Sample) -> str:
    """What became of a sample, in a few words."""
    completion, verdict, error = sample
    if completion is None or verdict is None:
        return f"engine error: {one_line(error or 'no completion', 2 * _ANSWER_LIMIT)}"
    tokens = completion.completion_tokens
    approximately = "about " if completion.tokens_estimated else ""
    after = f" after {approximately}{tokens:,} tokens" if tokens else ""
    if not verdict.end and (verdict.failure in (None, "wrong") or verdict.extracted is not None):
        given = verdict.failure or "correct"
        answer = one_line(verdict.extracted or "", _ANSWER_LIMIT)
        partly = f", score {verdict.score:.2f}" if 0 < verdict.score < 1 else ""
        untried = " (nothing decided within bounds whether it is equal)"
        undecided = untried if verdict.metrics.get("undecided") else ""
        return f"{given}: {answer or 'nothing'}{partly}{after}{undecided}"
    if not verdict.end:
        return f"{verdict.failure}: it ended{after} without an answer that could be read"
    would = (
        f"it would have answered {one_line(verdict.provisional, _ANSWER_LIMIT)}"
        if verdict.provisional is not None
        else "it had given no answer"
    )
    untold = " (nothing says how it ended)" if completion.finish_reason == "unknown" else ""
    return f"{verdict.failure}{after}{untold}: {would}"


def _asked(question: Question) -> list[str]:
    """The question's material, bounded: its only text, or its first fields by name."""
    fields = [
        (name, value)
        for name, value in question.material.items()
        # Such a field is another one, spelled out for the prompt.
        if name.removesuffix("_text") == name or name.removesuffix("_text") not in question.material
    ]
    if len(fields) == 1:
        return _block("question", one_line(_text(fields[0][1]), _QUESTION_LIMIT))
    limit = _QUESTION_LIMIT // 2
    lines: list[str] = []
    for name, value in fields[:_MOST_FIELDS]:
        lines += _block(one_line(name, 20), one_line(_text(value), limit))
    return lines


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return " / ".join(str(part) for part in value)
    return str(value)


def _expected(question: Question) -> str:
    aliases = [one_line(alias, _ANSWER_LIMIT) for alias in question.references[1:4]]
    more = len(question.references) - 1 - len(aliases)
    expected = one_line(question.expected, 2 * _ANSWER_LIMIT)
    if not aliases:
        return expected
    return f"{expected} (or: {'; '.join(aliases)}{f'; {more} more' if more else ''})"


def _block(name: str, text: str) -> list[str]:
    """`text` wrapped beside its name."""
    first, *rest = wrap(text, _WIDTH - 11) or [""]
    return [f"{name:<10} {first}".rstrip(), *(f"{'':<10} {line}" for line in rest)]
