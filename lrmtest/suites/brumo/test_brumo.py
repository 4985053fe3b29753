"""BRUMO 2025: thirty competition problems whose answers are expressions."""

import lrmtest


@lrmtest.suite("brumo")
def test_brumo(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
