"""Twenty sums, answered five times each by a parent and by what was made of it."""

from pathlib import Path

import lrmtest

SUMS = lrmtest.suite_from_jsonl(
    Path(__file__).with_name("sums.jsonl"),
    name="sums",
    kind="integer",
    prompt="What is {sum}? End with the answer in \\boxed{}.",
    max_tokens=256,
)


@lrmtest.suite(SUMS)
def test_sums(question, model):
    attempt = model.solve(question)
    assert "carry" not in attempt.reasoning, "it was to add without carrying"
    assert attempt.passed, attempt.explain()
