"""Ways to make draws simpler, many at once, so that they can be tried together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrmtest.questions.fresh.draws import Draws


def zeroed(draws: Draws) -> Iterator[Draws]:
    """All that is not 0 cut into 1, 2, 4, ... parts: each part set to 0, or all but that part.

    These are the steps of delta debugging, the coarse ones first.

    Reference:
        Zeller & Hildebrandt (2002), Simplifying and isolating failure-inducing input. IEEE
        Transactions on Software Engineering 28, section 3: the algorithm ddmin.
    """
    places = [place for place, draw in enumerate(draws) if draw]
    parts = 1
    while places:
        length = max(1, -(-len(places) // parts))
        for begin in range(0, len(places), length):
            part = places[begin : begin + length]
            yield _set(draws, part)
            if parts > 2:
                yield _set(draws, [place for place in places if place not in part])
        if length == 1:
            return
        parts *= 2


def lowered(draws: Draws) -> Iterator[Draws]:
    """Each draw by itself halved, and lowered by 1, 2, 4, ... down to 0."""
    for place, draw in enumerate(draws):
        lower = [draw // 2, *(draw - (1 << step) for step in range(draw.bit_length())), 0]
        for value in dict.fromkeys(lower):
            if value < draw:
                yield _set(draws, [place], value)


def combined(draws: Draws, simpler: Sequence[Draws]) -> Iterator[Draws]:
    """Simplifications of the same draws put together: all of them, each half, each quarter, ...

    Args:
        draws: what is simplified.
        simpler: draws that have each done something else to it; others are passed over.
    """
    alike = [other for other in simpler if len(other) == len(draws)]
    length = len(alike)
    while length > 1:
        for begin in range(0, len(alike), length):
            yield tuple(map(min, draws, *alike[begin : begin + length]))
        length //= 2


def _set(draws: Draws, places: Sequence[int], value: int = 0) -> Draws:
    changed = list(draws)
    for place in places:
        changed[place] = value
    return tuple(changed)
