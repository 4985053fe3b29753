"""The text of a small suite of one's own, and answers to it."""

import re

from fault_server import FaultServer

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


def wrong(prompt, seed):
    """Always wrong."""
    return "\\boxed{999}"


def suite(name="sums", questions=12):
    """The suite under another name, or of another size."""
    return SUITE.replace('"sums"', f'"{name}"').replace("range(12)", f"range({questions})")


def save_passing_baseline(pytester, questions):
    """Make the suite, and `base.json` of a model that passes all of it."""
    pytester.makepyfile(test_sums=suite(questions=questions))
    with FaultServer(answer=right) as server:
        saving = ("--model", f"m={server.url}", "--save-baseline", "base.json")
        pytester.runpytest_inprocess(*saving).assert_outcomes(passed=questions)
