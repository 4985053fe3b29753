"""Grading a short free text with aliases, as in MuSiQue: exact match and F1.

`exact_match` and `f1` are those of the SQuAD evaluation (Rajpurkar et al. 2016), which MuSiQue's
uses (Trivedi et al. 2022): texts are lower-cased, ASCII punctuation and articles removed; F1 is
over the multisets of words; the best reference counts.
"""

from __future__ import annotations

import re
import string
from collections import Counter

from lrmtest.grading.answer_text import bare, clean, sentences_backwards
from lrmtest.grading.commitments import commitments
from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def normalize(text: str) -> str:
    """Lower case, without ASCII punctuation, articles and superfluous white space."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, reference: str) -> float:
    """1.0 when both are the same once normalized, else 0.0."""
    return float(normalize(prediction) == normalize(reference))


def f1(prediction: str, reference: str) -> float:
    """Harmonic mean of the words' precision and recall, in [0, 1].

    As in the official scripts, when either has no words left the score is 1.0 if both have
    none, else 0.0.
    """
    predicted, expected = normalize(prediction).split(), normalize(reference).split()
    if not predicted or not expected:
        return float(predicted == expected)
    common = (Counter(predicted) & Counter(expected)).total()
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(expected)
    return 2 * precision * recall / (precision + recall)


_ABSTENTION = re.compile(
    r"\b(?:cannot|can't|unable\sto|could\snot|couldn't)\s(?:be\s)?(?:\w{1,20}ly\s)?"
    r"(?:answer|determin|identif|establish|confirm|provide|find|know)\w*"
    r"|\b(?:do\snot|don't)\sknow\b|\bi\sam\ssorry\b|\bi'm\ssorry\b"
    r"|\b(?:not|isn't|n't)\s(?:\w{1,20}ly\s)?(?:specified|disclosed|known|provided|available|clear)\b"
    r"|\bno\s(?:\w{1,20}\s)?information\b",
    re.I,
)
_BOLD = re.compile(r"(?:\*\*|__)(?=[^\s*_])([^*\n]{0,119}?[^\s*:])(?:\*\*|__)")
_IS = re.compile(
    r".*\b(?:is|are|was|were|be|stands\sfor|became|won)\s"
    r"(?:(?:likely|probably|approximately|about|around|held|called|named|known|said)\s){0,2}"
    r"(?:[a-z]{2,12}ed\s|held\s|born\s|built\s)?(?:(?:on|in|at|as|to\sbe)\s)?(.{1,120})$",
    re.I,
)
_HEADING = re.compile(r"^(?:final\s)?(?:answer|explanation|conclusion|note|why\b.*)$", re.I)


def _trim(text: str) -> str:
    return bare(text).strip(" .,;:!\"'")


def _format_line(text: str) -> str | None:
    r"""The last ``Answer: X`` line or ``\boxed{X}``."""
    for commitment in commitments(text):
        if commitment.form != "prose" and _trim(commitment.text):
            return commitment.text
    return None


def _bold(text: str) -> str | None:
    """The last bold span that is no heading."""
    spans = [span for span in _BOLD.findall(text) if not _HEADING.match(span.strip())]
    return _trim(spans[-1]) if spans else None


def _predicate(sentence: str) -> str | None:
    """What follows the sentence's last "is"; a bare participle ("is located") says nothing."""
    predicate = _IS.match(sentence)
    if predicate is None or len(sentence.split()) <= 4:
        return None
    said = re.split(r",\s(?:which|who|where|when|a|an|the)\s", predicate[1], maxsplit=1)[0]
    return None if re.fullmatch(r"[\w-]{2,20}(?:ed|ing)\W*", said) else _trim(said)


def short_answer(text: str) -> str | None:
    """The short answer that a cleaned answer text gives; None when it gives none or abstains.

    Out of the format line if there is one, else of the last few sentences: the last bold span,
    else what follows the last "is", else the shortest thing that can be quoted whole.
    """
    return _short_answer(text, _format_line(text))


def _short_answer(text: str, line: str | None) -> str | None:
    sentences = [line] if line is not None else sentences_backwards(text, longest=400)
    spoken = [sentence for sentence in sentences if re.search(r"\w\w|\d", sentence)][:4]
    if any(_ABSTENTION.search(sentence) for sentence in (*spoken[:1], *spoken[-1:])):
        return None
    for find in (_bold, _predicate):
        for sentence in spoken:
            if found := find(sentence):
                return found
    return min(map(_trim, spoken), key=len, default=None)


def grade_short_text(question: Question, answer: str) -> Grade:
    r"""Grade an answer by exact match and F1, the best over all references.

    The official figures judge what the model handed in: the last ``Answer: X`` line or box if it
    has one, else the whole answer text. The ``_short`` figures judge the short answer found in
    it, which tells a wrong answer from a right one wrapped in a sentence.

    Args:
        question: its references are the answer and its aliases.
        answer: the answer text.

    Returns:
        Correct when the official exact match is 1; the score is the official F1; the metrics
        are ``em``, ``f1``, ``em_short``, ``f1_short``.
    """
    text = clean(answer).strip()
    line = _format_line(text)
    prediction = text if line is None else _trim(line)
    short = _short_answer(text, line)
    references = question.references
    em = max(exact_match(prediction, reference) for reference in references) if text else 0.0
    score = max(f1(prediction, reference) for reference in references) if text else 0.0
    if em == 1.0 and short is None:
        short = prediction
    metrics = {
        "em": em,
        "f1": score,
        "em_short": 0.0 if short is None else max(exact_match(short, r) for r in references),
        "f1_short": 0.0 if short is None else max(f1(short, r) for r in references),
    }
    return Grade(extracted=short, correct=em == 1.0, score=score, metrics=metrics)
