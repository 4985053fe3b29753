"""Unknown ends: how many there are, what hangs on them, and a gate that does not decide on them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import run_of, sample_of

from lrmtest.analysis.compare import compare
from lrmtest.analysis.ends import EndCounts, ends_of, unknown_ends
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.summary import summarize
from lrmtest.errors import DataError, UsageError
from lrmtest.grading.verdict import Verdict
from lrmtest.reports.comparison import comparison_view
from lrmtest.reports.comparison_json import comparison_document
from lrmtest.reports.html.figures import document
from lrmtest.reports.markdown import markdown_report
from lrmtest.reports.summary_json import summary_document
from lrmtest.reports.terminal import render, summary_table
from lrmtest.runs.formats.baseline import baseline_text, parse_baseline
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome
from lrmtest.runs.records import RunRecord

GATE = GateSettings(mde=0.3)
MANIFEST = {"suites": {"s": {}}}


def outcomes(samples):
    """Questions of one sample each: (passed, whether its end is unknown)."""
    return {
        ("s", str(number)): QuestionOutcome(
            "s",
            str(number),
            {0: SampleOutcome(None if passed else "wrong", 10, "", unknown_end=unknown)},
        )
        for number, (passed, unknown) in enumerate(samples)
    }


def run(name, samples):
    return run_of(name, outcomes(samples), manifest=MANIFEST)


def records(ends):
    """A run of one right and one wrong sample to a question, with these finish reasons."""
    right = Verdict(True, 1.0, "5", None, True)
    wrong = Verdict(False, 0.0, "6", "wrong", False)
    return RunRecord(
        "r",
        "m",
        samples=tuple(
            sample_of("m", "s", f"{number}", index, verdict, finish_reason=end)
            for number, end in enumerate(ends)
            for index, verdict in enumerate((right, wrong))
        ),
    )


def test_a_summary_counts_them_and_says_what_hangs_on_them():
    total = summarize(records(["stop", "unknown", "unknown", "stop"])).total
    assert (total.samples, total.unknown_ends) == (8, 4)
    assert total.strict.value == 0.5
    assert total.known.value == 0.25
    document = summary_document([summarize(records(["unknown", "stop"]))])["runs"][0]["total"]
    assert (document["unknown_ends"], document["unknown_end_share"]) == (2, 0.5)
    assert document["pass_rate"]["value"] == 0.5
    assert document["pass_rate_if_not_ended"]["value"] == 0.25


def test_reports_tell_them_in_a_column_and_in_one_line():
    told = [summarize(records(["stop", "stop"]))]
    untold = [summarize(records(["stop", "unknown"]))]
    line = "m: 2 of 4 samples (50.0 %) do not say how they ended; pass rate 50.0 %, and 25.0 % if"
    for width in (80, 140):
        text = render(summary_table(untold), width, color=False)
        assert ("end unknown" in text) or ("end?" in text)
        assert line in " ".join(text.split())
        plain = render(summary_table(told), width, color=False)
        assert not any(words in plain for words in ("end?", "end unknown", "do not say"))
    markdown = markdown_report(untold)
    assert "| end unknown | pass rate if not ended |" in markdown
    assert "2 of 4 samples" in markdown
    assert "end unknown" not in markdown_report(told)
    html = document([records(["stop", "unknown"])], {}, [], {}, {}, 0.5)["runs"][0]
    assert html["suites"]["s"]["unknown_ends"] == 2
    assert any("do not say how they ended" in each for each in html["lacking"])


def test_a_gate_refuses_to_decide_on_too_many_whatever_it_would_have_said():
    good, bad = [(True, False)] * 40, [(False, False)] * 40
    untold = [(passed, True) for passed, _ in good]
    assert compare(run("a", good), run("b", good), gate=GATE).decision.result == "ok"
    assert compare(run("a", good), run("b", bad), gate=GATE).decision.result == "regressed"
    for before, after, side in (
        (good, untold, "candidate"),
        (untold, good, "baseline"),
        (good, [(False, True)] * 40, "candidate"),
    ):
        decision = compare(run("a", before), run("b", after), gate=GATE).decision
        assert decision.result == "undecided"
        assert decision.samples_needed is None
        (reason,) = decision.reasons
        assert reason.startswith(f"40 of 40 samples of the {side} do not say how they ended")
        assert "--max-unknown-ends" in reason
    allowed = replace(GATE, max_unknown_ends=1.0)
    assert compare(run("a", good), run("b", untold), gate=allowed).decision.result == "ok"


@pytest.mark.parametrize(("unknown", "result"), [(0, "ok"), (2, "ok"), (3, "undecided")])
def test_a_few_do_not_keep_it_from_deciding(unknown, result):
    good = [(True, False)] * (40 - unknown) + [(True, True)] * unknown
    assert compare(run("a", good), run("b", good), gate=GATE).decision.result == result


def test_a_comparison_says_them_of_each_run_on_the_questions_of_both():
    before = run("a", [(True, False), (True, True)])
    after = run("b", [(True, True), (False, False), (True, True)])
    compared = compare(before, after)
    assert compared.decision is None
    assert (compared.baseline_ends.unknown, compared.baseline_ends.samples) == (1, 2)
    assert (compared.candidate_ends.unknown, compared.candidate_ends.samples) == (1, 2)
    text = " ".join(render(comparison_view(compared), 200, color=False).split())
    assert "candidate: 1 of 2 samples (50.0 %) do not say how they ended" in text
    assert "baseline: 1 of 2 samples (50.0 %) do not say how they ended" in text
    ends = comparison_document(compared)["unknown_ends"]
    assert ends["candidate"] == {
        "samples": 2,
        "unknown": 1,
        "share": 0.5,
        "pass_rate": 0.5,
        "pass_rate_if_not_ended": 0.0,
    }
    assert "1 of 2 samples" in markdown_report([], [compared])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=20))
def test_a_baselines_file_keeps_them(samples):
    made = run("a", samples)
    text = baseline_text(made)
    read = parse_baseline(text, "file")
    assert read.outcomes == made.outcomes
    assert baseline_text(read) == text
    ends = unknown_ends(read.outcomes.values())
    assert ends.unknown == sum(unknown for _, unknown in samples)
    assert ends.known <= ends.rate
    assert ("unknown_ends" in text) == bool(ends.unknown)


@pytest.mark.parametrize("field", ["[1]", "[-1]", '["0"]', "[true]", "3"])
def test_a_baseline_that_names_samples_which_are_not_there_is_refused(field):
    text = baseline_text(run("a", [(True, True)])).replace(
        '"unknown_ends": [0]', f'"unknown_ends": {field}'
    )
    with pytest.raises(DataError, match="unknown_ends"):
        parse_baseline(text, "file")


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_cannot_be_is_refused(share):
    with pytest.raises(UsageError, match="share of unknown ends"):
        GateSettings(max_unknown_ends=share)


def test_ends_are_counted_and_a_provable_loop_is_one_whatever_is_not_told():
    found = ends_of(
        [
            SampleOutcome(None),
            SampleOutcome("wrong"),
            SampleOutcome("truncated"),
            SampleOutcome("lost-answer", end="ran-out"),
            SampleOutcome("looped"),
            SampleOutcome("looped", unknown_end=True),
            SampleOutcome(None, unknown_end=True),
        ]
    )
    assert found == EndCounts(finished=2, truncated=2, looped=2, unknown=1)
