import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import UsageError
from lrmtest.grading import FAILURE_CLASSES, Completion, Grade, grade, grader_for, register
from lrmtest.questions.question import INTEGER, LABEL, OPTION, SHORT_TEXT, Question

AIME = Question("q", "aime", {}, ("73",), INTEGER)
MUSIQUE = Question("q", "musique", {}, ("Paris",), SHORT_TEXT)
QUESTIONS = (
    AIME,
    Question("q", "folio", {}, ("True",), LABEL),
    Question("q", "temporal", {"options": ["6pm to 9pm", "7am to 11am"]}, ("A",), OPTION),
    MUSIQUE,
)
PIECES = [
    *("<think>", "</think>", r"\boxed{73}", r"\boxed{", "}", "Answer: True\n", "(A)", "Paris"),
    *("the answer is 73. ", "6pm to 9pm", " or ", "**", "<b>", "$", "\\", "\n", " "),
    *("\x00", "\x1b[31m", "\u202e", "\ud800"),
]
LOOP = "But wait, let me check that once more, from the very beginning.\n" * 200


def test_a_finished_right_answer_passes():
    verdict = grade(AIME, Completion(r"<think>hm</think>\boxed{73}", "stop"))
    assert (verdict.correct, verdict.score, verdict.extracted) == (True, 1.0, "73")
    assert verdict.failure is None
    assert verdict.lenient_correct
    assert verdict.provisional is None


@pytest.mark.parametrize(
    ("answer", "failure", "extracted"),
    [(r"\boxed{5}", "wrong", "5"), ("I give up.", "no-answer", None), ("", "no-answer", None)],
)
def test_finished_failures(answer, failure, extracted):
    verdict = grade(AIME, Completion(rf"<think>\boxed{{7}}</think>{answer}", "stop"))
    assert (verdict.failure, verdict.extracted) == (failure, extracted)
    assert not verdict.correct
    assert not verdict.lenient_correct


def test_without_a_closing_tag_a_finished_completion_is_graded_whole():
    assert grade(AIME, Completion(r"<think>so \boxed{73}", "stop")).correct
    assert grade(AIME, Completion(r"so \boxed{73}", "stop")).correct


@pytest.mark.parametrize(
    ("text", "provisional"),
    [
        (r"<think>hm</think>\boxed{73} and furthermore", "73"),
        (r"<think>\boxed{5}</think>so \boxed{73} and", "73"),
        (r"<think>\boxed{7}</think>as I said", None),  # the answer part has not said it
        (r"the answer is 73. But wait", "73"),
        (r"we have 70 + 3 = 73 cases, and", None),
        (r"the answer is 73", None),  # it might have become 731
    ],
)
def test_a_truncated_completion_never_passes(text, provisional):
    verdict = grade(AIME, Completion(text, "length"))
    assert not verdict.correct
    assert verdict.score == 0.0
    assert verdict.extracted is None
    assert verdict.failure == ("lost-answer" if "73" in text and provisional else "truncated")
    assert verdict.end == "ran-out"
    assert verdict.provisional == provisional
    assert verdict.lenient_correct == (provisional == "73")


def test_a_loop_is_named_however_it_was_ended():
    for reason in ("length", "loop"):
        verdict = grade(AIME, Completion(rf"so \boxed{{73}}.{LOOP}", reason))
        assert (verdict.failure, verdict.correct, verdict.lenient_correct) == (
            "looped",
            False,
            True,
        )
    assert grade(AIME, Completion("too short to see a loop", "loop")).failure == "looped"


@given(st.integers(3000, 12000), st.integers(3000, 12000))
def test_the_verdict_does_not_depend_on_where_in_a_loop_it_was_cut(one, other):
    text = "so it goes. " + "Maybe 5? No: the answer is 73, or 5. Then the answer is 12.\n" * 300
    verdicts = [grade(AIME, Completion(text[:cut], "length")) for cut in (one, other)]
    assert verdicts[0] == verdicts[1]


def test_metrics_are_kept_but_zero_when_unfinished():
    finished = grade(MUSIQUE, Completion("</think>It is in Paris", "stop"))
    assert finished.score == finished.metrics["f1"] == 0.4
    unfinished = grade(MUSIQUE, Completion("</think>Answer: Paris\nIt is", "length"))
    assert unfinished.lenient_correct
    assert set(unfinished.metrics) == set(finished.metrics)
    assert set(unfinished.metrics.values()) == {0.0}


def test_tags_of_the_model_card():
    completion = Completion(r"\boxed{5} [/T] \boxed{73}", "stop")
    assert grade(AIME, completion, ("[T]", "[/T]")).correct


@given(
    st.sampled_from(QUESTIONS),
    st.lists(
        st.sampled_from(PIECES),
        max_size=40,
    ).map("".join),
    st.sampled_from(["stop", "length", "loop"]),
)
def test_verdicts_are_consistent(question, text, reason):
    verdict = grade(question, Completion(text, reason))
    assert 0.0 <= verdict.score <= 1.0
    assert (verdict.failure is None) == verdict.correct
    assert verdict.failure in (None, *FAILURE_CLASSES)
    assert not (verdict.correct and reason != "stop")
    assert not verdict.correct or verdict.extracted is not None
    assert reason == "stop" or verdict.extracted is None
    assert reason != "stop" or verdict.lenient_correct == verdict.correct
    assert verdict == grade(question, Completion(text, reason))


def test_a_kind_without_a_grader():
    with pytest.raises(UsageError, match="no grader for the answer kind 'essay'") as error:
        grader_for("essay")
    for kind in (INTEGER, LABEL, OPTION, SHORT_TEXT):
        assert kind in str(error.value)


def test_register(monkeypatch):
    monkeypatch.setattr("lrmtest.grading.graders._graders", {})

    def shout(question: Question, answer: str) -> Grade:
        return Grade(answer, answer == question.expected.upper(), 0.5)

    register("shouted", shout)
    register("shouted", shout)  # again the same: a module imported twice
    verdict = grade(Question("q", "s", {}, ("yes",), "shouted"), Completion("YES", "stop"))
    assert (verdict.correct, verdict.score) == (True, 0.5)
    with pytest.raises(UsageError, match="already has a grader"):
        register("shouted", lambda question, answer: Grade(None, False, 0.0))
