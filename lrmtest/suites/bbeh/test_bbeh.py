"""BIG-Bench Extra Hard: 23 tasks, from meetings that fit a week to sarcasm."""

import lrmtest


@lrmtest.suite("bbeh")
def test_bbeh(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
