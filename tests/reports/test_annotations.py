"""Annotations for GitHub Actions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.gate import Decision
from lrmtest.analysis.gate_said import GateSaid, GateWarning
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.reports.annotations import (
    MOST_ANNOTATIONS,
    annotation,
    decision_annotation,
    question_annotations,
)
from lrmtest.reports.failed import FailedQuestion


def failed(**changes):
    values = {
        "model": "m", "key": ("aime", "2024-I-4"), "test_id": "t.py::t[2024-I-4]", "line": 7,
        "broken": False, "failure": "wrong", "passes": 0, "samples": 1, "answers": ("33",),
        "tokens": 900.0,
    }  # fmt: skip
    return FailedQuestion(**{**values, **changes})


def test_a_failed_question():
    (line,) = question_annotations([(failed(broken=True), "t.py")], "error")
    assert line == (
        "::error file=t.py,line=7,title=m%3A aime 2024-I-4::"
        "passed in the baseline, now wrong; answered 33; 900 tokens"
    )


def test_an_engine_error():
    (line,) = question_annotations([(failed(failure=None, error="broke\nhere"), "t.py")], "warning")
    assert line.endswith("::engine error: broke here")


def test_samples_are_told():
    question = failed(passes=1, samples=4, answers=("33", None))
    (line,) = question_annotations([(question, "t.py")], "error")
    assert "answered 33, –; 1 of 4 samples passed" in line


def test_their_number_is_bounded():
    lines = question_annotations([(failed(), "t.py")] * 500, "error")
    assert len(lines) == MOST_ANNOTATIONS + 1
    assert lines[-1] == "::error title=lrmtest::491 more questions failed; see the job summary"


@pytest.mark.parametrize(
    ("outcome", "level"), [("ok", "notice"), ("regressed", "error"), ("undecided", "warning")]
)
def test_what_the_gate_decided(outcome, level):
    decision = Decision(outcome, ("one", "two"), (), None, GateSettings())
    said = GateSaid(outcome, f"{outcome}: it is so", "", ())
    shown = decision_annotation("m", decision, said)
    assert shown == f"::{level} title=m%3A gate {outcome}::it is so%0Aone%0Atwo"


def test_an_ok_with_warnings_is_one():
    decision = Decision("ok", ("one",), (), None, GateSettings())
    said = GateSaid("ok", "OK: it is so", "", (GateWarning("costs", "tokens rose"),))
    shown = decision_annotation("m", decision, said)
    message = "it is so, with 1 warning%0Awarning: tokens rose%0Aone"
    assert shown == f"::warning title=m%3A gate ok::{message}"


@given(st.text(), st.text(min_size=1), st.text())
def test_no_text_leaves_its_place(message, title, file):
    line = annotation("error", message, title=title, file=file)
    assert len(line.splitlines()) == 1
    head, _, _ = line.removeprefix("::error ").partition("::")
    names = [part.partition("=")[0] for part in head.split(",")]
    assert set(names) <= {"file", "title", ""}
    assert line.isprintable() or "\xa0" in line or not line.isascii()
    assert not any(character in line for character in "\r\n\x00\x1b")
