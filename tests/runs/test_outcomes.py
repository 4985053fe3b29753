from __future__ import annotations

from made_runs import sample_of

from lrmtest.grading.verdict import Verdict
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome, answer_hash
from lrmtest.runs.records import outcomes_of

RIGHT = Verdict(correct=True, score=1, extracted="7", failure=None, lenient_correct=True)
LOOPED = Verdict(correct=False, score=0, extracted=None, failure="looped", lenient_correct=False)


def record(question, sample, verdict, **more):
    return sample_of("m", "aime", question, sample, verdict, **more)


def test_records_are_summed_up_by_question_in_order():
    outcomes = outcomes_of(
        [
            record("b", 0, RIGHT, reasoning_tokens=30, answer_tokens=4),
            record("a", 0, LOOPED, answer_tokens=9),
            record("b", 1, LOOPED),
        ]
    )
    assert list(outcomes) == [("aime", "b"), ("aime", "a")]
    b = outcomes["aime", "b"]
    assert (b.count, b.passes, b.pass_rate, b.tokens, b.failures("looped")) == (2, 1, 0.5, 34, 1)
    assert b.samples[0] == SampleOutcome(None, 34, answer_hash("7"))
    assert b.passed(0.5)
    assert not b.passed(0.6)


def test_an_engine_error_is_no_sample_but_its_question_is_there():
    outcomes = outcomes_of([record("a", 0, None, error="down"), record("a", 1, RIGHT)])
    assert outcomes["aime", "a"].samples.keys() == {1}
    assert outcomes_of([record("a", 0, None, error="down")])["aime", "a"].count == 0
    assert not QuestionOutcome("aime", "a", {}).passed(0.0)


def test_greedy_copies_count_once():
    samples = [record("a", 0, None, error="down"), record("a", 1, RIGHT), record("a", 2, RIGHT)]
    assert outcomes_of(samples, greedy=True)["aime", "a"].samples.keys() == {1}
