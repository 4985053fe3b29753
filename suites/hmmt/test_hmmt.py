"""HMMT February 2025: thirty competition problems whose answers are expressions."""

import lrmtest


@lrmtest.suite("hmmt")
def test_hmmt(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
