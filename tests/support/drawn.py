"""Fresh questions out of hypothesis's draws, which it can shrink."""

from hypothesis import strategies as st

from lrmtest.questions import render_prompt
from lrmtest.questions.fresh import DIFFICULTIES, strategy
from lrmtest.suites import suite_named


@st.composite
def asked(draw, family, difficulties=DIFFICULTIES):
    """A strategy for a question's prompt, the question, and its difficulty."""
    difficulty = draw(st.sampled_from(list(difficulties)))
    question = draw(strategy(family, difficulty))
    return render_prompt(suite_named(question.suite).prompt, question), question, difficulty
