"""AIME 2023: thirty competition problems, each with an integer answer from 0 to 999."""

import lrmtest


@lrmtest.suite("aime-2023")
def test_aime_2023(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
