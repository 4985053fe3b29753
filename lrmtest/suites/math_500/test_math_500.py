"""MATH-500: competition problems whose answers are expressions, from 3/2 to intervals."""

import lrmtest


@lrmtest.suite("math-500")
def test_math_500(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
