"""MuSiQue with the facts at hand, and fact by fact: does a model not know, or not compose?

A folder's tests do not include these; name the file: pytest suites/musique/*.py --model NAME
"""

import lrmtest


@lrmtest.suite("musique-open")
def test_open(question, model):
    """All paragraphs, the supporting ones among them."""
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()


@lrmtest.suite("musique-gold")
def test_gold(question, model):
    """The supporting paragraphs only."""
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()


@lrmtest.suite("musique-hops")
def test_hops(question, model):
    """Each single hop, closed-book."""
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()


@lrmtest.suite("musique-hops-gold")
def test_hops_gold(question, model):
    """Each single hop with its paragraph."""
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
