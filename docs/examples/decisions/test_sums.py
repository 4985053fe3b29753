"""The sums that make_outputs.py writes."""

from pathlib import Path

import lrmtest

SUMS = lrmtest.suite_from_jsonl(
    Path(__file__).with_name("sums.jsonl"),
    name="sums",
    kind="integer",
    prompt="What is {sum}? End with the answer in \\boxed{}.",
)


@lrmtest.suite(SUMS)
def test_sums(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
