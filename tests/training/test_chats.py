"""What tiny-lrm is trained on: chats whose reasoning leads to the right answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading.completion import Completion
from lrmtest.grading.graders import grade
from lrmtest.questions.fresh import FAMILIES, fresh_question

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


@given(st.sampled_from(list(FAMILIES)), seeds)
def test_a_bare_prompt_has_the_question_and_nothing_else(family, index):
    whole, bare = (traces.chat(family, 1, index, bare=bare) for bare in (False, True))
    assert bare[1:] == whole[1:]
    material = fresh_question(family, 1, index).material
    for field in ("story", "problem", "question", "conclusion"):
        assert material.get(field, "") in bare.prompt
    assert "Answer:" not in bare.prompt
    assert "step by step" not in bare.prompt
