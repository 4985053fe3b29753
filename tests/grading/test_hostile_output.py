"""Whatever a model emits, every grader answers, in time linear in the text."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.grading import Completion, grade
from lrmtest.questions.question import (
    EXPRESSION,
    INTEGER,
    LABEL,
    OPTION,
    SEQUENCE,
    SHORT_TEXT,
    Question,
)

QUESTIONS = {
    INTEGER: Question("q", "aime", {}, ("73",), INTEGER),
    LABEL: Question("q", "folio", {}, ("True",), LABEL),
    OPTION: Question("q", "t", {"options": ["6pm to 9pm", "7am to 11am"]}, ("A",), OPTION),
    EXPRESSION: Question("q", "math-500", {}, (r"\frac{73}{2}",), EXPRESSION),
    SEQUENCE: Question("q", "bbeh", {}, ("no, 7, yes",), SEQUENCE),
    SHORT_TEXT: Question("q", "musique", {}, ("Paris",), SHORT_TEXT),
}

# Each invites a pattern to start at every repetition and to run to the end from there.
PIECES = [
    r"\boxed{",
    r"\boxed{}",
    r"\boxed{1} or ",
    "{",
    "}",
    "\\",
    " ",
    "\n",
    "*",
    "**",
    "_",
    "<",
    "<b ",
    "<answer>",
    "<think>",
    "</think>",
    "</think> ",
    "answer",
    "answer ",
    "Answer:\n",
    "the answer is ",
    "the answer to ",
    "the answer is 7 or ",
    "maybe the answer is 7, ",
    "the conclusion ",
    "The conclusion is.\n",
    "it cannot be ",
    "the conclusion cannot be determined ",
    "not ",
    "true or ",
    '"',
    "'",
    "(A) or ",
    "A, ",
    "6pm to ",
    "6 p.m. ",
    "(A) 6pm to 9pm\n",
    "7",
    "7,",
    "1,000 ",
    "7/",
    "$",
    "\\text{",
    "\\text{a} ",
    "\\frac{1}",
    "=",
    "is ",
    "a is b. ",
    "**b** ",
    "A.",
    ". ",
    "\x00",
    "\x1b",
    "\x1b[",
    "\x1b]",
    "\u202e",
    "\ud800",
    "Ａ",
    "é",
    "so x = 3, ",
    "答案是",
    "答え は ",
    "die Antwort ist nicht 7 ",
    "la respuesta no es ",
    "wait, no, it is ",
    "the answer is $7$ and ",
    r"\boxed{7} and ",
    "Therefore, $x = 7$. ",
    r"\(7\) ",
    "《",
]


def seconds(question, text, reason):
    start = time.process_time()
    grade(question, Completion(text, reason))
    return time.process_time() - start


@pytest.mark.parametrize("kind", QUESTIONS)
def test_time_grows_with_the_length_not_faster(kind):
    """Sixteen times the text takes about sixteen times as long; if quadratic it were 256 times.

    Short times are all noise, so they pass.
    """
    question = QUESTIONS[kind]
    grade(question, Completion("warm up", "stop"))
    for piece in PIECES:
        text = "x" + piece * (4_000 // len(piece)) + "y"
        long = seconds(question, text * 16, "stop")
        if long > 0.25 and long >= 80 * (short := seconds(question, text, "stop")):
            # Once may be a collection of garbage, or another process that spoils the caches.
            long = min(long, *(seconds(question, text * 16, "stop") for _ in range(2)))
            short = max(short, *(seconds(question, text, "stop") for _ in range(2)))
            assert long < max(0.25, 80 * short), f"{piece!r}: {short:.3f} s, then {long:.3f} s"
        assert long < 5.0, f"{piece!r} takes {long:.1f} s for {len(text) * 16} characters"


hostile = st.lists(
    st.one_of(
        st.sampled_from(PIECES), st.text(max_size=10), st.characters(categories=["Cs", "Cc", "Cf"])
    ),
    max_size=60,
).map("".join)


@settings(max_examples=300)
@given(hostile, st.sampled_from(["stop", "length"]))
def test_any_text_gets_a_verdict(text, reason):
    for question in QUESTIONS.values():
        verdict = grade(question, Completion(text, reason))
        assert verdict.correct <= verdict.lenient_correct
        if verdict.extracted is not None:
            assert "\x1b" not in verdict.extracted
            assert "\x00" not in verdict.extracted


def test_megabytes_before_the_answer():
    endings = {
        INTEGER: r"\boxed{73}",
        EXPRESSION: r"\boxed{36.5}",
        LABEL: "Answer: True",
        OPTION: "(A)",
        SEQUENCE: "Answer: no, 7, yes",
        SHORT_TEXT: "Paris",
    }
    for kind, ending in endings.items():
        start = time.process_time()
        text = "<think>" + "no \x00 end \u202e {of} thinking \\ \n" * 100_000 + "</think>" + ending
        assert grade(QUESTIONS[kind], Completion(text, "stop")).correct
        assert time.process_time() - start < 5.0
