from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.questions.question import INTEGER, Question
from lrmtest.reports.failure import explain, headline

QUESTION = Question("2024-I-4", "aime", {"problem": "Find $x$."}, ("33",), INTEGER)
RIGHT = (Completion("So 33.", "stop", completion_tokens=12), Verdict(True, 1, "33", None, True))
WRONG = (
    Completion("Let me see.\n</think>\nThe answer is\n\\boxed{34}", "stop", completion_tokens=8120),
    Verdict(False, 0, "34", "wrong", False),
)
CUT = (
    Completion("and so on", "length", completion_tokens=32768),
    Verdict(False, 0, None, "truncated", True, provisional="33"),
)


def test_one_wrong_answer():
    text = explain(QUESTION, [(*WRONG, None)])
    assert text.splitlines() == [
        "expected 33, wrong: 34 after 8,120 tokens",
        "question   Find $x$.",
        "expected   33",
        "answer     wrong: 34 after 8,120 tokens",
        "it ended with:",
        "  | Let me see.",
        "  | </think>",
        "  | The answer is",
        "  | \\boxed{34}",
    ]


def test_several_samples_have_a_line_each():
    lines = explain(
        QUESTION, [(*RIGHT, None), (*CUT, None), (*WRONG, None), (None, None, "it hung up")]
    ).splitlines()
    assert lines[0] == ("1 of 4 samples correct, expected 33: 1 wrong, 1 truncated, 1 engine error")
    assert lines[3:7] == [
        "sample 0   correct: 33 after 12 tokens",
        "sample 1   truncated after 32,768 tokens: it would have answered 33",
        "sample 2   wrong: 34 after 8,120 tokens",
        "sample 3   engine error: it hung up",
    ]
    assert lines[7:] == ["sample 1 ended with:", "  | and so on"]


def test_aliases_and_several_fields_are_shown():
    question = Question(
        "q", "musique", {"question": "Who?", "hops": ["a", "b"]}, ("X", "Y", "Z"), "short-text"
    )
    text = explain(question, [(*WRONG, None)])
    assert "question   Who?\nhops       a / b\n" in text
    assert "expected   X (or: Y; Z)" in text


def test_the_headline_is_one_line():
    hostile = (WRONG[0], Verdict(False, 0, "3\n\x1b[2J4", "wrong", False), None)
    assert headline(QUESTION, [hostile]) == "expected 33, wrong: 3 4 after 8,120 tokens"


def test_nothing_to_explain():
    assert headline(QUESTION, []).startswith("0 of 0 samples correct")


@given(st.text(max_size=2000), st.text(max_size=200))
def test_hostile_text_cannot_escape(text, answer):
    shown = explain(
        QUESTION,
        [(Completion(text, "stop"), Verdict(False, 0, answer, "wrong", False), None)],
    )
    shown.encode()
    assert all(character == "\n" or character.isprintable() or character.isspace() or
               ord(character) > 0x9F for character in shown)  # fmt: skip


def test_megabytes_are_bounded_and_quick():
    begun = time.thread_time()
    looped = Completion("\x1b[31mwait, " * 1_000_000, "length", completion_tokens=32768)
    verdict = Verdict(False, 0, None, "looped", False)
    text = explain(QUESTION, [(looped, verdict, None)] * 64)
    assert len(text) < 4000
    assert "and 48 more samples" in text
    assert "times in all]" in text
    assert time.thread_time() - begun < 5
