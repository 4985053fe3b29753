"""Fifty megabytes of anything are split, graded and shown in bounded time and memory.

`benchmarks/hostile_texts.py` measures more of it. The time is this thread's own; its limits are ten
times what was measured, and a hundredth of what quadratic work would take.
"""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc

import pytest

from lrmtest.grading import Completion, grade, split
from lrmtest.grading.forms import FORMS
from lrmtest.grading.graders import MOST_GRADED
from lrmtest.grading.split import DEFAULT_TAGS, put_together
from lrmtest.models.engines.http.stream import ChatStream
from lrmtest.models.engines.token_counts import reasoning_end
from lrmtest.questions.question import INTEGER, SHORT_TEXT, Question
from lrmtest.reports.fold import how_graded

INTEGER_QUESTION = Question("q", "aime", {}, ("73",), INTEGER)

LARGE = """
import resource, sys, time
from lrmtest.analysis.traces import parting
from lrmtest.grading import Completion, grade, split
from lrmtest.grading.loops import LoopDetector, find_loop
from lrmtest.grading.split import DEFAULT_TAGS
from lrmtest.models.engines.recorded.completion import RecordedOutput, recorded_completion
from lrmtest.models.engines.recorded.finish_reason import Ends
from lrmtest.models.engines.token_counts import reasoning_end
from lrmtest.questions.question import EXPRESSION, INTEGER, LABEL, OPTION, SHORT_TEXT, Question
from lrmtest.reports.escape import one_line, plain, plain_tail
from lrmtest.reports.html.texts import _part
from lrmtest.reports.fold import fold
from lrmtest.reports.runs_table import SampleView
from lrmtest.reports.side_by_side import side_by_side
from lrmtest.reports.terminal import render

resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))
questions = [
    Question("q", "aime", {}, ("73",), INTEGER),
    Question("q", "folio", {}, ("True",), LABEL),
    Question("q", "t", {"options": ["6pm to 9pm", "7am to 11am"]}, ("A",), OPTION),
    Question("q", "musique", {}, ("Paris",), SHORT_TEXT),
    Question("q", "math-500", {}, ("\\\\frac{73}{2}",), EXPRESSION),
]
piece = sys.argv[1].encode().decode("unicode_escape")
text = "<think>x</think>" + piece * (int(sys.argv[2]) // len(piece))
start = time.thread_time()
split(text), find_loop(text), LoopDetector().feed(text), reasoning_end(text, DEFAULT_TAGS, "stop")
for question in questions if len(text) < 10_000_000 else questions[:1]:
    grade(question, Completion(text, "stop"))
    grade(question, Completion(text, "length"))
recorded_completion(RecordedOutput(text), tags=DEFAULT_TAGS, ends=Ends(budget=1024))
one_line(text, 40), plain_tail(text, 400), fold(text, 1500, 1500), _part(text)
view = SampleView(sample=0, reasoning=text, answer=text)
other = SampleView(sample=0, reasoning="y" + text[1:], answer=text)
shown = side_by_side(
    title="t", prompt=[], expected="", sides={"baseline": [view], "candidate": [other]}
)
render(shown, 120, False)
print(time.thread_time() - start)
"""


@pytest.mark.parametrize(
    ("piece", "size"),
    [
        ("</think>", 50_000_000),
        *[
            (piece, 1_000_000)
            for piece in (
                "<think>a</think>",
                "<|channel|>final<|message|>",
                "7",
                "Answer:",
                "{",
                "\\n",
                "$",
                "\\x00",
            )
        ],
    ],
)
def test_any_large_text(piece, size):
    """In a process with 1.5 GiB of address space."""
    done = subprocess.run(
        [sys.executable, "-c", LARGE, piece, str(size)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) < 300


_PIECES = [
    *dict.fromkeys(tag for form in FORMS for tag in form.tags),
    *("<", "[", "◁", "<a", "<think ", "<|", "<details ", "<musing>", "[A", "\n", " ", "analysis"),
    *("Here is my thought process:\n", "<|end|>", "<|end|> x", "<answer>", "<|x|>", "assistant\n"),
]


@pytest.mark.parametrize("piece", _PIECES)
@pytest.mark.parametrize("before", ["", "<think>x</think>", "<|channel|>analysis<|message|>"])
def test_splitting_is_linear_whatever_the_form(piece, before):
    """In all forms at once: nothing is known of the model."""
    seconds = []
    for size in (100_000, 800_000):
        text = before + piece * (size // len(piece))
        start = time.thread_time()
        split(text)
        seconds.append(time.thread_time() - start)
    assert seconds[1] < 24 * seconds[0] + 2


def test_what_came_apart_is_put_together_in_linear_time():
    for piece in ("</think>", "<think:0123456789abcdef>", "[THINK]"):
        text = piece * (1_000_000 // len(piece))
        start = time.thread_time()
        assert split(put_together(text, text, closed=True)).reasoning == text
        assert time.thread_time() - start < 60


@pytest.mark.parametrize("pieces", [1, 1000])
def test_an_answer_of_closing_tags_takes_little_memory(pieces):
    """One event, or many, with 262 kB: each tag held a copy of the rest, 4 GB in all."""
    text = "<think>a" + "</think>" * 32_768
    size = len(text) // pieces + 1
    tracemalloc.start()
    stream = ChatStream(DEFAULT_TAGS, 32_768)
    for begin in range(0, len(text), size):
        stream.add({"choices": [{"delta": {"content": text[begin : begin + size]}}]})
    stream.ended = True
    reply = stream.reply()
    assert tracemalloc.get_traced_memory()[1] < 8 * len(text)
    tracemalloc.stop()
    assert reply.text == text
    end = reasoning_end(text, DEFAULT_TAGS, "stop")
    assert reply.closings[len(text)].rest == ""
    assert end <= len(text)


def test_an_answer_beyond_the_bound_is_graded_by_its_end_and_says_so():
    filler = "no number here. " * (MOST_GRADED // 16 + 1)
    late = "<think>a</think>" + filler + r"\boxed{73}"
    early = "<think>a</think>" + r"\boxed{73}" + filler
    assert grade(INTEGER_QUESTION, Completion(late, "stop")).correct
    assert grade(INTEGER_QUESTION, Completion(early, "stop")).failure == "no-answer"
    assert grade(INTEGER_QUESTION, Completion(late, "length")).provisional == "73"
    assert "graded by the last 2,000,000" in how_graded(split(early).answer)
    assert how_graded("x" * MOST_GRADED) == ""


def test_a_long_text_costs_no_more_than_its_bound():
    question = Question("q", "musique", {}, ("Paris",), SHORT_TEXT)
    seconds = []
    for length in (MOST_GRADED, 10 * MOST_GRADED):
        text = "Answer:" * (length // 7)
        start = time.thread_time()
        grade(question, Completion(text, "stop"))
        seconds.append(time.thread_time() - start)
    assert seconds[1] < 4 * seconds[0] + 1


@pytest.mark.parametrize(
    "text",
    [
        "<think>a</think> 42 </think>",
        "<think>a</think></think>",
        "a</think> 42 </think> </think>",
        "<think>a</think>x<think>b</think> 42",
        "<think>a</think> 42 <think> but",
        "</think>",
        "</think></think>",
        "<think>a</think>\n\n42",
        "<think><think>a</think></think>42</think>\n</think>",
    ],
)
def test_the_answer_starts_where_reasoning_ends(text):
    parts = split(text)
    assert parts.closed
    assert text.startswith(parts.answer, parts.answer_start)
    assert text[: parts.answer_start].endswith("</think>")
    if parts.answer:
        assert reasoning_end(text, DEFAULT_TAGS, "stop") == parts.answer_start
