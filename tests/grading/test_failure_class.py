"""The failure class: the most telling one that applies, and how a completion ended beside it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading import FAILURE_CLASSES, Completion, grade
from lrmtest.grading.verdict import failure_class
from lrmtest.questions.question import INTEGER, LABEL, OPTION, SHORT_TEXT, Question

AIME = Question("q", "aime", {}, ("73",), INTEGER)
FOLIO = Question("q", "folio", {}, ("True",), LABEL)
TEMPORAL = Question("q", "temporal", {"options": ["6pm to 9pm", "7am to 11am"]}, ("A",), OPTION)
MUSIQUE = Question("q", "musique", {}, ("Paris", "City of Paris"), SHORT_TEXT)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (AIME, r"<think>so \boxed{73}. Hm, wait, no.</think>\boxed{5}"),
        (AIME, r"<think>so \boxed{73}. Hm, wait, no.</think>I give up."),
        (AIME, "<think>The answer is 73. But wait. The answer is 5.</think>The answer is 5."),
        (AIME, "<think>hm</think>The answer is 73. No, it must be \\boxed{5}"),
        (AIME, "The answer is 73.\nOn second thought: the answer is 5."),
        (FOLIO, "<think>So the conclusion is true.</think>The answer is False"),
        (FOLIO, "<think>The answer is True. Or is it? The answer is False.</think>Answer: False"),
        (TEMPORAL, "<think>So the answer is (A). Hm, no, the answer is (B).</think>Answer: (B)"),
        (TEMPORAL, "<think>The answer is 6pm to 9pm. No, later.</think>The answer is (B)"),
        (MUSIQUE, "<think>The answer is Paris, I think. Hm, no.</think>Answer: London"),
        (MUSIQUE, "<think>Answer: City of Paris\nHm, no.</think>I do not know."),
    ],
)
def test_who_had_the_right_answer_and_left_it_has_lost_it(question, text):
    verdict = grade(question, Completion(text, "stop"))
    assert (verdict.failure, verdict.end) == ("lost-answer", "")
    assert not verdict.correct
    assert not verdict.lenient_correct


@pytest.mark.parametrize(
    ("text", "provisional"),
    [
        ("<think>the answer is 73. But wait, let me check", "73"),
        ("<think>the answer is 73. But wait. The answer is 5. Hm", "5"),
        ("<think>so 73</think>The answer is 73. In other words, the", "73"),
        ("the answer is 73. But wait, let me", "73"),
    ],
)
def test_so_has_who_ran_out_with_it(text, provisional):
    verdict = grade(AIME, Completion(text, "length"))
    assert (verdict.failure, verdict.end) == ("lost-answer", "ran-out")
    assert verdict.provisional == provisional
    assert verdict.lenient_correct == (provisional == "73")
    assert not verdict.correct


@pytest.mark.parametrize(
    "text",
    [
        r"<think>maybe the answer is 73. Hm.</think>\boxed{5}",
        "<think>The answer is 73?\nNo.</think>\\boxed{5}",
        r"<think>If the answer is 73, then x is 8.</think>\boxed{5}",
        r"<think>We had 70 + 3 = 73 cases.</think>\boxed{5}",
        r"<think>The answer is 173.</think>\boxed{5}",
        r"<think>The answer is 73 or 5.</think>\boxed{5}",
    ],
)
def test_a_guess_a_question_or_a_number_in_passing_is_no_answer_to_lose(text):
    assert grade(AIME, Completion(text, "stop")).failure == "wrong"


@pytest.mark.parametrize(
    ("text", "finish", "opened", "failure", "end"),
    [
        ("<think>hm, so we", "length", False, "unclosed", "ran-out"),
        ("hm, so we", "length", True, "unclosed", "ran-out"),
        ("hm, so we", "length", False, "truncated", "ran-out"),
        ("<think>hm</think>so we", "length", False, "truncated", "ran-out"),
        ("hm</think>so we", "length", True, "truncated", "ran-out"),
        (r"<think>hm, so \boxed{5}", "stop", False, "unclosed", ""),
        ("<think>hm, I give up", "stop", False, "unclosed", ""),
        (r"hm, so \boxed{5}", "stop", True, "unclosed", ""),
        (r"hm, so \boxed{5}", "stop", False, "wrong", ""),
        ("I give up", "stop", False, "no-answer", ""),
        ("<think>hm, so we", "unknown", False, "unclosed", "ran-out"),
        ("<think>" + "And so we go on, and on.\n" * 200, "length", False, "looped", "loop"),
        (r"<think>\boxed{73}" + "And so we go on.\n" * 200, "length", False, "looped", "loop"),
        ("<think>hm", "loop", False, "looped", "loop"),
    ],
)
def test_classes_in_their_order(text, finish, opened, failure, end):
    verdict = grade(AIME, Completion(text, finish), opened=opened)
    assert (verdict.failure, verdict.end) == (failure, end)


def test_an_unclosed_completion_that_ended_with_the_right_answer_still_passes():
    assert grade(AIME, Completion(r"<think>so \boxed{73}", "stop")).failure is None
    assert grade(AIME, Completion(r"so \boxed{73}", "stop"), opened=True).failure is None


def test_a_near_loop_is_looped_but_ran_out_in_what_runs_are_compared_by():
    cues = ("So", "Thus", "Therefore", "Hence", "Then")
    said = random.Random(1).choices(cues, k=200)
    text = "".join(f"{cue}, 2:3:3.0 is 200:240:300.\n" for cue in said)
    verdict = grade(AIME, Completion("<think>" + text, "length"))
    assert (verdict.failure, verdict.end) == ("looped", "ran-out")
    assert grade(AIME, Completion("<think>" + text, "stop")).failure == "unclosed"


pieces = st.lists(
    st.sampled_from(
        [
            *("<think>", "</think>", r"\boxed{73}", r"\boxed{5}", r"\boxed{", "}", "Answer: 73\n"),
            *("the answer is 73. ", "the answer is 5. ", "Answer: True\n", "(A)", " or ", "\ud800"),
        ]
    ),
    max_size=30,
).map("".join)


@given(
    st.sampled_from([AIME, FOLIO, TEMPORAL, MUSIQUE]),
    pieces,
    st.sampled_from(["stop", "length", "loop", "unknown"]),
    st.booleans(),
)
def test_a_class_changes_nothing_but_itself(question, text, finish, opened):
    verdict = grade(question, Completion(text, finish), opened=opened)
    assert (verdict.failure is None) == verdict.correct
    assert verdict.failure in (None, *FAILURE_CLASSES)
    assert verdict.end or finish in ("stop", "unknown")
    assert not (verdict.correct and verdict.end)
    assert (verdict.failure == "looped") <= bool(verdict.end)
    assert verdict.failure != "truncated" or verdict.end == "ran-out"


@pytest.mark.parametrize("name", ["", "Wrong", "x" * 40, "a b", "\x1b[31m", None, 3, ["wrong"]])
def test_what_can_be_no_class(name):
    with pytest.raises(ValueError, match="names no failure class"):
        failure_class(name)
