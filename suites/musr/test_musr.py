"""MuSR: who the murderer is, where somebody looks for something, who does which task."""

import lrmtest


@lrmtest.suite("musr")
def test_musr(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
