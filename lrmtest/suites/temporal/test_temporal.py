"""BIG-Bench-Hard temporal sequences: when could somebody have gone there? Four options."""

import lrmtest


@lrmtest.suite("temporal")
def test_temporal(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
