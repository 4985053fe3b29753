"""The order of submission: longest expected first, samples of a question together."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.models.engines.base import Message, Request, Sampling
from lrmtest.plugin.generation.expected import Expectations, ExpectedTokens
from lrmtest.plugin.generation.order import longest_first
from lrmtest.questions.place import Place
from lrmtest.runs.store import Store

LIKE = Request(Place("k", "aime", "q", 0), (Message("user", "?"),), Sampling(100, 0.6, 0.95), 1)


def request(suite, question, sample=0, budget=100):
    return replace(
        LIKE,
        place=Place(f"{suite}/{question}/{sample}", suite, question, sample),
        sampling=replace(LIKE.sampling, max_tokens=budget),
    )


def test_what_took_long_before_begins_first():
    requests = [request("aime", question) for question in "abc"]
    ordered = longest_first(
        requests, ExpectedTokens({("aime", "a"): 5, ("aime", "b"): 50, ("aime", "c"): 20})
    )
    assert [one.place.question_id for one in ordered] == ["b", "c", "a"]


def test_unknown_questions_are_expected_to_be_like_their_suite_or_their_budget():
    requests = [request("x", "new"), request("y", "any", budget=1000), request("x", "old")]
    ordered = longest_first(requests, ExpectedTokens({("x", "old"): 10, ("x", "older"): 100}))
    assert [one.place.question_id for one in ordered] == ["any", "new", "old"]


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3)), unique=True),
    st.dictionaries(st.sampled_from([("aime", q) for q in "abcdef"]), st.floats(1, 1e5)),
)
def test_nothing_is_lost_and_samples_stay_together(which, expected):
    requests = [request("aime", question, sample) for question, sample in which]
    ordered = longest_first(requests, ExpectedTokens(expected))
    assert sorted(ordered, key=lambda one: one.key) == sorted(requests, key=lambda one: one.key)
    questions = [one.place.question_id for one in ordered]
    runs = [q for n, q in enumerate(questions) if n == 0 or questions[n - 1] != q]
    assert len(runs) == len(set(runs))


def test_a_new_model_begins_with_what_its_baseline_took_longest_for(tmp_path):
    with Store(tmp_path / "lrmtest.sqlite") as store:
        baseline = {("aime", "a"): 5.0, ("aime", "b"): 50.0}
        expected = Expectations(store, "new", {"new": baseline, "other": {}}.__getitem__).tokens
    ordered = longest_first([request("aime", question) for question in "abc"], expected)
    assert [one.place.question_id for one in ordered] == ["b", "c", "a"]
