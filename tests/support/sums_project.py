"""A project with a small suite and a recording of it, as pytester's folder."""

SUMS_SUITE = """
import lrmtest

SUMS = lrmtest.suite_from_jsonl("sums.jsonl", name="sums", prompt="{question}")

@lrmtest.suite(SUMS)
def test_sums(question, model):
    assert model.solve(question).passed
"""


def write_sums(pytester, right=3):
    """Write three sums, a test of them, and a recording in which the first `right` are right."""
    rows = [
        f'{{"id": "q{n}", "question": "{n}+1?", "answer": "{n + 1}", "kind": "integer"}}'
        for n in range(3)
    ]
    pytester.makefile(".jsonl", sums="\n".join(rows))
    outputs = [
        f'{{"question": "q{n}", "output": "\\\\boxed{{{n + 1 if n < right else 0}}}", '
        '"finish_reason": "stop"}'
        for n in range(3)
    ]
    pytester.makefile(".jsonl", outputs="\n".join(outputs))
    pytester.makepyfile(test_sums=SUMS_SUITE)
