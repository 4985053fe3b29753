"""Tests of the completions that are kept in memory for those who wait for them."""

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading.completion import Completion
from lrmtest.plugin.generation.kept import KeptCompletions


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef"), st.integers(0, 9))))
def test_no_more_is_kept_than_there_is_room_for(steps):
    kept, held = KeptCompletions(most_chars=12), {}
    for add, key, chars in steps:
        if add and key not in held:
            completion = Completion("x" * chars, "stop")
            if sum(len(one.text) for one in held.values()) + chars <= 12:
                held[key] = completion
            kept.add(key, completion)
        elif not add:
            assert kept.take(key) == held.pop(key, None)
        assert kept.get(key) == held.get(key)
