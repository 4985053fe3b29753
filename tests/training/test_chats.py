"""What tiny-lrm is trained on: chats whose reasoning leads to the right answer."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading.completion import Completion
from lrmtest.grading.graders import grade
from lrmtest.questions.fresh import FAMILIES, fresh_question
from lrmtest.questions.fresh.logic import PROPERTIES

traces = pytest.importorskip("traces")

seeds = st.integers(0, 2**40)


@given(st.sampled_from(list(FAMILIES)), seeds, seeds)
def test_the_whole_chat_passes(family, seed, index):
    chat = traces.chat(family, seed, index)
    question = fresh_question(family, seed, index)
    text = f"{chat.reasoning}\n</think>\n\n{chat.answer}"
    completion = Completion(text=text, finish_reason="stop")
    verdict = grade(question, completion)
    assert verdict.correct
    assert len(chat.reasoning) > len(chat.answer)


@given(st.randoms(use_true_random=False))
def test_a_drill_repeats_its_facts(draws):
    drill = traces.drill(draws)
    facts, again = drill.prompt.split("\n"), drill.reasoning.split("\n")
    assert sorted(facts) == sorted(again)
    assert len({fact.partition(" is ")[0] for fact in facts}) == len(facts) >= 4
    assert again[-1].endswith(f" {drill.answer.removeprefix('Answer: ')}.")


@given(seeds, seeds)
def test_logic_says_how_the_chain_ends(seed, index):
    question = fresh_question("logic", seed, index)
    whether, chain, *verdict = traces.chat("logic", seed, index).reasoning.split("\n")
    conclusion = question.material["conclusion"].removesuffix(".")
    assert whether == f"Whether {conclusion} is asked."
    person, has, *follows = chain.removesuffix(".").split(" is ")
    premises = question.material["premises"]
    assert f"{person} is {has}." in premises
    for before, after in pairwise([has, *follows[:-1]]):
        assert any(premise.endswith(f" who is {before} is {after}.") for premise in premises)
    last = [has, *follows][-2]
    if follows[-1] == "nothing":
        assert question.expected == "Uncertain"
        assert not verdict
        assert not any(f"who is {last} " in premise for premise in premises)
    else:
        assert follows[-1] == "asked"
        assert conclusion.endswith(f" {last}")
        assert len(verdict) == 1
        assert verdict[0].endswith("the same." if question.expected == "True" else "the opposite.")


@given(st.randoms(use_true_random=False))
def test_a_drill_in_chains_has_every_property_once(draws):
    drill = traces.chains(draws)
    whether, *lines = drill.reasoning.split("\n")
    firsts = [line.split()[2].removesuffix(".") for line in lines]
    assert len(set(firsts)) == len(firsts)
    assert set(firsts) == {word for word in re.findall(r"\w+", drill.prompt) if word in PROPERTIES}
    asked = whether.split()[-3]
    for line in lines:
        *chain, end = line.removeprefix("Who is ").removesuffix(".").split(" is ")
        assert end == ("asked" if chain[-1] == asked else "nothing")
        for before, after in pairwise(chain):
            assert f" who is {before} is {after}." in drill.prompt
    assert drill.answer == f"Answer: {end}"


@given(st.sampled_from(list(FAMILIES)), seeds)
def test_a_bare_prompt_has_the_question_and_nothing_else(family, index):
    whole, bare = (traces.chat(family, 1, index, bare=bare) for bare in (False, True))
    assert bare[1:] == whole[1:]
    material = fresh_question(family, 1, index).material
    for field in ("story", "problem", "question", "conclusion"):
        assert material.get(field, "") in bare.prompt
    assert "Answer:" not in bare.prompt
    assert "step by step" not in bare.prompt
