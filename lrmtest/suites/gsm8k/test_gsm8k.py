"""GSM8K: grade-school word problems, each with an integer for an answer."""

import lrmtest


@lrmtest.suite("gsm8k")
def test_gsm8k(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
