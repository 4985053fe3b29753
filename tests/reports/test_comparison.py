"""What is shown of a comparison: the figures, what broke, the decision; at any width."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import pytest
from made_runs import run_of

from lrmtest.analysis.compare import EarlyStop, compare
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.errors import UsageError
from lrmtest.reports.comparison import comparison_view
from lrmtest.reports.comparison_json import comparison_document
from lrmtest.reports.markdown import markdown_report
from lrmtest.reports.terminal import render
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome


def a_run(name, results, *, tokens=100, suite="aime", manifest=None, **fields):
    """A run whose questions each have the samples of `results`: ``p``, ``w``, ``t``, ``l``."""
    classes = {"p": None, "w": "wrong", "t": "truncated", "l": "looped"}
    outcomes = {}
    for number, letters in enumerate(results):
        samples = {
            index: SampleOutcome(classes[letter], tokens + number)
            for index, letter in enumerate(letters)
        }
        outcomes[suite, f"q{number}"] = QuestionOutcome(suite, f"q{number}", samples)
    return run_of(name, outcomes, model=name.partition("-")[0], manifest=manifest, **fields)


def merged(*runs):
    return replace(runs[0], samples=tuple(sample for run in runs for sample in run.samples))


def estimated(run):
    samples = tuple(replace(sample, tokens_estimated=True) for sample in run.samples)
    return replace(run, samples=samples)


BEFORE = a_run("big-1", ["p"] * 14 + ["w"] * 6)
AFTER = a_run("small-1", ["p"] * 4 + ["w"] * 4 + ["t"] * 3 + ["l"] * 3 + ["w"] * 5 + ["p"])


def shown(compared, width=100, **arguments):
    return render(comparison_view(compared, **arguments), width, color=False, crop=False)


def test_rates_change_interval_and_p():
    text = shown(compare(BEFORE, AFTER))
    assert "small (small-1) against the baseline big (big-1)" in text
    row = next(line for line in text.splitlines() if line.startswith("aime"))
    assert re.match(r"aime +20 +70\.0 % +25\.0 % +-45\.0 \[-\d+\.\d, -\d+\.\d\] +0\.0\d\d", row)
    assert "0.0 % -> 15.0 %  +15.0 [" in text
    assert "McNemar" in text
    assert "110 -> 110" in text
    assert "1.00 [" in text
    assert "gate" not in text


def test_p_is_between_mcnemars_mid_p_and_exact():
    compared = compare(BEFORE, AFTER)
    # 10 broken, 1 fixed: twice the chance of 10 or more heads in 11 tosses, less what is unspent.
    p = compared.comparison.total.p_different
    assert 2 * (11 / 2 + 1) / 2**11 <= p < 2 * (11 + 1) / 2**11
    assert f"{p:.3f}" in shown(compared)


def test_suites_and_their_pool():
    text = shown(
        compare(
            merged(BEFORE, a_run("big-1", ["p"] * 9, suite="folio")),
            merged(AFTER, a_run("small-1", ["p"] * 9, suite="folio")),
        )
    )
    assert [line.split()[0] for line in text.splitlines() if line[:4] in ("aime", "foli")] == [
        "aime", "folio", "aime", "folio", "aime", "folio", "aime", "folio",
    ]  # fmt: skip
    assert text.count("all suites") == 3
    assert "adjusted for the number of suites" in " ".join(text.split())


def test_broken_and_fixed_questions_can_be_pasted():
    ids = {("aime", "q19"): "suites/aime/test_aime.py::test_aime[" + "x" * 90 + "]"}
    text = shown(compare(BEFORE, AFTER), width=80, test_ids=ids)
    assert "questions: 10 fell, at least 3 of them really worse with 95 % confidence" in text
    assert "10 broken, 0 worse, 0 unstable, 9 unchanged, 0 better, 1 fixed" in text
    assert text.index("10 broken") < text.index("change, points"), "before any mean"
    assert "\n  aime q4  (wrong)" in text
    assert "\n  aime q10  (truncated)" in text
    assert f"\n  {ids['aime', 'q19']}\n" in text + "\n", "a wrapped id cannot be pasted"


def test_long_lists_are_cut():
    text = shown(compare(a_run("a-1", ["p"] * 300), a_run("b-1", ["w"] * 300)))
    assert "300 broken" in text
    assert "... and 280 more" in text
    assert len(text.splitlines()) < 60


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("rate", ["p", "t"])
def test_tables_fit_the_terminal(width, rate):
    before = a_run("baseline-1", ["pppp"] * 250, suite="temporal", tokens=123_456)
    after = a_run("candidate-1", [rate * 4] * 250, suite="temporal", tokens=12)
    text = shown(compare(before, after, gate=GateSettings()), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


@pytest.mark.parametrize(
    ("after", "outcome"), [(AFTER, "REGRESSED"), (replace(BEFORE, run_id="big-2"), "OK")]
)
def test_the_decision_in_words_with_its_error_rates(after, outcome):
    settings = GateSettings(mde=0.25, alpha=0.04, power=0.75)
    text = shown(compare(BEFORE, after, gate=settings))
    assert f"gate: {outcome}" in text
    flat = " ".join(text.split())
    assert "called regressed in at most 4 % of comparisons" in flat
    assert "worse by 25 points is called ok in at most 25 %" in flat


def test_an_undecided_gate_says_what_would_decide():
    before, after = a_run("a-1", ["p", "w"] * 5), a_run("b-1", ["p", "w"] * 4 + ["w", "p"])
    flat = " ".join(shown(compare(before, after, gate=GateSettings())).split())
    assert "gate: UNDECIDED" in flat
    assert re.search(r"about \d+ samples per question in both runs would decide it", flat)


def test_missing_questions_are_named():
    before, after = a_run("a-1", ["p"] * 11), a_run("b-1", ["p"] * 9)
    text = shown(compare(before, after, gate=GateSettings(mde=0.5)))
    assert (
        "2 questions of the baseline without a verdict in the candidate: aime q9, aime q10" in text
    )
    assert "gate: UNDECIDED" in text
    assert "gate: OK" in shown(
        compare(before, after, gate=GateSettings(mde=0.5, token_margin=None, allow_missing=True))
    )


def test_a_gate_that_cannot_tell_says_why_and_what_helps():
    floor = a_run("f-1", ["w"] * 20, suite="musique")
    before = merged(a_run("a-1", ["p"] * 30), floor)
    after = merged(a_run("b-1", ["p"] * 30), floor)
    compared = compare(before, after, gate=GateSettings())
    flat = " ".join(shown(compared).split())
    assert "gate: CANNOT TELL" in flat
    assert "the baseline passes 0 of 20 of musique, so a drop of 10 points cannot happen" in flat
    assert "--allow-cannot-tell musique" in flat
    assert "--allow-cannot-tell musique" in html.unescape(markdown_report([], [compared]))
    allowed = GateSettings(allow_cannot_tell=("musique",))
    assert "gate: OK" in shown(compare(before, after, gate=allowed))


def test_a_score_is_shown_beside_the_pass_rate():
    def scored(run_id, scores):
        outcomes = {
            ("own", f"q{n}"): QuestionOutcome(
                "own", f"q{n}", {0: SampleOutcome("wrong", 5, score=score)}
            )
            for n, score in enumerate(scores)
        }
        return run_of(run_id, outcomes, manifest={"suites": {"own": {"metric": "f1"}}})

    compared = compare(scored("a-1", [0.5] * 30), scored("b-1", [0.2] * 30), gate=GateSettings())
    text = shown(compared)
    assert re.search(r"own +f1 +50\.0 % +20\.0 % +-30\.0 \[", text)
    assert "f1: fell by 30 points" in text
    figures = comparison_document(compared)
    assert figures["total"]["metric"] == "f1"
    score = figures["suites"][0]["score"]
    assert (score["baseline"], score["candidate"]) == (pytest.approx(0.5), pytest.approx(0.2))
    assert score["worsening"] == pytest.approx(0.3)
    assert figures["gate"]["checks"][0]["metric"] == "f1"
    assert "| own | f1 | 50.0 % | 20.0 % |" in html.unescape(markdown_report([], [compared]))


def test_a_baseline_without_scores_is_compared_by_what_passed():
    manifest = {"suites": {"own": {"metric": "f1"}}}
    outcome = SampleOutcome(None, 5)
    old = {("own", f"q{n}"): QuestionOutcome("own", f"q{n}", {0: outcome}) for n in range(30)}
    new = {key: QuestionOutcome(*key, {0: replace(outcome, score=0.1)}) for key in old}
    compared = compare(
        run_of("a-1", old, manifest=manifest),
        run_of("b-1", new, manifest=manifest),
        gate=GateSettings(),
    )
    assert compared.by_passes == ("own",)
    assert compared.comparison.total.score is None
    assert compared.decision.result == "ok"
    assert "own is compared by what passed" in shown(compared)
    assert "own is compared by what passed" in html.unescape(markdown_report([], [compared]))


def test_nothing_in_common_is_no_table():
    text = shown(
        compare(a_run("a-1", ["p"]), a_run("b-1", ["p"], suite="folio"), gate=GateSettings())
    )
    assert "no question has a verdict in both runs" in text
    assert "McNemar" not in text


def test_estimated_tokens_are_not_compared_with_counted_ones():
    compared = compare(BEFORE, estimated(AFTER))
    assert compared.comparison.total.tokens is None
    assert "tokens are not compared" in shown(compared)
    both = compare(estimated(BEFORE), estimated(AFTER))
    assert both.comparison.total.tokens is not None


def test_settings_that_differ_are_refused_or_shown():
    before = replace(BEFORE, manifest=Manifest(temperature=0.6))
    after = replace(AFTER, manifest=Manifest(temperature=0.0))
    with pytest.raises(UsageError, match=r"temperature: 0\.6 against 0\.0"):
        compare(before, after)
    text = shown(compare(before, after, allowed=["temperature"]))
    assert "allowed to differ: temperature: 0.6 against 0.0" in text


def test_hostile_names_are_escaped():
    nasty = "q\x1b[2J[red]x[/red]\u202e\x00"
    before, after = (
        run_of(
            run_id,
            {("s", nasty): QuestionOutcome("s", nasty, {0: SampleOutcome(failure, 3)})},
            model="big",
        )
        for run_id, failure in (("big-1", None), (nasty, "wrong"))
    )
    text = shown(compare(before, after, gate=GateSettings()))
    assert "[red]x[/red]" in text
    for dangerous in ("\x1b", "\x00", "\u202e"):
        assert dangerous not in text


EARLY = EarlyStop(40, 400, 339, 93_000.0, 120_000.0, 0.7, 0.25)


def test_an_early_stop_shows_what_was_saved_and_no_figures_that_do_not_hold():
    compared = replace(compare(BEFORE, AFTER, gate=GateSettings()), early=EARLY)
    flat = " ".join(shown(compared).split())
    assert "40 of 400 samples counted, 339 not generated" in flat
    assert "93.0k of 120k tokens saved (77.5 %)" in flat
    assert "70.0 % -> 25.0 %" in flat
    assert "McNemar" not in flat
    assert "gate: REGRESSED" in flat


def test_the_document_is_strict_json_and_complete():
    compared = replace(compare(BEFORE, AFTER, gate=GateSettings()), early=EARLY)
    document = json.loads(json.dumps(comparison_document(compared), allow_nan=False))
    assert document["baseline"] == {"run_id": "big-1", "model": "big"}
    assert document["total"]["failed"]["worsening"] == pytest.approx(0.45)
    assert document["gate"]["outcome"] == "regressed"
    assert document["gate"]["checks"][0]["what"] == "pass rate"
    assert document["early_stop"]["tokens_saved"] == 93_000
    kinds = [flip["kind"] for flip in document["flips"]]
    assert (kinds.count("broken"), kinds.count("fixed")) == (10, 1)
    assert comparison_document(compare(BEFORE, AFTER))["gate"] is None


def test_an_infinite_ratio_is_null():
    few = compare(a_run("a-1", ["p"]), a_run("b-1", ["p"]))
    suite = few.comparison.suites[0]
    pairs = replace(suite.tokens.pairs, most=1e9)
    suite = replace(suite, tokens=replace(suite.tokens, pairs=pairs))
    comparison = replace(few.comparison, suites=(suite,), total=replace(suite, suite="all"))
    few = replace(few, comparison=comparison)
    document = comparison_document(few)
    assert document["total"]["tokens"]["interval"]["high"] is None
    assert "∞]" in shown(few)
