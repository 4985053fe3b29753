"""The text of a small suite of one's own, and answers to it."""

import re

SUITE = """
import lrmtest

def load(options):
    questions = tuple(
        lrmtest.Question(f"q{n}", "sums", {"sum": f"{n} + {n}"}, (str(2 * n),), "integer")
        for n in range(12)
    )
    return lrmtest.QuestionSet(questions, lrmtest.Source("inline", "sums"))

SUMS = lrmtest.Suite("sums", load, "What is {sum}?", max_tokens=64)

@lrmtest.suite(SUMS)
def test_sums(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
"""


def add(prompt, seed):
    """Right for even numbers, off by one for odd ones, as a reasoning model would say it."""
    numbers = re.search(r"(\d+) \+ (\d+)", prompt)
    if numbers is None:
        return f"You said: {prompt}"
    first, second = int(numbers[1]), int(numbers[2])
    return f"Let me add.\n</think>\n\n\\boxed{{{first + second + first % 2}}}"


def right(prompt, seed):
    """Always right."""
    numbers = re.search(r"(\d+) \+ (\d+)", prompt)
    if numbers is None:
        return f"You said: {prompt}"
    return f"\\boxed{{{int(numbers[1]) + int(numbers[2])}}}"


def suite(name="sums"):
    """The suite under another name."""
    return SUITE.replace('"sums"', f'"{name}"')
