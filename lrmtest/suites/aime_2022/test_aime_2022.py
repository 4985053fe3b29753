"""AIME 2022: thirty competition problems, each with an integer answer from 0 to 999."""

import lrmtest


@lrmtest.suite("aime-2022")
def test_aime_2022(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
