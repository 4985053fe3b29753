"""Families out of reasoning-gym."""

import sys

import pytest

from lrmtest.errors import DataError
from lrmtest.grading.graders import grader_for
from lrmtest.questions import DataOptions, render_prompt
from lrmtest.suites import suite_named
from lrmtest.suites.gym import GYM_SUITES


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", None)
    with pytest.raises(DataError) as caught:
        suite_named("gym-maze").load(DataOptions())
    assert "lrmtest[gym]" in caught.value.hint


@pytest.mark.parametrize("name", [suite.name for suite in GYM_SUITES])
@pytest.mark.parametrize("difficulty", [1, 3])
def test_questions_can_be_made_again_and_graded(name, difficulty):
    pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")
    suite = suite_named(name)
    options = DataOptions(fresh_count=12, fresh_seed=3, fresh_difficulty=difficulty)
    loaded = suite.load(options)
    assert loaded == suite.load(options)
    assert len({q.material["question"] for q in loaded.questions}) == 12
    level = "" if difficulty == 1 else f"-d{difficulty}"
    assert loaded.questions[7].id == f"{name.removeprefix('gym-')}{level}-3-7"
    assert loaded.source.revision.startswith("reasoning-gym ")
    for question in loaded.questions:
        assert question.material["question"] in render_prompt(suite.prompt, question)
        grade = grader_for(question.kind)
        assert grade(question, f"So it is.\nAnswer: {question.expected}").correct
        assert not grade(question, "Answer: 123454321").correct


def test_seeds_next_to_each_other_share_no_question():
    pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")
    texts = [
        {q.material["question"] for q in suite_named("gym-lcm").load(options).questions}
        for options in (DataOptions(fresh_seed=1), DataOptions(fresh_seed=2))
    ]
    assert len(texts[0] & texts[1]) <= 1
