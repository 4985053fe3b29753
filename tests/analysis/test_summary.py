from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import sample_of

from lrmtest.analysis.intervals import clustered, wilson
from lrmtest.analysis.summary import ALL_SUITES, summarize
from lrmtest.grading.verdict import Verdict
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.records import RunRecord, RunTiming

RIGHT = Verdict(True, 1.0, "33", None, True)
WRONG = Verdict(False, 0.0, "34", "wrong", False)
NO_ANSWER = Verdict(False, 0.0, None, "no-answer", False)
TRUNCATED = Verdict(False, 0.0, None, "truncated", True, provisional="33")
LOOPED = Verdict(False, 0.0, None, "looped", False, provisional="34")
LOST = Verdict(False, 0.0, "5", "lost-answer", False)


def sample(verdict, *, suite="aime", question="q1", index=0, **fields):
    error = None if verdict else "the server hung up"
    return sample_of("m", suite, question, index, verdict, error=error, **fields)


def run(*samples, **fields):
    return RunRecord(
        "run-1", "m", manifest=Manifest.from_json({"seed": 0}), samples=samples, **fields
    )


def test_counts_and_rates():
    summary = summarize(
        run(
            sample(RIGHT, question="a"),
            sample(WRONG, question="b"),
            sample(TRUNCATED, question="c"),
            sample(LOOPED, question="d"),
            sample(NO_ANSWER, question="e", reused=True),
            sample(None, question="f"),
        )
    ).suites[0]
    assert (summary.questions, summary.samples, summary.errors) == (5, 5, 1)
    assert (summary.unanswered, summary.reused) == (1, 1)
    assert summary.strict.value == pytest.approx(1 / 5)
    assert summary.strict.interval == wilson(1, 5)
    assert summary.lenient.value == pytest.approx(2 / 5)
    assert summary.failures == {"wrong": 1, "no-answer": 1, "truncated": 1, "looped": 1}
    assert tuple(summary.failures) == ("wrong", "no-answer", "truncated", "looped")


def test_questions_weigh_the_same_however_many_samples_survived():
    """Three engine errors on one question must not make the other count more."""
    summary = summarize(
        run(
            *[sample(RIGHT, question="a", index=i) for i in range(4)],
            sample(WRONG, question="b", index=0),
            *[sample(None, question="b", index=i) for i in range(1, 4)],
        )
    ).suites[0]
    assert summary.strict.value == 0.5
    assert summary.strict.interval == clustered([(4, 4), (0, 1)])
    assert (summary.samples, summary.errors, summary.unanswered) == (5, 3, 0)


def test_suites_keep_their_order_and_the_total_pools_questions():
    summary = summarize(
        run(
            sample(RIGHT, suite="folio", question="1"),
            sample(WRONG, suite="aime", question="1"),
            sample(WRONG, suite="aime", question="2"),
        )
    )
    assert [suite.suite for suite in summary.suites] == ["folio", "aime"]
    assert summary.total.suite == ALL_SUITES
    assert summary.total.questions == 3, "the same id in two suites is two questions"
    assert summary.total.strict.value == pytest.approx(1 / 3)


def test_an_empty_run_has_no_rates():
    summary = summarize(run())
    assert summary.suites == ()
    assert summary.total.strict.value is None
    assert (summary.total.strict.interval.low, summary.total.strict.interval.high) == (0, 1)
    assert summary.total.reasoning_tokens is None
    assert summary.tokens_per_second is None


def test_nothing_but_errors_has_no_rates():
    summary = summarize(run(sample(None), sample(None, index=1))).suites[0]
    assert summary.strict.value is None
    assert (summary.questions, summary.unanswered, summary.errors) == (0, 1, 2)


def test_metrics_are_kept_when_every_verdict_has_them():
    graded = replace(WRONG, score=0.4, metrics={"em": 0.0, "f1": 0.4})
    summary = summarize(
        run(
            sample(graded, suite="musique", question="a"),
            sample(replace(graded, metrics={"em": 1.0, "f1": 1.0}), suite="musique", question="b"),
            sample(RIGHT, suite="aime"),
        )
    )
    musique = summary.suites[0]
    assert list(musique.metrics) == ["em", "f1"]
    assert musique.metrics["f1"].value == pytest.approx(0.7)
    assert musique.metrics["f1"].interval.low < 0.7 < musique.metrics["f1"].interval.high
    assert musique.score.value == pytest.approx(0.4)
    assert summary.total.metrics == {}, "a mean over part of the questions has no place in a total"


def test_speed_counts_only_what_this_session_generated():
    timed = summarize(run(sample(RIGHT), timing=RunTiming(20.0, 5.0, 3000)))
    assert timed.tokens_per_second == 150
    assert summarize(run(sample(RIGHT))).tokens_per_second is None


def test_errors_cost_no_tokens():
    summary = summarize(
        run(
            sample(RIGHT, reasoning_tokens=100, answer_tokens=10, tokens_estimated=True),
            sample(None, question="b", reasoning_tokens=999),
        )
    ).suites[0]
    assert summary.reasoning_tokens is not None
    assert summary.reasoning_tokens.total == 100
    assert summary.prompt_tokens is None, "0 everywhere means unknown"
    assert summary.tokens_estimated


@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=50).filter(any))
def test_token_statistics_agree_with_numpy(counts):
    summary = summarize(
        run(*[sample(RIGHT, question=str(i), answer_tokens=n) for i, n in enumerate(counts)])
    )
    stats = summary.total.answer_tokens
    assert stats is not None
    assert stats.mean == pytest.approx(np.mean(counts))
    assert stats.median == pytest.approx(np.median(counts))
    assert stats.p95 == pytest.approx(np.percentile(counts, 95))
    assert stats.total == sum(counts)


verdicts = st.sampled_from([RIGHT, WRONG, NO_ANSWER, TRUNCATED, LOOPED, LOST, None])


@given(
    st.lists(
        st.tuples(verdicts, st.sampled_from("abc"), st.sampled_from("pqrst")), max_size=60
    ).map(lambda parts: [(v, s, q, i) for i, (v, s, q) in enumerate(parts)])
)
def test_every_sample_is_accounted_for_once(parts):
    summary = summarize(run(*[sample(v, suite=s, question=q, index=i) for v, s, q, i in parts]))
    correct = sum(v is RIGHT for v, *_ in parts)
    total = summary.total
    assert total.samples + total.errors == len(parts)
    assert sum(total.failures.values()) + correct == total.samples
    for name in ("questions", "unanswered", "samples", "errors"):
        assert sum(getattr(suite, name) for suite in summary.suites) == getattr(total, name)
    for suite in (*summary.suites, total):
        if suite.strict.value is None:
            assert suite.samples == 0
            continue
        assert suite.lenient.value is not None
        assert suite.strict.value <= suite.lenient.value
        assert 0 <= suite.strict.interval.low <= suite.strict.value + 1e-12
        assert suite.strict.value - 1e-12 <= suite.strict.interval.high <= 1


def test_a_manifest_passes_through_untouched():
    assert json.dumps(summarize(run()).manifest.to_json()) == '{"seed": 0}'
