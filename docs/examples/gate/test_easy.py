"""Easy questions for a small model, from the file that make_questions.py writes."""

import re
from pathlib import Path

import lrmtest


def mentions(question, answer):
    """Right when the answer names the reference: a small model does not keep to a format."""
    found = re.search(rf"\b{re.escape(question.expected)}\b", answer, re.IGNORECASE)
    extracted = question.expected if found else " ".join(answer.split())[:80] or None
    return lrmtest.Grade(extracted, correct=bool(found), score=float(bool(found)))


lrmtest.register("mentions", mentions)

EASY = lrmtest.suite_from_jsonl(
    Path(__file__).with_name("questions.jsonl"),
    name="easy",
    prompt="{task} Answer in one short sentence.",
    kind="mentions",
    max_tokens=64,
)


@lrmtest.suite(EASY)
def test_easy(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
