"""Grading: a grader for each answer kind, and the rules that turn a grade into a verdict."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from lrmtest.errors import UsageError
from lrmtest.grading.completion import Completion
from lrmtest.grading.could_say import could_say
from lrmtest.grading.failure_class import QuestionReader, of_ended, of_unfinished
from lrmtest.grading.integer import grade_integer
from lrmtest.grading.label import grade_label
from lrmtest.grading.loops import find_loop
from lrmtest.grading.option import grade_option
from lrmtest.grading.sequence import grade_sequence
from lrmtest.grading.short_text import grade_short_text
from lrmtest.grading.split import Parts, Tags, split
from lrmtest.grading.symbolic import grade_expression
from lrmtest.grading.unknown_end import last_words, never_ended
from lrmtest.grading.verdict import End, FailureClass, Grade, Verdict
from lrmtest.questions.question import (
    EXPRESSION,
    INTEGER,
    LABEL,
    OPTION,
    SEQUENCE,
    SHORT_TEXT,
    Question,
)

Grader = Callable[[Question, str], Grade]
"""Grades one answer text: called with the question and the text, returns a `Grade`.

Only an answer that the text commits to counts. A grader must not raise on any text, and must give
the same grade for the same text.
"""

_graders: dict[str, Grader] = {
    INTEGER: grade_integer,
    LABEL: grade_label,
    OPTION: grade_option,
    EXPRESSION: grade_expression,
    SEQUENCE: grade_sequence,
    SHORT_TEXT: grade_short_text,
}


def register(kind: str, grader: Grader) -> None:
    """Make `grader` grade all questions of `kind`, in every suite that has no grader of its own.

    A grader takes a `lrmtest.Question` and the text of one answer, without the reasoning if that
    was closed, and returns a `lrmtest.Grade`::

        def shouted(question: lrmtest.Question, text: str) -> lrmtest.Grade:
            words = text.split()
            said = words[-1] if words and words[-1].isupper() else None
            correct = said == question.expected
            return lrmtest.Grade(extracted=said, correct=correct, score=float(correct))

        lrmtest.register("shouted", shouted)

    Raises:
        UsageError: another grader has that kind already.
    """
    if _graders.get(kind, grader) is not grader:
        raise UsageError(
            f"the answer kind {kind!r} already has a grader",
            hint="register yours under another name and give your questions that kind",
        )
    _graders[kind] = grader


def grader_for(kind: str) -> Grader:
    """The grader of an answer kind.

    Raises:
        UsageError: nobody registered one.
    """
    try:
        return _graders[kind]
    except KeyError:
        known = ", ".join(sorted(_graders))
        raise UsageError(
            f"there is no grader for the answer kind {kind!r}",
            hint=f"known kinds: {known}; a test file or conftest.py adds one with "
            "lrmtest.register(kind, grader)",
        ) from None


def grade_by_kind(question: Question, text: str) -> Grade:
    """The grade that the question's answer kind gives; a `Grader`.

    Raises:
        UsageError: nobody registered a grader for the kind.
    """
    return grader_for(question.kind)(question, text)


_CUT_WORD = re.compile(r"\w{1,40}\Z")

MOST_GRADED = 2_000_000
"""Characters of an answer that are graded: its end. That is far more than any budget in use, and
bounds what a grade takes, whatever the text: a commitment so far before the end is not the last
word of an answer."""


def grade(
    question: Question,
    completion: Completion,
    tags: Tags = (),
    grader: Grader = grade_by_kind,
    *,
    opened: bool = False,
) -> Verdict:
    """Grade one completion, honestly.

    - A completion that did not end by itself is not passed, whatever it says: it is truncated,
      or looped when it was stopped for that or its tail repeats itself. What it would have
      answered is provisional: taken from the answer if the reasoning was closed, else from the
      unfinished text, and only what is committed there.
    - A completion that ended by itself is graded on its answer; without a closing tag, whole. But
      where reasoning is in a channel of its own and no final one follows, nothing was answered.
    - So is the answer behind closed reasoning of one of which nothing says how it ended. Without
      a closing tag that is truncated, but for a short text without any tag which ends with its
      answer, see `lrmtest.grading.unknown_end`.
    - What is longer than `MOST_GRADED` characters is graded by its end.
    - How it failed, if it did, is for `lrmtest.grading.failure_class` to say.

    Args:
        question: what was asked.
        completion: what was generated.
        tags: what is known of the model's reasoning tags, see `lrmtest.grading.split.split`.
        grader: the suite's.
        opened: the prompt ended in the opening tag, so that the text has none of its own.

    Raises:
        UsageError: the question's kind is to say how, and there is no grader for it.
    """
    parts = split(completion.text, tags)
    untold = completion.finish_reason == "unknown"
    if completion.ran_out or (untold and never_ended(completion.text, parts, opened=opened)):
        return _unfinished(question, completion, grader, tags, opened=opened)
    said = _said(completion.text, parts)[-MOST_GRADED:]
    result = _given(grader, question, said)
    if untold and result.correct and not _ends_with_it(question, completion, parts, result, grader):
        return _unfinished(question, completion, grader, tags, opened=opened)
    failure: FailureClass | None = None
    if not result.correct:
        failure = of_ended(_reader(question, grader), said, parts, result, opened=opened)
    return Verdict(
        correct=result.correct,
        score=result.score,
        extracted=result.extracted,
        failure=failure,
        lenient_correct=result.correct,
        metrics=result.metrics,
    )


def _given(grader: Grader, question: Question, text: str) -> Grade:
    result: object = grader(question, text)
    if not isinstance(result, Grade):  # of a user's
        raise TypeError(f"a grader gives an lrmtest.Grade, not {type(result).__name__}")
    return result


def _reader(question: Question, grader: Grader) -> QuestionReader:
    if grader is grade_by_kind:
        grader = grader_for(question.kind)
    return QuestionReader(question, partial(grader, question), partial(could_say, grader, question))


def _said(text: str, parts: Parts) -> str:
    """What of a completion that ended by itself may hold its answer."""
    return parts.answer if parts.closed or parts.without_answer else text


def _ends_with_it(
    question: Question, completion: Completion, parts: Parts, result: Grade, grader: Grader
) -> bool:
    """Whether a text without tags ends with the answer that it was graded on."""
    if parts.closed:
        return True
    last = _given(grader, question, last_words(completion.text) or "")
    return (last.correct, last.extracted) == (result.correct, result.extracted)


def _unfinished(
    question: Question,
    completion: Completion,
    grader: Grader,
    tags: Tags,
    *,
    opened: bool,
) -> Verdict:
    """The verdict on a completion that ran out of its budget, was stopped in a loop, or of which
    nothing says that it ended."""
    text = completion.text
    loop = find_loop(text)
    if loop is not None:
        # Two rounds hold all that the loop says. Reading no further makes the verdict the same
        # wherever in the loop the completion was cut.
        text = text[: loop.start + 2 * loop.period]
    parts = split(text, tags)
    whole = _whole_words(text)
    said = _whole_words(parts.answer) if parts.closed else whole
    result = _given(grader, question, said)
    failure: FailureClass = "looped"
    end: End = "loop"
    if loop is None and completion.finish_reason != "loop":
        end = "ran-out"
        reader = _reader(question, grader)
        failure = of_unfinished(reader, whole, said, parts, result, opened=opened)
    return Verdict(
        correct=False,
        score=0.0,
        extracted=None,
        failure=failure,
        lenient_correct=result.correct,
        provisional=result.extracted,
        metrics=dict.fromkeys(result.metrics, 0.0),
        end=end,
    )


def _whole_words(text: str) -> str:
    """The end of `text` that is graded, without its last word, which may have lost its end: "the
    answer is 13" of 137."""
    return text[-MOST_GRADED:-40] + _CUT_WORD.sub("", text[-40:])
