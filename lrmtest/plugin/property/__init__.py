"""Property mode: each test of a generated suite is a property, and a search tries to refute it.

With ``--property`` such a test is run once per model (`item`). The search of
`lrmtest.questions.fresh.search` asks it of one round of questions after the other: a round is
generated as one batch, then the test's function is called with each question, and what fails
there is what the search works with (`trial`). Examples that failed are kept for the next time
(`examples`).
"""
