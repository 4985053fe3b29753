"""MuSiQue, closed-book: questions of two to four hops from the model's own knowledge."""

import lrmtest


@lrmtest.suite("musique")
def test_musique(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
