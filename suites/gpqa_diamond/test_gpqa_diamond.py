"""GPQA Diamond: 198 questions of biology, chemistry and physics that only experts answer."""

import lrmtest


@lrmtest.suite("gpqa-diamond")
def test_gpqa_diamond(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
