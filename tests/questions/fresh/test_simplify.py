"""Ways to make draws simpler."""

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.questions.fresh.simplify import combined, lowered, zeroed

draws = st.lists(st.integers(0, 400), max_size=40).map(tuple)


def no_larger(simpler, than):
    return len(simpler) == len(than) and all(a <= b for a, b in zip(simpler, than, strict=True))


@given(draws)
def test_parts_are_set_to_zero(given_draws):
    found = list(zeroed(given_draws))
    assert all(no_larger(simpler, given_draws) for simpler in found)
    places = [place for place, draw in enumerate(given_draws) if draw]
    if not places:
        assert found == []
        return
    assert found[0] == (0,) * len(given_draws)
    for place in places:
        alone = tuple(0 if n == place else draw for n, draw in enumerate(given_draws))
        assert alone in found
    # Every part of every size, and its complement.
    assert len(found) <= 10 * len(places)


@given(draws)
def test_each_draw_is_made_zero_half_and_one_less(given_draws):
    found = set(lowered(given_draws))
    for place, draw in enumerate(given_draws):
        for value in {0, draw // 2, max(draw - 1, 0)} - {draw}:
            assert (*given_draws[:place], value, *given_draws[place + 1 :]) in found
    for simpler in found:
        assert sum(a != b for a, b in zip(simpler, given_draws, strict=True)) == 1
        assert no_larger(simpler, given_draws)


@given(draws, st.data())
def test_what_worked_alone_is_put_together(given_draws, data):
    ways = list(lowered(given_draws))
    chosen = data.draw(st.lists(st.sampled_from(ways), unique=True)) if ways else []
    found = list(combined(given_draws, [*chosen, (*given_draws, 1)]))
    assert len(found) <= len(chosen)
    if len(chosen) > 1:
        assert found[0] == tuple(map(min, given_draws, *chosen))
        assert all(no_larger(found[0], simpler) for simpler in chosen)
    else:
        assert found == []
