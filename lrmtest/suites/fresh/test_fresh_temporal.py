"""Generated temporal sequences: no data needed, and no model can have seen them."""

import lrmtest


@lrmtest.suite("fresh-temporal")
def test_fresh_temporal(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
