"""Graders that go along with a plan to another process."""

import pickle
import sys
from dataclasses import replace
from functools import partial
from types import ModuleType

import pytest

from lrmtest.errors import UsageError
from lrmtest.grading import Grade
from lrmtest.grading.integer import grade_integer
from lrmtest.plugin.generation.planned_grader import PlannedGrader, reference_to

MODULE = """
from helper import correct
import lrmtest

def grade(question, text):
    return lrmtest.Grade(text, correct, 1.0)

class Graders:
    @staticmethod
    def grade(question, text):
        return lrmtest.Grade("static", correct, 1.0)
"""


def sent(grader):
    return pickle.loads(pickle.dumps(PlannedGrader(grader)))


def never(question, text):
    return Grade(None, False, 0.0)


def test_where_it_was_planned_it_is_the_function_itself():
    grader = lambda question, text: never(question, text)  # noqa: E731
    assert PlannedGrader(grader).grader is grader


def test_what_is_imported_already_is_found():
    assert sent(grade_integer).grader is grade_integer
    assert sent(never).grader is never


class Callable:
    def __call__(self, question, text):
        return never(question, text)


@pytest.mark.parametrize(
    "grader",
    [lambda question, text: never(question, text), partial(never), Callable(), Callable().__call__],
    ids=["lambda", "partial", "object", "method"],
)
def test_what_has_no_name_in_its_module_is_refused(grader):
    there = sent(grader)  # As long as nobody grades there, nothing is wrong.
    with pytest.raises(UsageError, match="cannot be found there") as caught:
        _ = there.grader
    assert "top level of a module" in caught.value.hint


@pytest.fixture
def references(tmp_path, monkeypatch):
    """To two graders of a module that imports its neighbour, as seen from another process."""
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_there.py").write_text(MODULE)
    (folder / "helper.py").write_text("correct = True\n")
    monkeypatch.syspath_prepend(folder)
    module = __import__("test_there")
    found = [reference_to(module.grade), reference_to(module.Graders.grade)]
    monkeypatch.undo()
    for name in ("test_there", "helper"):
        del sys.modules[name]
    yield found
    for name in ("test_there", "helper"):
        sys.modules.pop(name, None)


def test_a_file_is_imported_with_its_neighbours(references):
    path = list(sys.path)
    assert references[0].load()(None, "said") == Grade("said", True, 1.0)
    assert references[1].load()(None, "said") == Grade("static", True, 1.0)
    assert sys.path == path


def test_a_file_that_pytest_named_in_its_own_way_is_imported(references):
    renamed = replace(references[0], module="tests.of.mine.test_there")
    assert renamed.load()(None, "said") == Grade("said", True, 1.0)
    del sys.modules["tests.of.mine.test_there"]


def test_a_module_of_another_file_keeps_its_name(references, monkeypatch):
    other = ModuleType("test_there")
    monkeypatch.setitem(sys.modules, "test_there", other)
    assert references[0].load()(None, "said") == Grade("said", True, 1.0)
    assert sys.modules["test_there"] is other
    del sys.modules["test_there_"]


@pytest.mark.parametrize(
    "text",
    [
        "import no_such_module",
        "x = 1",
        "def broken(",
        "import pytest; pytest.importorskip('no_such')",
    ],
)
def test_a_file_that_cannot_be_imported_is_an_error_with_the_cause(references, tmp_path, text):
    (tmp_path / "tests" / "test_there.py").write_text(text)
    with pytest.raises(UsageError, match=r"grade cannot be imported there from .*test_there\.py"):
        references[0].load()
