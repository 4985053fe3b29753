"""The gate's words agree with its numbers, whatever the runs and the settings."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import run_of

from lrmtest.analysis.compare import compare
from lrmtest.analysis.gate_said import gate_said
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.runs.looks import Look
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

CLASSES = {"p": None, "w": "wrong", "t": "truncated", "l": "looped"}


def a_run(name, suites, *, tokens=100, unknown=0, manifest=None):
    """A run: by suite its questions, each the letters of its samples."""
    outcomes = {}
    for suite, questions in suites.items():
        for number, letters in enumerate(questions):
            samples = {
                index: SampleOutcome(CLASSES[letter], tokens, unknown_end=number < unknown)
                for index, letter in enumerate(letters)
            }
            outcomes[suite, f"q{number}"] = QuestionOutcome(suite, f"q{number}", samples)
    return run_of(name, outcomes, model=name.partition("-")[0], manifest=manifest)


def said_of(before, after, *, allowed=(), **fields):
    compared = compare(before, after, gate=GateSettings(**fields), allowed=allowed)
    return compared, gate_said(compared)


def kinds(said):
    return {warning.kind for warning in said.warnings}


def alike(passed=40, failed=10, letters="pppp"):
    return {"aime": [letters] * passed + ["wwww"] * failed}


results = st.lists(st.text("ppppwtl", min_size=2, max_size=2), min_size=8, max_size=40)


@settings(max_examples=60)
@given(
    results,
    results,
    st.sampled_from([0.05, 0.1, 0.3, 0.6]),
    st.sampled_from([0.0, 0.03]),
    st.sampled_from([0.5, 0.8]),
    st.sampled_from([None, 0.0]),
    st.integers(50, 140),
    st.integers(0, 3),
    st.booleans(),
)
def test_words_agree_with_numbers(
    before, after, mde, margin, power, rates, tokens, unknown, several
):
    size = min(len(before), len(after))
    parts = [{"aime": each[:size]} for each in (before, after)]
    if several:
        parts = [{"aime": each[: size // 2], "folio": each[size // 2 : size]} for each in
                 (before, after)]  # fmt: skip
    compared, said = said_of(
        a_run("a-1", parts[0]),
        a_run("b-1", parts[1], tokens=tokens, unknown=unknown),
        mde=mde, margin=margin, power=power, rate_margin=rates, max_unknown_ends=0.5,
    )  # fmt: skip
    decision, total = compared.decision, compared.comparison.total
    assert said.result == decision.result
    words = {"ok": "OK: ", "regressed": "Regressed: ", "undecided": "Undecided: "}
    assert said.badge.startswith(words.get(decision.result, "Cannot tell: "))
    assert f"at most {100 * (1 - power):g} %" in said.meaning
    if decision.result != "ok":
        assert said.warnings == ()
        if decision.result == "regressed":
            first = next(check for check in decision.checks if check.result == "regressed")
            assert first.worsening > 0
            assert ("a drop" in said.badge) == first.claim.primary
            assert (f"{100 * margin:.3g} points" in said.badge) == (
                margin > 0 and first.claim.primary
            )
        return
    limit = f"{100 * (margin + mde):.3g} points"
    assert said.badge == f"OK: a drop of {limit} is excluded"
    assert limit in said.meaning
    assert ("truncation" in said.meaning.partition("Not gated")[0]) == (rates is not None)
    assert ("not-gated" in kinds(said)) == (rates is None)
    assert ("unknown-ends" in kinds(said)) == (unknown > 0)
    likely = total.failed.pairs.p_above(0.0) <= 0.05
    pooled = [warning.text for warning in said.warnings if " of aime" not in warning.text
              and " of folio" not in warning.text]  # fmt: skip
    assert any(text.startswith("pass rate fell by") for text in pooled) == likely
    if total.failed.interval.low > 0:
        assert likely, "an interval that leaves out no change has a warning"
    if total.failed.interval.high >= margin + mde:
        assert kinds(said) & {"drop-likely", "drop-beyond"}
    if compared.changed.surely_worse:
        assert "questions-worse" in kinds(said)
    costs = total.truncated.pairs.p_above(0.0) <= 0.025 or total.truncated.worsening >= 0.05
    assert any("are truncated" in text for text in pooled) == costs
    for warning in said.warnings:
        numbers = [float(one) for one in re.findall(r"fell by ([\d.]+) points", warning.text)]
        assert all(number > 0 for number in numbers)


def test_nothing_to_warn_of_is_green():
    _, said = said_of(a_run("a-1", alike()), a_run("b-1", alike()))
    assert said.badge == said.headline == "OK: a drop of 10 points is excluded"
    assert said.warnings == ()
    assert said.meaning.startswith("Excluded is a drop of the pass rate by 10 points in aime; and")
    assert "tokens by 35 %, truncation by 10 points and looping by 10 points" in said.meaning


def test_a_drop_that_is_smaller_than_the_gate_asks_about():
    before = a_run("a-1", {"aime": ["pppp"] * 100})
    after = a_run("b-1", {"aime": ["pppw"] * 9 + ["pppp"] * 91})
    compared, said = said_of(before, after, margin=0.05)
    assert compared.decision.result == "ok"
    assert said.badge == "OK: a drop of 15 points is excluded"
    assert "drop-likely" in kinds(said)
    assert "with 2 warnings" in said.headline or "with 1 warning" in said.headline


def test_costs_that_are_worse_within_their_margins():
    before = a_run("a-1", alike(100, 0))
    worse = {"aime": ["pppt"] * 8 + ["pppp"] * 92}
    _, said = said_of(before, a_run("b-1", worse), margin=0.1, rate_margin=0.05)
    assert any("2 % of the candidate's samples are truncated" in text for text in said.texts)
    compared, said = said_of(before, a_run("b-1", alike(100, 0), tokens=108))
    assert compared.decision.result == "ok"
    assert any(text.startswith("tokens rose by 8 %") for text in said.texts)


def test_questions_that_others_make_up_for():
    before = {"aime": ["pppp"] * 60 + ["wwww"] * 60}
    after = {"aime": ["wwww"] * 30 + ["pppp"] * 60 + ["wwww"] * 30}
    compared, said = said_of(a_run("a-1", before), a_run("b-1", after), mde=0.2)
    assert compared.decision.result == "ok"
    assert "questions-worse" in kinds(said)
    assert any("of the 30 questions that fell are really worse" in text for text in said.texts)


@pytest.mark.parametrize(
    ("manifests", "kind"),
    [
        (({"temperature": 0.0}, {"temperature": 0.0}), "greedy"),
        (({"temperature": 0.6}, {"temperature": 0.7}), "differs"),
    ],
)
def test_settings_are_told(manifests, kind):
    before, after = (
        a_run(name, alike(letters="p", failed=0) if kind == "greedy" else alike(), manifest=one)
        for name, one in zip(("a-1", "b-1"), manifests, strict=True)
    )
    _, said = said_of(before, after, allowed=["all"], mde=0.2)
    assert kind in kinds(said)


def test_floors_missing_questions_and_many_that_ran_out():
    low = {"aime": ["pppp"] * 40 + ["wwww"] * 60}
    _, said = said_of(a_run("a-1", low), a_run("b-1", low))
    assert kinds(said) == {"floor"}
    ran_out = {"aime": ["pppp"] * 70 + ["tttt"] * 30}
    _, said = said_of(a_run("a-1", ran_out), a_run("b-1", ran_out))
    assert kinds(said) == {"ran-out"}
    fewer = {"aime": alike()["aime"][1:]}
    _, said = said_of(a_run("a-1", alike()), a_run("b-1", fewer), allow_missing=True)
    assert "missing" in kinds(said)
    both = {"aime": ["pppp"] * 60, "musique": ["wwww"] * 20}
    _, said = said_of(a_run("a-1", both), a_run("b-1", both), allow_cannot_tell=("musique",))
    assert said.badge == "OK: a drop of 10 points is excluded, except in musique"
    assert "not-told" in kinds(said)


def test_what_the_others_say():
    none = gate_said(compare(a_run("a-1", alike()), a_run("b-1", alike())))
    assert none is None
    _, said = said_of(a_run("a-1", alike()), a_run("b-1", {"aime": ["wwww"] * 50}))
    assert said.badge == "Regressed: a drop is established"
    _, said = said_of(a_run("a-1", {"aime": ["p", "w"] * 5}), a_run("b-1", {"aime": ["p"] * 10}))
    assert said.result in ("undecided", "ok")
    nothing = {"aime": ["wwww"] * 50}
    _, said = said_of(a_run("a-1", nothing), a_run("b-1", nothing))
    assert said.badge == "Cannot tell: a drop of 10 points could not have been seen"
    _, said = said_of(a_run("a-1", alike()), a_run("b-1", {"folio": ["p"]}))
    assert said.badge == "Cannot tell: nothing could be compared"
    _, said = said_of(a_run("a-1", alike(), unknown=9), a_run("b-1", alike()))
    assert said.badge == "Undecided: too many samples do not say how they ended"
    spent = GateSettings(look=Look(share=0.0))
    said = gate_said(compare(a_run("a-1", alike()), a_run("b-1", alike()), gate=spent))
    assert said.badge == ("Undecided: earlier looks at this run have spent all of its error rates")
    fewer = {"aime": alike()["aime"][1:]}
    _, said = said_of(a_run("a-1", alike()), a_run("b-1", fewer))
    assert said.badge == "Undecided: questions are missing"
    _, said = said_of(a_run("a-1", alike()), a_run("b-1", alike(), tokens=300))
    assert said.badge == "Regressed: a rise of tokens of more than 10 % is established"
