"""What counts of a text of which nothing says how it ended."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading import Completion, Grade, grade
from lrmtest.grading.split import DEFAULT_TAGS, split
from lrmtest.grading.unknown_end import ANSWER_CHARS, BRIEF_CHARS, last_words, never_ended
from lrmtest.models.engines.token_counts import reasoning_end
from lrmtest.questions.question import INTEGER, LABEL, OPTION, SHORT_TEXT, Question
from lrmtest.runs.formats.chat_output import with_tags

AIME = Question("q", "aime", {}, ("73",), INTEGER)
QUESTIONS = (
    AIME,
    Question("q", "folio", {}, ("True",), LABEL),
    Question("q", "temporal", {"options": ["6pm to 9pm", "7am to 11am"]}, ("A",), OPTION),
    Question("q", "musique", {}, ("Paris",), SHORT_TEXT),
)
SAID = {
    INTEGER: "The answer is 73.",
    LABEL: "Answer: True",
    OPTION: "Answer: (A)",
    SHORT_TEXT: "Answer: Paris",
}
WORK = "Consider the next case, number {}, which needs a closer look.\n"


def work(lines):
    """Reasoning that says nothing of an answer and does not repeat itself to the letter."""
    return "".join(map(WORK.format, range(lines)))


def untold(question, text, **options):
    return grade(question, Completion(text, "unknown"), **options)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.kind)
def test_an_answer_behind_closed_reasoning_counts(question):
    said = SAID[question.kind]
    for text in (f"<think>{work(200)}</think>{said}", f"{work(200)}</think>\n\n{said}"):
        verdict = untold(question, text)
        assert verdict.correct
        assert verdict == grade(question, Completion(text, "stop"))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.kind)
@pytest.mark.parametrize("opening", ["<think>", "Okay, let me think. "])
@pytest.mark.parametrize("lines", [10, 1000])
def test_reasoning_that_was_never_closed_has_not_passed(question, opening, lines):
    said = SAID[question.kind]
    text = f"{opening}{work(lines)}{said}\n{work(4)}"
    verdict = untold(question, text)
    assert (verdict.correct, verdict.end, verdict.score) == (False, "ran-out", 0.0)
    # A thousand lines that differ in a number alone are nearly a loop.
    assert verdict.failure == ("looped" if lines == 1000 else "lost-answer")
    assert verdict.lenient_correct
    assert verdict.provisional is not None
    assert not untold(question, text + said).correct or opening != "<think>"


def test_a_long_text_without_tags_has_not_passed_even_if_its_answer_comes_last():
    text = f"Okay, let me think. {work(1000)}\n\n**Answer:** 73."
    assert len(text) > 60_000
    verdict = untold(AIME, text)
    assert (verdict.correct, verdict.failure, verdict.lenient_correct) == (False, "looped", True)
    assert grade(AIME, Completion(text, "stop")).correct


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.kind)
def test_a_short_text_that_ends_with_its_answer_is_an_answer_without_reasoning(question):
    said = SAID[question.kind]
    for text in (
        said,
        f"{work(30)}\n{said}",
        f"{work(30)}\n{said}\n```\n",
        f"{work(30)}\n{said}\n",
    ):
        assert untold(question, text).correct
    explained = f"{said}\n\n{work(30)}"
    assert not untold(question, explained).correct
    assert untold(question, explained).lenient_correct


def test_a_last_line_that_says_something_else_is_no_end():
    assert not untold(AIME, f"The answer is 73.\n{work(20)}So 5 + 4.").correct
    assert not untold(AIME, f"The answer is 73.\n{work(20)}The answer is 74.").correct
    late = untold(AIME, f"The answer is 74.\n{work(20)}The answer is 73.")
    assert (
        late.correct
        == grade(AIME, Completion("The answer is 74.\nThe answer is 73.", "stop")).correct
    )


@pytest.mark.parametrize(
    ("text", "failure"),
    [("", "no-answer"), ("I cannot know.", "no-answer"), ("The answer is 5.", "wrong")],
)
def test_a_short_answer_that_is_none_or_wrong_is_called_so(text, failure):
    assert untold(AIME, text).failure == failure


def test_a_tail_that_repeats_itself_has_not_ended():
    loop = "But wait, let me check that once more.\n" * 200
    for text in (f"<think>x</think>The answer is 73.\n{loop}", f"The answer is 73.\n{loop}"):
        verdict = untold(AIME, text)
        assert (verdict.correct, verdict.failure, verdict.lenient_correct) == (
            False,
            "looped",
            True,
        )


def test_tags_are_the_models():
    text = f"[THINK]{work(5)}The answer is 73."
    assert untold(AIME, text, tags=("[THINK]", "[/THINK]")).end == "ran-out"
    assert untold(AIME, text + "[/THINK] 73", tags=("[THINK]", "[/THINK]")).correct


def test_a_grader_that_extracts_nothing_is_asked_for_the_end_as_well():
    def polite(question, text):
        return Grade(None, "please" in text, float("please" in text))

    assert untold(AIME, f"{work(10)}please.", grader=polite).correct
    assert not untold(AIME, f"please {work(10)}thanks.", grader=polite).correct


PIECES = [
    *("<think>", "</think>", r"\boxed{73}", "Answer: True\n", "(A)", "Paris", "\n", "\n\n"),
    *("the answer is 73. ", "```", "</b>", "--", "so ", "\x00", "\ud800", WORK * 3, WORK * 60),
]


@given(st.sampled_from(QUESTIONS), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_it_never_passes_what_would_not_pass_as_ended(question, text):
    verdict, ended = untold(question, text), grade(question, Completion(text, "stop"))
    parts = split(text)
    assert not verdict.correct or verdict == ended
    assert not verdict.correct or parts.closed or (not parts.opened and len(text) <= ANSWER_CHARS)
    assert (verdict.failure is None) == verdict.correct
    assert verdict.correct or verdict.end in ("ran-out", "loop") or not ended.correct


@given(st.text(max_size=BRIEF_CHARS))
def test_a_brief_text_is_its_own_last_words(text):
    assert last_words(text) == text


def test_the_reasoning_of_what_was_never_closed_is_all_of_it():
    long = work(200)
    assert reasoning_end(long, DEFAULT_TAGS, "unknown") == len(long)
    assert reasoning_end("<think>so", DEFAULT_TAGS, "unknown") == len("<think>so")
    assert reasoning_end("so 73", DEFAULT_TAGS, "unknown") == 0
    assert reasoning_end("so</think>73", DEFAULT_TAGS, "unknown") == len("so</think>")


def test_it_takes_linear_time():
    begun = time.thread_time()
    for piece in ("</think>", "a", " ", "`", "<a>", "\n", "_", "\u2028"):
        text = piece * (8_000_000 // len(piece))
        last_words(text)
        last_words(text[:ANSWER_CHARS])
        never_ended(text, split(text))
    assert time.thread_time() - begun < 60


@pytest.mark.parametrize("finish", [None, "length", "unknown"])
def test_reasoning_apart_without_an_answer_stays_open_unless_it_had_ended(finish):
    assert with_tags("so 73", "", DEFAULT_TAGS, finish) == "<think>\nso 73"
    assert with_tags("so", "73", DEFAULT_TAGS, finish) == "<think>\nso\n</think>\n\n73"
    assert with_tags("so 73", "", DEFAULT_TAGS, "stop") == "<think>\nso 73\n</think>\n\n"
