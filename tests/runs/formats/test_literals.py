"""Python literals in logs."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.runs.formats.literals import list_or_dict

scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text()
literals = st.recursive(
    scalars | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(scalars, inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(literals) | st.dictionaries(scalars, literals))
def test_what_python_writes_is_read_back(value):
    assert list_or_dict(repr(value)) == value


@given(st.text(alphabet="[](){},:'\"\\1eNx-. an", max_size=60))
def test_any_text_is_read_or_is_none(text):
    value = list_or_dict(text)
    assert value is None or isinstance(value, list | dict)


@pytest.mark.parametrize("text", ["", "1", "[1", "[,]", "[1 2]", "{1: 2, 3}", "[1] + [2]", "[]]"])
def test_what_is_none(text):
    assert list_or_dict(text) is None


@pytest.mark.parametrize("text", ["[" * 10**6, "['" + "\\'" * 10**6, "[" + "-" * 10**6, "(" * 21])
def test_hostile_texts_cost_no_more_than_their_length(text):
    start = time.thread_time()
    assert list_or_dict(text) is None
    assert time.thread_time() - start < 20
