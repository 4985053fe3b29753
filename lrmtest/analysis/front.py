"""The Pareto front: which models give the most for what they cost."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The points that no other point beats.

    A point is beaten by one that costs no more and is worth no less, and differs in one of them.
    Observed values are taken as they are: two points whose intervals overlap can change places
    in another run.

    Args:
        points: (cost, value); less cost is better, more value is better.

    Returns:
        Indices of the points on the front, by rising cost; of equal points all.
    """
    # By cost, the most valuable first: a point is on the front if it is worth more than all
    # that cost less.
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1]))
    front: list[int] = []
    for index in order:
        best = points[front[-1]] if front else None
        if best is None or points[index][1] > best[1] or points[index] == best:
            front.append(index)
    return front
