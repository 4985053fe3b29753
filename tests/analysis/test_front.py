"""The Pareto front against its definition."""

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.front import pareto_front

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


@given(points)
def test_exactly_the_points_that_no_other_beats(given_points):
    def beaten(point):
        return any(
            other != point and other[0] <= point[0] and other[1] >= point[1]
            for other in given_points
        )

    expected = {index for index, point in enumerate(given_points) if not beaten(point)}
    front = pareto_front(given_points)
    assert set(front) == expected
    assert len(front) == len(expected)
    costs = [given_points[index][0] for index in front]
    assert costs == sorted(costs)
