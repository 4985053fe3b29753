"""How completions are graded where no test is at hand."""

import pytest

from lrmtest.errors import UsageError
from lrmtest.grading import Grade, register
from lrmtest.grading.short_text import grade_short_text
from lrmtest.questions import DataOptions
from lrmtest.suites import SUITES, Suite
from lrmtest.suites.stored_graders import answer_kinds_of, stored_grader


def own(question, text):
    return Grade(None, False, 0.0)


def suite(name="mine", **grader):
    return Suite(name, lambda options: None, "{q}", 100, **grader)


@pytest.mark.parametrize("name", [name for name in SUITES if name.startswith("fresh-")])
def test_a_suite_that_comes_along_grades_its_own(name):
    kinds = {question.kind for question in SUITES[name].load(DataOptions()).questions}
    assert answer_kinds_of(SUITES[name], kinds) == sorted(kinds)
    assert all(stored_grader(name, kind) is SUITES[name].grader for kind in kinds)


def test_any_other_is_graded_by_the_answer_kind():
    assert stored_grader("mine", "short-text", ["short-text"]) is grade_short_text
    assert answer_kinds_of(suite(), {"short-text", "integer"}) == ["integer", "short-text"]
    # Its own grader is the kind's: whoever has no test finds the same.
    assert answer_kinds_of(suite(grader=grade_short_text), {"short-text"}) == ["short-text"]


def test_a_grader_of_its_own_is_named_and_refused():
    named = answer_kinds_of(suite(grader=own), {"short-text", "unheard-of"})
    assert named == ["own:own"]
    with pytest.raises(UsageError, match="'mine' has a grader of its own, own, which only its"):
        stored_grader("mine", "short-text", named)


def test_a_suite_under_a_known_name_is_not_taken_for_the_known_one():
    assert answer_kinds_of(suite("aime"), {"label"}) == ["own:grade_label"]
    assert answer_kinds_of(suite("aime"), {"integer"}) == ["integer"]


def test_a_kind_without_a_grader_says_what_to_do(monkeypatch):
    with pytest.raises(UsageError) as caught:
        stored_grader("mine", "essay")
    assert "lrmtest.register(kind, grader)" in caught.value.hint
    with pytest.raises(UsageError, match="'essay'"):
        answer_kinds_of(suite(), {"essay"})
    monkeypatch.setattr("lrmtest.grading.graders._graders", {})
    register("essay", own)
    assert stored_grader("mine", "essay") is own
