"""Generated premises and a conclusion that they prove, refute or leave open."""

import lrmtest


@lrmtest.suite("fresh-logic")
def test_fresh_logic(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
