import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading import split


@pytest.mark.parametrize(
    ("text", "answer", "closed", "opened"),
    [
        ("<think>so</think>42", "42", True, True),
        ("so</think>42", "42", True, False),  # the template prefilled the opening tag
        ("<think>\n\n</think>\n\n42", "\n\n42", True, True),
        ("42", "42", False, False),
        ("", "", False, False),
        ("<think>so it", "", False, True),
        ("so</think>draft</think>42", "42", True, False),
        ("<think>a</think>draft<think>b</think>42", "42", True, True),
        ("<think>a<think>b</think>c</think>42", "42", True, True),
        ("<think><think>so</think>42", "42", True, True),
        ("<think>so</think>42</think>", "42", True, True),
        ("so</think>42</think>\n</think>\n", "42", True, False),
        ("<think>so</think>", "", True, True),
        ("so</think></think>", "", True, False),
        ("<think>a<think>b</think>c</think>", "", True, True),  # balanced: no stray, no answer
        ("<think>so</think>42<think>but wait", "42", True, True),
        ("so</think>42<think>but wait", "42", True, False),
    ],
)
def test_answer_is_what_follows_the_reasoning(text, answer, closed, opened):
    parts = split(text)
    assert (parts.answer, parts.closed, parts.opened) == (answer, closed, opened)


def test_reasoning_has_no_outer_tags():
    assert split("<think>first\nthen</think>42").reasoning == "first\nthen"
    assert split("\n<think>cut of").reasoning == "cut of"
    assert split("prefilled</think>42").reasoning == "prefilled"


def test_other_tags():
    parts = split("[THINK]a[/THINK]b </think>", ("[THINK]", "[/THINK]"))
    assert (parts.reasoning, parts.answer) == ("a", "b </think>")


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "a", "42", "\n", "<", "think>"]), max_size=30)
)
def test_parts_are_consistent(pieces):
    text = "".join(pieces)
    parts = split(text)
    assert parts.closed == ("</think>" in text)
    assert parts.answer in text
    assert "</think>" not in parts.answer
    assert parts.closed or "<think>" not in parts.answer
    assert len(parts.reasoning) + len(parts.answer) <= len(text)


@given(st.text(), st.text())
def test_plain_reasoning_and_answer_come_back_whole(reasoning, answer):
    if "think>" in reasoning + answer:
        return
    for text in (f"<think>{reasoning}</think>{answer}", f"{reasoning}</think>{answer}"):
        parts = split(text)
        assert (parts.reasoning, parts.answer) == (reasoning, answer)


_RUNS = st.tuples(
    st.lists(st.sampled_from(["</think>", "<think>", "a", "\n", " 4 "]), min_size=1, max_size=3),
    st.sampled_from([1, 2, 500, 2000]),
)


@given(st.lists(_RUNS, max_size=4), st.sampled_from(["", "<think>"]))
def test_tags_over_and_over_are_taken_at_once_as_one_by_one(runs, before):
    text = before + "".join("".join(pieces) * often for pieces, often in runs)
    fresh = split.__wrapped__  # what is remembered is not split again
    at_once = fresh(text)
    with pytest.MonkeyPatch.context() as patched:
        module = sys.modules["lrmtest.grading.split"]
        patched.setattr(module, "_copies", lambda text, before, start: 0)
        one_by_one = fresh(text)
    assert at_once == one_by_one
    assert at_once.answer_start == one_by_one.answer_start
    assert at_once.closed_at == one_by_one.closed_at
