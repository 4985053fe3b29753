"""Turning places that were found are kept until their samples are there."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.models.draft import DraftTurn
from lrmtest.runs.kept_turnings import KeptTurnings


@st.composite
def turns(draw):
    tokens = draw(st.lists(st.integers(0, 2**32 - 1), max_size=6))
    floats = st.floats(-50, 0, width=32)
    logprobs = draw(st.just([]) | st.lists(floats, min_size=len(tokens), max_size=len(tokens)))
    return DraftTurn(
        array("I", tokens),
        draw(st.integers(0, len(tokens))),
        array("f", logprobs),
        draw(st.booleans()),
        frozenset(draw(st.lists(st.sampled_from(tokens or [0]), max_size=2))),
    )


KEPT = st.dictionaries(st.text(max_size=8), turns(), max_size=4)


@given(KEPT, KEPT)
def test_what_is_kept_is_there_until_it_is_forgotten(tmp_path_factory, first, more):
    store = tmp_path_factory.mktemp("kept") / "lrmtest.sqlite"
    kept = KeptTurnings(store, "m-1")
    kept.add(first)
    kept.add(more)
    assert KeptTurnings(store, "m-1").read() == {**first, **more}
    assert KeptTurnings(store, "m-2").read() == {}
    kept.forget()
    assert kept.read() == {}
    assert not list(store.parent.iterdir())
    kept.forget()


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_as_good_as_none(tmp_path_factory, place, data):
    store = tmp_path_factory.mktemp("kept") / "lrmtest.sqlite"
    kept = KeptTurnings(store, "m-1")
    turn = DraftTurn(array("I", [1, 2, 3]), 2, array("f", [-1.0, -2.0, -0.5]))
    kept.add({"key": turn})
    (file,) = store.with_name("lrmtest.sqlite-turnings").iterdir()
    whole = file.read_bytes()
    place %= len(whole)
    changed = whole[:place] + data + whole[place + len(data) :]
    file.write_bytes(changed)
    assert kept.read() == ({"key": turn} if changed == whole else {})
    file.write_bytes(whole[:place])
    assert kept.read() == {}
