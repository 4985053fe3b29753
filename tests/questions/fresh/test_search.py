"""The search for the smallest failing question, on artificial models whose verdicts are known."""

import hashlib

import pytest
from adding import SMALLEST, adding, long_and_large, numbers_in

from lrmtest.questions.fresh import FAMILIES, Draft, fresh_question
from lrmtest.questions.fresh.proposals import to_search, to_shrink
from lrmtest.questions.fresh.search import Search
from lrmtest.questions.fresh.space import Space

SUMS = Space("adding", adding, 1)
TEMPORAL = Space("fresh-temporal", FAMILIES["temporal"], 1)


class Asked:
    """Asks an artificial model, and remembers its rounds."""

    def __init__(self, fails, room=2000):
        self.fails, self.room, self.rounds = fails, room, []

    def __call__(self, drawn):
        self.room -= len(drawn)
        self.rounds.append(list(drawn))
        return [self.fails(one.question) for one in drawn]

    @property
    def names(self):
        return [one.question.id for drawn in self.rounds for one in drawn]

    def search(self, space, **more):
        more = {"at_once": 16, **more}
        return Search(space, self, room=lambda: self.room, **more).run()


def noise(share, salt):
    """A model that fails a share of all questions, whatever they are."""

    def fails(question):
        digest = hashlib.sha256(f"{salt}/{question.id}".encode()).digest()
        return int.from_bytes(digest[:4], "big") / 2**32 < share

    return fails


def hard(question):
    return long_and_large(numbers_in(question.material["sum"]))


def many_sightings(question):
    return question.material["story"].count(" saw ") >= 4


@pytest.mark.parametrize("at_once", [1, 3, 16, 64])
def test_the_smallest_is_found_whatever_the_rounds_are(at_once):
    asked = Asked(hard)
    findings = asked.search(SUMS, at_once=at_once)
    assert findings.finished
    assert findings.smallest.size[:2] == SMALLEST
    assert sorted(numbers_in(findings.smallest.question.material["sum"])) == [0, 0, 0, 17]
    assert max(map(len, asked.rounds)) <= at_once
    assert findings.rounds == len(asked.rounds)
    assert findings.asked == len(asked.names) == len(set(asked.names))
    assert findings.failed == sum(hard(one.question) for part in asked.rounds for one in part)


@pytest.mark.parametrize("at_once", [1, 16])
def test_four_sightings_are_the_fewest_of_four(at_once):
    findings = Asked(many_sightings).search(TEMPORAL, at_once=at_once)
    assert findings.finished
    assert findings.smallest == TEMPORAL.played((1,))
    assert sum(findings.smallest.draws) == 1
    assert findings.first.size >= findings.smallest.size


def test_rounds_save_time_and_waste_little():
    one_by_one, together = Asked(many_sightings), Asked(many_sightings)
    one_by_one.search(TEMPORAL, at_once=1)
    together.search(TEMPORAL, at_once=16)
    assert len(together.rounds) * 4 <= len(one_by_one.rounds)
    assert len(together.names) <= 3 * len(one_by_one.names)


@pytest.mark.parametrize("salt", range(4))
@pytest.mark.parametrize(
    ("space", "share", "at_once"),
    [(SUMS, 0.1, 16), (SUMS, 0.2, 4), (TEMPORAL, 0.2, 4), (TEMPORAL, 0.1, 16)],
)
def test_what_is_found_is_minimal_in_the_sense_that_is_promised(space, share, at_once, salt):
    fails = noise(share, salt)
    findings = Asked(fails, room=5000).search(space, at_once=at_once)
    assert findings.finished
    smallest = findings.smallest
    assert fails(smallest.question)
    for place, draw in enumerate(smallest.draws):
        for value in {0, draw // 2, max(draw - 1, 0)} - {draw}:
            lower = (*smallest.draws[:place], value, *smallest.draws[place + 1 :])
            other = space.played(lower)
            assert other.size >= smallest.size or not fails(other.question)
    proposed = to_shrink(space, smallest, seen=(), count=10**6)
    assert not any(fails(other.question) for other in proposed)


def test_the_same_verdicts_lead_to_the_same_questions():
    runs = [Asked(noise(0.1, 5)) for _ in range(2)]
    for run in runs:
        run.search(TEMPORAL)
    assert runs[0].names == runs[1].names


def test_another_seed_draws_other_questions():
    first, second = Asked(lambda question: False, 64), Asked(lambda question: False, 64)
    first.search(TEMPORAL)
    second.search(TEMPORAL, seed=1)
    assert set(first.names) != set(second.names)


@pytest.mark.parametrize("room", [0, 1, 7, 33, 200])
def test_no_more_is_asked_than_there_is_room_for(room):
    for fails in (lambda question: False, noise(0.02, 1), hard):
        asked = Asked(fails, room)
        findings = asked.search(SUMS)
        assert len(asked.names) <= room
        assert asked.room >= 0
        assert findings.smallest is None or fails(findings.smallest.question)


def test_a_search_that_ran_out_of_room_says_so_and_goes_on_from_its_example():
    short = Asked(hard, room=20).search(SUMS)
    assert short.smallest is not None
    assert not short.finished
    longer = Asked(hard)
    findings = longer.search(SUMS, examples=[short.smallest.draws])
    assert findings.smallest.size[:2] == SMALLEST
    assert longer.names[0] == short.smallest.question.id


def test_examples_are_asked_first_and_need_not_fail_any_more():
    asked = Asked(hard)
    findings = asked.search(SUMS, examples=[(0, 1, 2), (3, 9, 9, 9, 9, 49)])
    assert asked.names[:2] == [
        SUMS.played((0, 1, 2)).question.id,
        SUMS.played((3, 9, 9, 9, 9, 49)).question.id,
    ]
    assert findings.smallest.size[:2] == SMALLEST
    gone = Asked(lambda question: False, room=50).search(SUMS, examples=[(2, 0, 0, 0, 17)])
    assert gone.smallest is None


def test_questions_drawn_as_the_suite_draws_are_counted_until_one_fails():
    asked = Asked(lambda question: False, room=64)
    findings = asked.search(TEMPORAL, seed=3)
    drawn = {fresh_question("temporal", 3, index).material["story"] for index in range(100)}
    stories = [one.question.material["story"] for part in asked.rounds for one in part]
    assert findings.independent == sum(story in drawn for story in stories) >= 30
    assert asked.rounds[0][0] == TEMPORAL.played(())


def test_what_could_not_be_asked_is_no_failure():
    def sometimes(question):
        return None if many_sightings(question) else False

    findings = Asked(sometimes, room=100).search(TEMPORAL)
    assert findings.smallest is None
    assert 0 < findings.unanswered < findings.asked == 100
    assert findings.independent < 50


def test_a_family_with_few_questions_is_asked_all_of_them():
    def coin(draw, difficulty):
        return Draft({"side": draw.below(2)}, ("x",), "integer")

    asked = Asked(lambda question: False)
    findings = asked.search(Space("coin", coin, 1))
    assert findings.asked == 2
    assert findings.smallest is None
    tails = Asked(lambda question: question.material["side"] == 1).search(Space("coin", coin, 1))
    assert tails.smallest.draws == (1,)
    assert tails.finished


def test_each_round_is_told():
    told = []
    findings = Asked(hard).search(SUMS, told=lambda so_far: told.append(so_far.asked))
    assert told[-1] == findings.asked
    assert told == sorted(told)
    assert len(told) in (findings.rounds, findings.rounds + 1)


def test_simpler_draws_for_a_question_that_failed_before_are_taken_without_asking():
    # Found at random: one question can be made of many draws.
    for salt, share in ((20247, 0.1), (10123, 0.2)):
        asked = Asked(noise(share, salt))
        findings = asked.search(TEMPORAL, at_once=4)
        failed = {
            one.question.id for part in asked.rounds for one in part if asked.fails(one.question)
        }
        assert findings.smallest.question.id in failed
        assert len(asked.names) == len(set(asked.names))
        proposed = to_shrink(TEMPORAL, findings.smallest, seen=(), count=10**6)
        assert not any(asked.fails(other.question) for other in proposed)


@pytest.mark.parametrize("space", [SUMS, TEMPORAL], ids=["sums", "temporal"])
def test_what_hypothesis_proposes_can_be_had_bit_by_bit(space):
    whole = list(to_search(space, 60, at_once=1000))
    assert list(to_search(space, 60, at_once=5)) == whole
    assert whole[0] == space.played(())
    failing = space.seeded(0, 1)
    proposed = to_shrink(space, failing, seen=(), count=1000)
    assert len(proposed) > 5
    assert all(other.size < failing.size for other in proposed)
    assert to_shrink(space, failing, seen=(), count=5) == proposed[:5]
    names = [other.question.id for other in proposed]
    assert to_shrink(space, failing, seen=names[:3], count=5) == proposed[3:8]
    assert to_shrink(space, failing, seen=names, count=5) == []
    assert to_shrink(space, failing, seen=(), count=0) == []
