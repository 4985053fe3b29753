"""MATH-500 and GSM8K on made rows in their published form."""

import json

import made_benchmarks
import pytest

from lrmtest.errors import DataError
from lrmtest.grading import Completion, grade
from lrmtest.questions import EXPRESSION, INTEGER, DataOptions
from lrmtest.suites import questions_from_jsonl, suite_named


@pytest.fixture
def made(tmp_path, monkeypatch):
    made_benchmarks.trust(monkeypatch)
    made_benchmarks.make(tmp_path / "data")
    return tmp_path / "data"


def test_math_500_rows_become_questions(made):
    questions = suite_named("math-500").load(DataOptions(made)).questions
    assert [one.id for one in questions] == [f"test/algebra/{n}.json" for n in range(1, 5)]
    assert {one.kind for one in questions} == {EXPRESSION}
    assert questions[0].material == {
        "problem": "What is the value of $x_1$?",
        "subject": "Algebra",
        "level": 1,
    }


def test_gsm8k_rows_become_questions(made):
    questions = suite_named("gsm8k").load(DataOptions(made)).questions
    assert [(one.id, one.expected) for one in questions] == [
        *(("0", "4"), ("1", "9"), ("2", "16"), ("3", "1600")),
    ]
    assert {one.kind for one in questions} == {INTEGER}
    assert "####" not in questions[0].material["question"]


@pytest.mark.parametrize("suite", ["math-500", "gsm8k"])
def test_answers_are_graded(suite, made):
    chosen = suite_named(suite)
    for question in chosen.load(DataOptions(made)).questions:
        right = Completion(rf"<think>hm</think>So \boxed{{{question.expected}}}.", "stop")
        wrong = Completion(r"<think>hm</think>So \boxed{17}.", "stop")
        tags = ("<think>", "</think>")
        assert grade(question, right, tags, chosen.grader).correct
        assert not grade(question, wrong, tags, chosen.grader).correct


@pytest.mark.parametrize(
    ("file", "field", "value"),
    [
        ("math_500.jsonl", "level", 9),
        ("math_500.jsonl", "answer", ""),
        ("math_500.jsonl", "unique_id", None),
        ("gsm8k_test.jsonl", "answer", "It is 4."),
        ("gsm8k_test.jsonl", "answer", "#### four"),
        ("gsm8k_test.jsonl", "question", 4),
    ],
)
def test_a_bad_row_is_named(file, field, value, made):
    rows = [json.loads(line) for line in (made / file).read_text().splitlines()]
    rows[2][field] = value
    (made / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = "math-500" if file.startswith("math") else "gsm8k"
    with pytest.raises(DataError, match=f"line 3, field '{field}'") as caught:
        suite_named(suite).load(DataOptions(made))
    assert caught.value.hint


def test_a_suite_of_ones_own_has_expressions(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"id": 1, "answer": r"\frac{1}{2}", "q": "?"}) + "\n")
    (question,) = questions_from_jsonl(path, suite="mine", kind=EXPRESSION).questions
    assert grade(question, Completion(r"\boxed{0.5}", "stop")).correct
    assert not grade(question, Completion(r"\boxed{0.2}", "stop")).correct
