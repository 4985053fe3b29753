"""HMMT February 2026: 33 competition problems whose answers are expressions."""

import lrmtest


@lrmtest.suite("hmmt-feb-2026")
def test_hmmt_feb_2026(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
