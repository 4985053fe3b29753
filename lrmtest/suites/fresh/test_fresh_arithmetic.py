"""Generated word problems; the answer is an integer, in AIME's form."""

import lrmtest


@lrmtest.suite("fresh-arithmetic")
def test_fresh_arithmetic(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
