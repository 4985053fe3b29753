"""Turning places: one model at a time, all that it takes from them, and exact draws at the end."""

from __future__ import annotations

from array import array
from collections import Counter
from contextlib import contextmanager
from math import exp, inf, log

import pytest

from lrmtest.errors import MachineryError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.base import Message, Request, Sampling
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.reading import Reading, Shaping, Written
from lrmtest.models.rejection import Distribution, drawn, uniform
from lrmtest.models.spec import ModelSpec
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.runs import turnings
from lrmtest.runs.trace_reading import ReadingModel
from lrmtest.runs.turnings import Followed, find_turnings

PROMPT = [50, 51]
CHANCES = {
    "parent": lambda before: (0.1, 0.2, 0.3, 0.4) if len(before) % 2 else (0.4, 0.3, 0.2, 0.1),
    "candidate": lambda before: (0.3, 0.3, 0.4, 0.0) if sum(before) % 2 else (0.1, 0.1, 0.4, 0.4),
}


def distribution(model, before):
    chances = CHANCES[model](tuple(before))
    return Distribution.of((i, log(one)) for i, one in enumerate(chances) if one)


class MadeReader:
    """A model whose distributions are known, and who tells when it is up."""

    def __init__(self, model, house):
        self.model = model
        self.house = house

    def start(self, planned):
        self.house.up.append(self.model)
        self.house.most = max(self.house.most, len(self.house.up))

    def close(self):
        if self.model in self.house.up:
            self.house.up.remove(self.model)

    def prompts(self, conversations):
        return [
            array("I", [9] if turns[-1].content == "another" else PROMPT) for turns in conversations
        ]

    def read(self, written, deliver):
        for one in written:
            tokens = one.trace.tokens
            own = array(
                "f",
                [
                    distribution(self.model, tokens[:i]).logprob(token)
                    for i, token in enumerate(tokens)
                ],
            )
            wide = self.house.slack
            low = array("f", [value - wide for value in own])
            high = array("f", [min(0.0, value + wide) for value in own])
            self.house.read += 1
            drawn_by = one.trace.logprobs
            deliver(Reading(one.place, drawn_by, low, high, array("f"), array("f"), own), None)

    def distributions(self, asked, deliver):
        assert self.house.up == [self.model]
        self.house.asked[self.model] += len(asked)
        for index, (ids, _) in enumerate(asked):
            if self.model == self.house.dies:
                raise MachineryError("it died")
            before = ids[len(PROMPT) :]
            model = self.house.instead.get(self.model, self.model)
            deliver(index, distribution(model, before))


class House:
    """What the readers of a test have in common."""

    def __init__(self, slack=0.0, dies="", instead=None):
        self.up, self.most, self.read, self.asked = [], 0, 0, Counter()
        self.slack, self.dies, self.instead = slack, dies, instead or {}
        self.said = []

    @contextmanager
    def readers(self):
        patch = pytest.MonkeyPatch()
        patch.setattr(turnings, "create_draft_reader", lambda spec, _: MadeReader(spec.name, self))
        try:
            yield
        finally:
            patch.undo()

    def find(self, followed, silent=frozenset()):
        models = [
            ReadingModel(ModelSpec(name, ModelCard(name), "vllm", "x"), EngineOptions())
            for name in ("candidate", "parent")
        ]
        with self.readers():
            found = find_turnings(followed, *models, silent, self.said.append)
        assert self.up == []
        return found


def followed_by(number, *, length=2, prompt="q", most=9):
    """A sample that follows a trace that the parent has drawn with random numbers of its own."""
    tokens, logprobs = array("I"), array("f")
    for place in range(length):
        one = distribution("parent", tokens)
        chances = [exp(value) for value in one.logprobs]
        token = drawn(one.tokens, chances, uniform(number + 10**6, place, "draw"))
        logprobs.append(one.logprob(token))
        tokens.append(token)
    place = Place(f"k{number}", "s", f"q{number}", 0)
    trace = Trace(array("I", PROMPT), tokens, logprobs, False)
    request = Request(place, (Message("user", prompt),), Sampling(most, 1.0, 1.0), number)
    return Followed(request, Written(place, trace, Shaping(1.0)))


@pytest.mark.parametrize("slack", [0.0, 1.0])
def test_samples_have_the_candidate_s_law_whatever_of_it_is_seen_at_first(slack):
    """Against its own probabilities, over 8,000 samples: chi-squared, far from its 1e-6 quantile.

    All numbers are hashes: what it finds is always the same.
    """
    house = House(slack)
    count = 8_000
    asked = [followed_by(number) for number in range(count)]
    found = house.find(asked)
    assert len(found) == count
    firsts, pairs = Counter(), Counter()
    for turning in found.values():
        firsts[turning.tokens[0]] += 1
        # A sample that turned at once goes on elsewhere.
        if len(turning.tokens) == 2:
            pairs[turning.tokens[0], turning.tokens[1]] += 1
    assert chi_squared(firsts, distribution("candidate", ()), count) < 30.7  # 3 degrees
    for first in range(4):
        # Of those that have taken their first token, the second one's law.
        those = Counter({second: pairs[first, second] for second in range(4)})
        assert chi_squared(those, distribution("candidate", (first,)), sum(those.values())) < 30.7
    assert house.most == 1
    # Of places with one beginning the distribution is asked once a round: there are few of them.
    assert house.asked["parent"] <= 5
    assert house.asked["candidate"] <= 15


def chi_squared(counts, law, total):
    for token in counts:
        if law.logprob(token) == -inf:
            assert not counts[token]
    expected = {token: total * exp(law.logprob(token)) for token in law.tokens}
    return sum((counts[token] - one) ** 2 / one for token, one in expected.items())


def test_a_sample_is_decided_alike_whatever_is_beside_it():
    asked = [followed_by(number, length=5) for number in range(40)]
    together = House().find(asked)
    alone = {}
    for one in reversed(asked):
        alone |= House().find([one])
    assert together == alone


def test_a_model_that_never_turns_needs_no_parent(monkeypatch):
    monkeypatch.setitem(CHANCES, "candidate", CHANCES["parent"])
    house = House()
    found = house.find([followed_by(number, length=6, most=4) for number in range(20)])
    assert {(one.taken, len(one.tokens), one.may_end) for one in found.values()} == {(4, 4, False)}
    assert not house.asked
    assert house.said == []


def test_a_sample_that_is_asked_with_another_prompt_has_no_draft():
    house = House()
    asked = [followed_by(1), followed_by(2, prompt="another"), followed_by(3)]
    assert set(house.find(asked)) == {"k1", "k3"}
    assert house.read == 2


@pytest.mark.parametrize("dies", ["candidate", "parent"])
def test_a_model_that_dies_leaves_nothing_behind(dies):
    house = House(dies=dies)
    with pytest.raises(MachineryError, match="it died"):
        house.find([followed_by(number) for number in range(50)])
    assert house.up == []


def test_a_parent_that_did_not_write_the_traces_is_refused(monkeypatch):
    monkeypatch.setitem(CHANCES, "other", lambda before: (0.01, 0.01, 0.01, 0.97))
    house = House(instead={"parent": "other"})
    with pytest.raises(UsageError, match="parent, as it runs here, is not what wrote the traces"):
        house.find([followed_by(number) for number in range(50)])
    assert house.up == []


def test_what_was_found_is_told():
    house = House()
    house.find([followed_by(number) for number in range(50)], frozenset({3}))
    first, second = house.said
    assert first.startswith("candidate: turns from ")
    assert "of 50 traces; parent is asked for its distributions there" in first
    assert "tells the tokens of its traces again within" in second
