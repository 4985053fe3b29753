"""Prompts of traces against those that a reader would be given."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.models.card import ModelCard
from lrmtest.models.engines.base import Message
from lrmtest.models.reading import Shaping, Written
from lrmtest.models.spec import ModelSpec
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.runs.same_prompts import PromptTable, conversations_for

SPEC = ModelSpec("m", ModelCard("m"), "openai", "http://127.0.0.1:9/v1")
ASKED = {("sums", f"q{n}"): (Message("user", f"{n} + 1"),) for n in range(3)}


class Renders:
    """Makes prompts of what it is told, and counts the conversations."""

    def __init__(self, made):
        self.made = made
        self.conversations = []

    def prompts(self, conversations):
        self.conversations += conversations
        return [
            None if (ids := self.made[one[-1].content]) is None else array("I", ids)
            for one in conversations
        ]


def written(question, prompt, sample=0):
    trace = Trace(array("I", prompt), array("I", [5]), array("f", [-0.1]), False)
    return Written(Place(f"{question}/{sample}", "sums", question, sample), trace, Shaping(1.0))


TRACES = [written(f"q{n}", [9, n, 7], sample) for n in range(3) for sample in range(2)]


def compared(made, traces=TRACES, asked=ASKED, kept=None):
    table, renders = PromptTable(traces, asked, kept), Renders(made)
    table.compare(renders, SPEC)
    return table, renders


def test_equal_prompts_of_all_questions_are_shown_to_be_the_same():
    table, renders = compared({f"{n} + 1": [9, n, 7] for n in range(3)})
    found = table.summary()
    assert (found.same, found.different, found.unknown) == (3, 0, 0)
    assert found.all_same
    assert found.said() == ""
    assert len(renders.conversations) == 3  # once for each question, not for each sample
    assert table.left == []


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ([9, 2, 7], "token 2 is 2 here and is 1 there"),
        ([9, 1], "2 tokens here and 3 in the traces; token 3 is missing here and is 7 there"),
        ([9, 1, 7, 8], "token 4 is 8 here and is missing there"),
        ([], "0 tokens here"),
    ],
)
def test_one_other_prompt_is_enough_and_is_shown(own, said):
    table, _ = compared({"0 + 1": [9, 0, 7], "1 + 1": own, "2 + 1": [9, 2, 7]})
    found = table.summary()
    assert not found.all_same
    assert (found.same, found.different) == (2, 1)
    assert found.said().startswith("prompts are cut otherwise: 1 of 3, as of sums q1: ")
    assert said in found.said()


def test_a_prompt_that_is_not_told_shows_nothing():
    table, _ = compared({"0 + 1": [9, 0, 7], "1 + 1": None, "2 + 1": [9, 2, 7]})
    found = table.summary()
    assert (found.same, found.different, found.unknown) == (2, 0, 1)
    assert not found.all_same
    assert found.said() == ""
    assert table.left == []  # it was asked, and is not asked again


def test_questions_that_nobody_knows_how_they_were_asked_show_nothing():
    found = PromptTable(TRACES, {}, None).summary()
    assert (found.same, found.unknown) == (0, 3)
    assert not found.all_same
    assert not PromptTable([], ASKED, None).summary().all_same


def test_what_was_found_is_kept_for_the_same_prompts_and_conversations():
    table, _ = compared({f"{n} + 1": [9, n, 7] for n in range(3)})
    kept = table.to_json()
    assert PromptTable(TRACES, ASKED, kept).summary().all_same
    # Of another conversation, or of another prompt, nothing was found.
    other = {**ASKED, ("sums", "q1"): (Message("user", "1 + 1 = ?"),)}
    assert len(PromptTable(TRACES, other, kept).left) == 1
    more = [*TRACES, written("q1", [9, 1, 8], 2)]
    again = PromptTable(more, ASKED, kept)
    assert [key for key, _ in again.left] == [("sums", "q1")]
    again.compare(Renders({"1 + 1": [9, 1, 7]}), SPEC)
    assert again.summary().different == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_what_a_store_holds_of_it_is_not_believed(kept):
    found = PromptTable(TRACES, ASKED, kept).summary()
    assert not found.all_same


def test_a_model_is_asked_with_its_own_system_prompt():
    own = ModelSpec("m", ModelCard("m", system_prompt="Be brief."), "openai", "x")
    asked = {
        ("s", "a"): (Message("user", "?"),),
        ("s", "b"): (Message("system", "Think."), Message("user", "?")),
    }
    brief = (Message("system", "Be brief."), Message("user", "?"))
    assert conversations_for(own, asked) == {("s", "a"): brief, ("s", "b"): brief}
    assert set(conversations_for(SPEC, asked).values()) == {(Message("user", "?"),)}
