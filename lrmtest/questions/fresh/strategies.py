"""Fresh questions as hypothesis strategies."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from lrmtest.questions.fresh.draws import DrawSource
from lrmtest.questions.fresh.space import DrawnQuestion, Space
from lrmtest.questions.question import Question


class _HypothesisDraws(DrawSource):
    """Draws that hypothesis makes and can shrink, each towards 0.

    Args:
        draw: what `st.composite` hands out.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def below(self, limit: int) -> int:
        """See `DrawSource.below`."""
        return 0 if limit == 1 else self._draw(_up_to(limit - 1))


@cache
def _up_to(largest: int) -> st.SearchStrategy[int]:
    return st.integers(0, largest)


@st.composite
def drawn_questions(draw: st.DrawFn, space: Space) -> DrawnQuestion:
    """The questions of a space, with their draws."""
    return space.made(_HypothesisDraws(draw))


def questions(space: Space) -> st.SearchStrategy[Question]:
    """The questions of a space."""
    return drawn_questions(space).map(lambda drawn: drawn.question)
