"""How a run was asked, read from its manifest."""

from __future__ import annotations

import pytest
from _pytest.compat import ascii_escaped
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import UsageError
from lrmtest.runs.command import can_be_rerun, pytest_ids, rerun_arguments
from lrmtest.runs.manifest import Manifest


def manifest(engine="openai", **suites):
    return Manifest.from_json({"model": {"name": "m", "engine": engine}, "suites": suites})


def suite(*tests, options=("--model", "m"), samples=1):
    return {"tests": list(tests), "options": list(options), "samples": samples}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20))
def test_ids_are_written_as_pytest_writes_them(question_id):
    """Quietly different ids would select nothing."""
    made = manifest(s=suite("a.py::test_a", "b.py::test_b"))
    name = ascii_escaped(question_id)
    assert pytest_ids(made, ("s", question_id)) == [
        f"a.py::test_a[{name}]",
        f"b.py::test_b[{name}]",
    ]


def test_one_command_for_each_set_of_options():
    made = manifest(
        s=suite("a.py::test_a"),
        t=suite("b.py::test_b"),
        u=suite("c.py::test_c", options=("--model", "m", "--seed=3"), samples=4),
    )
    first, second = rerun_arguments("r", made, [("s", "1"), ("u", "2"), ("t", "3")], ["-q"])
    assert first[:2] == ["a.py::test_a[1]", "b.py::test_b[3]"]
    assert first[2:] == ["--model", "m", "--samples", "1", "--regenerate", "-q"]
    assert second[0] == "c.py::test_c[2]"
    assert second[1:] == ["--model", "m", "--seed=3", "--samples", "4", "--regenerate", "-q"]
    assert rerun_arguments("r", made, []) == []


def test_what_cannot_be_asked_again():
    recorded = manifest("recorded", s=suite("a.py::test_a"))
    assert not can_be_rerun(recorded)
    with pytest.raises(UsageError, match="recorded outputs"):
        rerun_arguments("r", recorded, [("s", "1")])
    for old in (manifest(s={"samples": 1}), manifest(), Manifest(), manifest(s=None)):
        with pytest.raises(UsageError, match="does not say how suite 's' was asked"):
            rerun_arguments("r", old, [("s", "1")])
        assert pytest_ids(old, ("s", "1")) == []
