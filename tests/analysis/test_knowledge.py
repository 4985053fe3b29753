from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import question

from lrmtest.analysis.knowledge import (
    BOOK_CONTEXTS,
    FROM_MEMORY,
    FROM_TEXT,
    compare_knowledge,
    knowledge,
    missing_contexts,
    sets_in,
    suite_in,
)
from lrmtest.suites.musique_contexts import hop_ids


def run(rows, *, hops=2, name="musique"):
    """A run in which question i went as `rows[i]` says: by context, whether each part passed."""
    outcomes = {}
    for number, row in enumerate(rows):
        question_id = f"{hops}hop__{number}"
        for context in BOOK_CONTEXTS:
            parts = row[context] if context.startswith("hops") else [row[context]]
            ids = hop_ids(question_id) if context.startswith("hops") else [question_id]
            for part_id, passed in zip(ids, parts, strict=True):
                suite = suite_in(name, context)
                samples = passed if isinstance(passed, list) else [passed]
                failures = [None if one else "wrong" for one in samples]
                outcomes[suite, part_id] = question(suite, part_id, failures)
    return outcomes


def row(closed, open_, gold, hops, hops_gold):
    return {"closed": closed, "open": open_, "gold": gold, "hops": hops, "hops-gold": hops_gold}


both = st.tuples(st.booleans(), st.booleans()).map(list)
rows = st.lists(
    st.builds(row, st.booleans(), st.booleans(), st.booleans(), both, both), min_size=1, max_size=20
)


@pytest.mark.parametrize(
    ("asked", "from_memory", "from_text"),
    [
        (row(1, 1, 1, [1, 1], [1, 1]), "composed", "composed"),
        (row(1, 0, 1, [1, 0], [1, 1]), "shortcut", "distracted"),
        (row(0, 0, 0, [1, 1], [1, 1]), "not composed", "not composed"),
        (row(0, 0, 0, [0, 1], [0, 1]), "neither", "not read"),
        (row(0, 1, 1, [0, 1], [0, 1]), "not known", "composed"),
        (row(0, 1, 0, [0, 0], [1, 1]), "neither", "open only"),
    ],
)
def test_kinds(asked, from_memory, from_text):
    result = knowledge(run([asked]), "musique")
    assert [s.kind for s in result.from_memory if s.questions] == [from_memory]
    assert [s.kind for s in result.from_text if s.questions] == [from_text]
    assert result.count == 1


@settings(max_examples=30)
@given(rows)
def test_kinds_add_up_and_rates_are_means(asked):
    result = knowledge(run(asked), "musique")
    for shares in (result.from_memory, result.from_text):
        assert sum(len(share.questions) for share in shares) == len(asked) == result.count
        assert sum(share.rate.value for share in shares) == pytest.approx(1)
        for share in shares:
            assert share.rate.interval.low <= share.rate.value <= share.rate.interval.high
    means = {
        context: np.mean([np.mean(one[context]) for one in asked]) for context in BOOK_CONTEXTS
    }
    for context, rate in result.passed.items():
        assert rate.value == pytest.approx(means[context])
    assert result.facts.value == pytest.approx(means["gold"] - means["closed"])
    assert result.distraction.value == pytest.approx(means["gold"] - means["open"])


@settings(max_examples=20)
@given(rows, st.data())
def test_the_other_way_round_every_change_has_the_other_sign(before, data):
    after = data.draw(st.lists(st.sampled_from(before), min_size=len(before), max_size=len(before)))
    there = compare_knowledge(run(before), run(after), "musique")
    back = compare_knowledge(run(after), run(before), "musique")
    pairs = [(there.knowledge_over_reasoning, back.knowledge_over_reasoning)]
    pairs += [(there.changes[name], back.changes[name]) for name in BOOK_CONTEXTS]
    pairs += [(there.from_memory[kind], back.from_memory[kind]) for kind in FROM_MEMORY]
    pairs += [(there.from_text[kind], back.from_text[kind]) for kind in FROM_TEXT]
    for one, other in pairs:
        assert one.value == pytest.approx(-other.value)
        assert one.interval.low == pytest.approx(-other.interval.high, abs=1e-5)
        assert one.interval.low <= one.value + 1e-5
        assert one.value <= one.interval.high + 1e-5
    for kind, change in there.from_memory.items():
        new = next(s for s in there.candidate.from_memory if s.kind == kind).rate.value
        old = next(s for s in there.baseline.from_memory if s.kind == kind).rate.value
        assert change.value == pytest.approx(new - old)


def test_a_question_without_a_verdict_somewhere_is_left_out():
    outcomes = run([row(1, 1, 1, [1, 1], [1, 1])] * 3)
    del outcomes["musique-hops", "2hop__1-hop2"]
    outcomes["musique-gold", "2hop__2"] = question("musique-gold", "2hop__2", [])
    result = knowledge(outcomes, "musique")
    assert (result.count, result.left_out) == (1, 2)
    for suite, question_id in [("musique", "2hop__0")]:
        del outcomes[suite, question_id]
    assert knowledge(outcomes, "musique") is None
    whole = run([row(1, 1, 1, [1, 1], [1, 1])] * 3)
    assert compare_knowledge(outcomes, whole, "musique") is None


def test_several_samples_pass_by_the_threshold():
    asked = row([1, 1, 0], [1, 1, 1], [1, 0, 0], [[1, 1, 0], [1, 1, 1]], [[0, 0, 1], [1, 1, 1]])
    half = knowledge(run([asked]), "musique")
    assert [s.kind for s in half.from_memory if s.questions] == ["composed"]
    assert [s.kind for s in half.from_text if s.questions] == ["open only"]
    every = knowledge(run([asked]), "musique", threshold=1.0)
    assert [s.kind for s in every.from_memory if s.questions] == ["neither"]
    assert every.passed["hops"].value == pytest.approx(5 / 6)


def test_sets_and_what_they_lack():
    outcomes = run([row(1, 1, 1, [1, 1], [1, 1])], name="musique-dev")
    outcomes["aime", "1"] = question("aime", "1", [None])
    assert sets_in(outcomes) == ("musique-dev",)
    assert missing_contexts(outcomes, "musique-dev") == []
    assert missing_contexts(outcomes, "musique") == [suite_in("musique", c) for c in BOOK_CONTEXTS]
    assert sets_in({("musique", "2hop__1"): question("musique", "2hop__1", [None])}) == ()
    assert sets_in({("fresh-hops", "1"): question("fresh-hops", "1", [None])}) == ()


@pytest.mark.parametrize("lost", ["knowledge", "reasoning", "both alike"])
def test_what_was_lost_is_told_apart(lost):
    """100 questions whose hops are lost with probability 0.4, or whose composition is."""
    rng = np.random.default_rng(3)
    covered = decided = 0
    for _ in range(20):
        before, after = [], []
        for _ in range(100):
            knows = rng.random(2) < 0.8
            composes = rng.random() < 0.8
            kept = knows & (rng.random(2) < (1.0 if lost == "reasoning" else 0.6))
            still = composes and rng.random() < (1.0 if lost == "knowledge" else 0.6)
            for known, composed, rows_ in ((knows, composes, before), (kept, still, after)):
                closed = bool(known.all() and composed)
                rows_.append(row(closed, composed, composed, list(known), [1, 1]))
        change = compare_knowledge(run(before), run(after), "musique").knowledge_over_reasoning
        truth = {"knowledge": 0.32, "reasoning": -0.32, "both alike": 0.0}[lost]
        covered += change.interval.low <= truth <= change.interval.high
        decided += not change.interval.low <= 0 <= change.interval.high
    print(f"{lost}: covered {covered}/20, decided {decided}/20")
    assert covered >= 17
    assert decided <= 3 if lost == "both alike" else decided >= 18
