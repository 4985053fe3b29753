"""FOLIO: does a conclusion follow from its premises? True, False or Uncertain."""

import lrmtest


@lrmtest.suite("folio")
def test_folio(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
