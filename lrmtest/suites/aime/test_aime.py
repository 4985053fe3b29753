"""AIME 2024: thirty competition problems, each with an integer answer from 0 to 999."""

import lrmtest


@lrmtest.suite("aime")
def test_aime(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
