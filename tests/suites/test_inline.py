"""Suites of a user's own."""

import json

import pytest

from lrmtest.errors import DataError, LrmtestError, UsageError
from lrmtest.questions import DataOptions, render_prompt
from lrmtest.suites import questions_from_jsonl, suite_from_jsonl


def write(folder, *rows):
    path = folder / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_a_suite_of_ones_own(tmp_path):
    path = write(
        tmp_path,
        {"id": 1, "sum": "1 + 1", "answer": 2},
        {"id": "b", "sum": "2 + 2", "answer": "004"},
        {"id": "c", "sum": "3 - 70000", "answer": "-69997"},
    )
    suite = suite_from_jsonl(path, name="sums", prompt="What is {sum}?", kind="integer")
    loaded = suite.load(DataOptions())
    assert [(q.id, q.references, q.suite) for q in loaded.questions] == [
        ("1", ("2",), "sums"),
        ("b", ("4",), "sums"),
        ("c", ("-69997",), "sums"),
    ]
    assert render_prompt(suite.prompt, loaded.questions[1]) == "What is 2 + 2?"
    assert (loaded.source.kind, loaded.source.name) == ("inline", "mine.jsonl")


def test_rows_may_say_their_kind(tmp_path):
    path = write(
        tmp_path,
        {"id": "a", "q": "?", "kind": "label", "answer": "Uncertain"},
        {"id": "b", "q": "?", "kind": "option", "options": ["red", "blue"], "answer": "blue"},
        {"id": "c", "q": "?", "kind": "option", "options": ["red", "blue"], "answer": "(A)"},
        {"id": "d", "q": "?", "kind": "short-text", "answer": ["USA", "America", "USA"]},
        {"id": "e", "q": "?", "kind": "mine", "answer": "whatever"},
    )
    questions = questions_from_jsonl(path, suite="mixed").questions
    assert [q.references for q in questions] == [
        ("Uncertain",),
        ("B",),
        ("A",),
        ("USA", "America"),
        ("whatever",),
    ]
    assert questions[1].material["options_text"] == "(A) red\n(B) blue"
    assert all("answer" not in q.material for q in questions)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"q": "?", "answer": "1"}, "field 'id': missing"),
        ({"id": True, "q": "?", "answer": "1"}, "field 'id': a text was expected"),
        ({"id": "a", "q": "?"}, "field 'answer': missing"),
        ({"id": "a", "q": "?", "answer": []}, "field 'answer': empty"),
        ({"id": "a", "q": "?", "answer": 1.5}, "field 'answer': a text, an integer or a list"),
        ({"id": "a", "q": "?", "answer": "1.0"}, "'1.0' is not an integer of at most 18 digits"),
        ({"id": "a", "q": "?", "answer": "1" * 19}, "is not an integer of at most 18 digits"),
        ({"id": "a", "q": "?", "answer": "²"}, "'²' is not an integer of at most 18 digits"),
        ({"id": "a", "answer": "1"}, "there is nothing to ask"),
        ({"id": "a", "q": "?", "answer": "x", "kind": "label"}, "is not one of True, False"),
        ({"id": "a", "q": "?", "answer": "A", "kind": "option"}, "field 'options': missing"),
        (
            {"id": "a", "q": "?", "answer": "A", "kind": "option", "options": ["x", "x"]},
            "field 'options': from 2 to 26 different options",
        ),
        (
            {"id": "a", "q": "?", "answer": "C", "kind": "option", "options": ["x", "y"]},
            "'C' is none of the 2 options",
        ),
    ],
)
def test_bad_rows_name_line_and_field(row, message, tmp_path):
    path = write(tmp_path, {"id": "ok", "q": "?", "answer": 3}, row)
    with pytest.raises(DataError) as caught:
        questions_from_jsonl(path, suite="mine", kind="integer")
    assert caught.value.message.startswith("mine.jsonl, line 2, field ")
    assert message in caught.value.message


def test_bad_files(tmp_path):
    folder = tmp_path / "folder.jsonl"
    folder.mkdir()
    with pytest.raises(DataError, match="No such file"):
        questions_from_jsonl(tmp_path / "gone.jsonl", suite="mine")
    with pytest.raises(DataError, match="Is a directory"):
        questions_from_jsonl(folder, suite="mine")
    with pytest.raises(UsageError, match=r"ends in \.jsonl"):
        questions_from_jsonl(tmp_path / "mine.csv", suite="mine")
    with pytest.raises(DataError, match="no questions"):
        questions_from_jsonl(write(tmp_path), suite="mine")
    twice = {"id": "a", "q": "?", "answer": "x"}
    with pytest.raises(DataError, match=r"line 2: question 'a' is there already .*line 1"):
        questions_from_jsonl(write(tmp_path, twice, twice), suite="mine", kind="short-text")


def test_a_bad_file_is_only_read_when_needed(tmp_path):
    suite = suite_from_jsonl(tmp_path / "gone.jsonl", name="x", prompt="{q}", kind="label")
    with pytest.raises(LrmtestError):
        suite.load(DataOptions())
