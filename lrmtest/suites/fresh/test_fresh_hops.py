"""Generated facts and a question that needs two to four of them in a row."""

import lrmtest


@lrmtest.suite("fresh-hops")
def test_fresh_hops(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
