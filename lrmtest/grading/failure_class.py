"""The failure class: in which way a completion failed, the most telling one that applies.

In the order in which they are tried:

* ``looped``: it did not end by itself, and its tail repeats itself, to the letter
  (`lrmtest.grading.loops`) or nearly (`lrmtest.grading.near_loops`).
* ``lost-answer``: its text had committed to the right answer at some point, and went on to
  another, to none, or until its budget was gone.
* ``unclosed``: its reasoning was opened, by the text or by the prompt, and never closed.
* ``truncated``: it did not end by itself, for no reason named above.
* ``no-answer``, ``wrong``: it ended by itself, without an answer that can be read, or with one.

A class says how, and never whether: nothing here makes a completion correct. How it ended is kept
beside its class (`Verdict.end`), and the shares of truncated and of looped completions that runs
are compared by count ends, not classes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lrmtest.grading.answer_text import clean
from lrmtest.grading.commitments import Commitment, commitments
from lrmtest.grading.cues import spoken
from lrmtest.grading.near_loops import is_near_loop
from lrmtest.grading.split import Parts
from lrmtest.grading.verdict import FailureClass, Grade
from lrmtest.questions.question import Question


@dataclass(frozen=True, slots=True)
class QuestionReader:
    """The suite's grader on the question in hand.

    Attributes:
        question: what was asked.
        read: grades a text.
        could: whether it may call a few words correct, so that it is worth to read them.
    """

    question: Question
    read: Callable[[str], Grade]
    could: Callable[[str], bool]


_LONGEST = 500_000
"""Characters of a text that are searched for an answer that was lost, from the end: four times what
32,768 tokens are."""
_MOST_SEARCHED = 500
"""Commitments of a text that are looked through, from the last one back."""
_MOST_READ = 24
"""Different ones that are graded."""
_MOST_COSTLY = 2
"""Those of them that may take the time that is given to a formula."""
_COSTLY = re.compile(r"[\^!]")
# A commitment in prose goes on to what comes after it, which may be the next one.
_SENTENCE_END = re.compile(r"(?<=[\w)}\]$*\"'])[.!?。！？;](?=\s|$|[^\x00-\x7f])")
_REMARK = re.compile(
    r",?\s(?:i\s(?:think|guess|believe)|which|because|since|so|but|right)\b.*$", re.I | re.DOTALL
)


def of_ended(
    reader: QuestionReader, said: str, parts: Parts, result: Grade, *, opened: bool
) -> FailureClass:
    """The class of a completion that ended by itself and is not correct.

    Args:
        reader: grades further texts.
        said: what of its text was graded.
        parts: the whole text, split.
        result: the grade of what was said.
        opened: the prompt had opened the reasoning.
    """
    if had_right_answer(reader, said, parts):
        return "lost-answer"
    if _is_unclosed(parts, opened):
        return "unclosed"
    return "no-answer" if result.extracted is None else "wrong"


def of_unfinished(
    reader: QuestionReader, text: str, said: str, parts: Parts, result: Grade, *, opened: bool
) -> FailureClass:
    """The class of a completion that did not end by itself and whose tail is not periodic.

    The arguments are those of `of_ended`, with the completion's text, as much as is graded;
    `result` is the grade of what it would have answered.
    """
    if is_near_loop(text):
        return "looped"
    if result.correct or had_right_answer(reader, said, parts):
        return "lost-answer"
    return "unclosed" if _is_unclosed(parts, opened) else "truncated"


def _is_unclosed(parts: Parts, opened: bool) -> bool:
    return not parts.closed and (parts.opened or opened)


def had_right_answer(reader: QuestionReader, said: str, parts: Parts) -> bool:
    """Whether a text had committed to the right answer somewhere, by the suite's own grader.

    That is: closed reasoning ends with it, or a box, an answer line or a sentence such as "the
    answer is ..." anywhere in the text says it. A guess ("maybe the answer is ...") is none, nor
    is a question. Linear in the text; a bounded number of commitments is graded.

    The arguments are those of `of_ended`.
    """
    reasoning = parts.reasoning[-_LONGEST:]
    if parts.closed and reader.read(reasoning).correct:
        return True
    # What was read before is found again before other texts are read.
    if parts.closed:
        found = _commitments(said[-_LONGEST:]) + _commitments(reasoning)
    else:
        found = _commitments((parts.reasoning if parts.without_answer else said)[-_LONGEST:])
    tried: set[tuple[str, str]] = set()
    costly = 0
    for commitment in found[:_MOST_SEARCHED]:
        key = commitment.form, commitment.text
        if commitment.alternative or commitment.form == "retraction" or key in tried:
            continue
        if not reader.could(commitment.text):
            continue
        if _COSTLY.search(commitment.text):
            if costly == _MOST_COSTLY or not _says(reader.question, commitment):
                continue
            costly += 1
        tried.add(key)
        if any(reader.read(saying).correct for saying in _sayings(commitment)):
            return True
        if len(tried) == _MOST_READ:
            break
    return False


def _commitments(text: str) -> tuple[Commitment, ...]:
    cleaned = clean(text)
    return commitments(cleaned, spoken(cleaned))


def _says(question: Question, commitment: Commitment) -> bool:
    """Whether the answer is in it, in so many words."""
    said = commitment.text.casefold()
    return any(reference.strip().casefold() in said for reference in question.references)


def _sayings(commitment: Commitment) -> Iterator[str]:
    """The commitment alone, as an answer that any grader reads; with its remark and without."""
    if commitment.form == "box":
        yield rf"\boxed{{{commitment.text}}}"
        return
    end = _SENTENCE_END.search(commitment.text)
    sentence = commitment.text[: end.end()] if end else commitment.text
    if sentence.rstrip().endswith(("?", "？")):
        return
    yield f"Answer: {sentence}"
    without = _REMARK.sub("", sentence)
    if without.strip() and without != sentence:
        yield f"Answer: {without}"
