import re
from pathlib import Path

import lrmtest


def grade_estimate(question: lrmtest.Question, text: str) -> lrmtest.Grade:
    """The last number in the answer counts; within 5 % of the reference it is correct."""
    numbers = re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))
    if not numbers:
        return lrmtest.Grade(extracted=None, correct=False, score=0.0)
    expected = float(question.expected)
    error = abs(float(numbers[-1]) - expected) / expected
    return lrmtest.Grade(numbers[-1], correct=error <= 0.05, score=max(0.0, 1 - error))


ESTIMATES = lrmtest.suite_from_jsonl(
    Path(__file__).with_name("estimates.jsonl"),
    name="estimates",
    prompt="{question}\n\nEnd with your best estimate, a number alone.",
    max_tokens=8192,
    grader=grade_estimate,
)


@lrmtest.suite(ESTIMATES)
def test_estimates(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
