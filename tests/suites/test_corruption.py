"""A damaged file is an error for people: never a traceback, never a silent short read."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError
from lrmtest.questions import DataOptions
from lrmtest.suites import suite_named

FILES = {
    "aime": ("aime_2024.jsonl", ("ID", "Problem", "Answer")),
    "folio-v0.0": ("folio_validation.jsonl", ("premises", "conclusion", "label")),
    "temporal": ("bbh_temporal_sequences.json", ("input", "target")),
    "math-500": ("math_500.jsonl", ("unique_id", "problem", "subject", "level", "answer")),
    "musique": (
        "musique_100.jsonl",
        (
            *("id", "question", "answer", "answer_aliases"),
            *("answerable", "paragraphs", "question_decomposition"),
        ),
    ),
}
suites = pytest.mark.parametrize("name", FILES)
pytestmark = pytest.mark.data


def rows_of(data_dir, name):
    text = (data_dir / FILES[name][0]).read_text("utf-8")
    if name == "temporal":
        return json.loads(text)["examples"]
    return [json.loads(line) for line in text.splitlines()]


def as_file(name, rows):
    if name == "temporal":
        return json.dumps({"examples": rows}).encode()
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def load(name, data):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / FILES[name][0]).write_bytes(data)
        return suite_named(name).load(DataOptions(Path(folder))).questions


def refused(name, data):
    with pytest.raises(DataError) as caught:
        load(name, data)
    assert FILES[name][0] in caught.value.message
    assert caught.value.hint
    return caught.value.message


@suites
@settings(max_examples=40)
@given(data=st.data())
def test_cut_off_at_any_byte(name, data_dir, data):
    whole = (data_dir / FILES[name][0]).read_bytes().rstrip()
    refused(name, whole[: data.draw(st.integers(0, len(whole) - 1))])


@suites
@settings(max_examples=25)
@given(data=st.data())
def test_a_field_that_is_missing_or_of_another_type(name, data_dir, data):
    rows = rows_of(data_dir, name)
    number = data.draw(st.integers(0, len(rows) - 1))
    field = data.draw(st.sampled_from(FILES[name][1]))
    if data.draw(st.booleans()):
        del rows[number][field]
    else:
        rows[number][field] = data.draw(
            st.sampled_from([None, "", "  ", 3.5, -1, 1000, [], {}, [None], [[]], False])
            if field != "answer_aliases"
            else st.sampled_from([None, "", 3.5, -1, {}, [None], [[]], False, [""]])
        )
    message = refused(name, as_file(name, rows))
    where = f"example {number}" if name == "temporal" else f"line {number + 1}"
    assert f"{where}, field {field!r}" in message


@suites
@settings(max_examples=25)
@given(data=st.data())
def test_a_row_that_is_missing_or_there_twice(name, data_dir, data):
    rows = rows_of(data_dir, name)
    number = data.draw(st.integers(0, len(rows) - 1))
    if data.draw(st.booleans()):
        del rows[number]
    else:
        rows.insert(data.draw(st.integers(0, len(rows))), rows[number])
    refused(name, as_file(name, rows))


@suites
@settings(max_examples=25)
@given(data=st.data())
def test_a_text_that_was_changed(name, data_dir, data):
    rows = rows_of(data_dir, name)
    number = data.draw(st.integers(0, len(rows) - 1))
    fields = {
        "aime": "Problem",
        "folio-v0.0": "conclusion",
        "temporal": "input",
        "math-500": "problem",
    }
    field = fields.get(name, "question")
    text = rows[number][field]
    at = data.draw(st.integers(0, len(text) - 1).filter(lambda at: not text[at].isspace()))
    rows[number][field] = text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :]
    message = refused(name, as_file(name, rows))
    assert f"{number}" in message or f"{number + 1}" in message


@suites
def test_an_answer_that_was_changed(name, data_dir):
    rows = rows_of(data_dir, name)
    field, value = {
        "aime": ("Answer", 7),
        "folio-v0.0": ("label", "True"),
        "temporal": ("target", "(D)"),
        "musique": ("answer", "Delft"),
        "math-500": ("answer", r"\left( 3, \frac{\pi}{3} \right)"),
    }[name]
    assert rows[0][field] != value
    rows[0][field] = value
    message = refused(name, as_file(name, rows))
    assert "example 0 (question" in message or "line 1 (question" in message


@suites
@settings(max_examples=40)
@given(data=st.data())
def test_any_byte_changed(name, data_dir, data):
    whole = bytearray((data_dir / FILES[name][0]).read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    original = suite_named(name).load(DataOptions(data_dir)).questions
    try:
        questions = load(name, bytes(whole))
    except DataError:
        return
    # Blanks may differ, and what is not asked; nothing else gets through.
    assert [squeezed(q) for q in questions] == [squeezed(q) for q in original]


def squeezed(question):
    content = json.dumps([dict(question.material), question.references])
    return " ".join(re.sub(r"\\[ntrf]|\\u00(0[bB]|1[cdefCDEF]|85|a0)", " ", content).split())
