"""`--gate`: the exit status is the gate's, in one process and under pytest-xdist."""

import json

import pytest
from fault_server import FaultServer
from sums import add, right, suite

from lrmtest.options.exit_codes import (
    CANNOT_TELL,
    INFRASTRUCTURE,
    OK,
    REGRESSED,
    UNDECIDED,
    exit_code,
)

WIDE = ("--mde", "0.3")
"""Twelve questions decide about little."""


def wrong(prompt, seed):
    return "\\boxed{999}"


@pytest.fixture
def gated(pytester):
    """Run the suite of twelve questions, gated, after a baseline with other answers."""
    pytester.makepyfile(test_sums=suite())

    def run(*options, baseline=right, candidate=right, subprocess=False, **server):
        if not (pytester.path / "base.json").exists():
            with FaultServer(answer=baseline) as before:
                saving = ("--model", f"m={before.url}", "--save-baseline", "base.json")
                pytester.runpytest_inprocess(*saving)
        with FaultServer(answer=candidate, **server) as after:
            arguments = ("--model", f"n={after.url}", "--baseline", "base.json", "--gate")
            start = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
            result = start(*arguments, *options)
            result.asked = after.chats
            return result

    return run


@pytest.mark.parametrize(
    ("baseline", "candidate", "options", "code", "workers"),
    [
        (right, right, WIDE, OK, ()),
        (add, add, WIDE, OK, ()),
        (right, wrong, (), REGRESSED, ()),
        (right, right, (), UNDECIDED, ()),
        (right, right, ("--undecided", "pass"), OK, ()),
        (add, add, WIDE, OK, ("-n", "2")),
        (right, wrong, (), REGRESSED, ("-n", "2")),
        (wrong, wrong, WIDE, CANNOT_TELL, ()),
        (wrong, wrong, (*WIDE, "--undecided", "pass"), CANNOT_TELL, ()),
        (wrong, wrong, (*WIDE, "--early-stop"), CANNOT_TELL, ()),
        (add, add, ("--mde", "0.7"), CANNOT_TELL, ("-n", "2")),
        (wrong, right, WIDE, OK, ()),
    ],
)
def test_exit_codes(gated, baseline, candidate, options, code, workers):
    result = gated(
        *options, *workers, baseline=baseline, candidate=candidate, subprocess=bool(workers)
    )
    assert result.ret == code
    words = {OK: "OK", REGRESSED: "REGRESSED", CANNOT_TELL: "CANNOT TELL"}
    word = words.get(code, "UNDECIDED")
    if "pass" in options and code == OK:
        word = "UNDECIDED"
    result.stdout.fnmatch_lines([f"gate: {word}"])


def test_pytests_own_codes_are_not_used():
    codes = {OK, REGRESSED, UNDECIDED, INFRASTRUCTURE, CANNOT_TELL}
    assert len(codes) == 5
    assert codes.isdisjoint(set(pytest.ExitCode) - {0, 1})
    assert exit_code("undecided", "pass") == OK


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_test_says_what_became_of_its_question(pytester, gated, workers):
    def changed(prompt, seed):
        # Right for 3 and 5 more, wrong for 4: two fixed, one broken.
        if any(f"{n} + {n}" in prompt for n in (3, 5)):
            return right(prompt, seed)
        return wrong(prompt, seed) if "4 + 4" in prompt else add(prompt, seed)

    result = gated(
        "-v", *workers, "--junitxml", "j.xml", baseline=add, candidate=changed,
        subprocess=bool(workers),
    )  # fmt: skip
    result.stdout.re_match_lines_random(
        [
            r".*BROKEN.*test_sums\[q4\].*" if workers else r".*test_sums\[q4\] BROKEN.*",
            r".*FIXED.*test_sums\[q3\].*" if workers else r".*test_sums\[q3\] FIXED.*",
            r".*EXPECTED FAILURE.*q1\].*" if workers else r".*\[q1\] EXPECTED FAILURE.*",
            r".*5 passed.*",
        ]
    )
    outcomes = result.parseoutcomes()
    assert outcomes["broken"] == 1
    assert outcomes["fixed"] == 2
    assert "failed" not in outcomes
    assert "4 expected failure" in result.stdout.str()
    result.stdout.fnmatch_lines(
        ["by change: 1 broken, 0 worse, 0 unstable, 9 unchanged, 0 better, 2 fixed"]
    )
    # What the model did stays what it was for machines.
    assert 'failures="5"' in (pytester.path / "j.xml").read_text()


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_fall_of_75_points_is_told(pytester, workers):
    pytester.makepyfile(test_sums=suite())
    for name, passing in (("before", 4), ("after", 1)):
        lines = [
            {
                "question": f"q{number}",
                "sample": sample,
                "output": f"\\boxed{{{2 * number if sample < passing else 999}}}",
                "finish_reason": "stop",
            }
            for number in range(12)
            for sample in range(4)
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (pytester.path / f"{name}.sums.jsonl").write_text(text)
    model = ("--model", "m=recorded:before.sums.jsonl", "--samples", "4")
    pytester.runpytest_inprocess(*model, "--save-baseline", "base.json")
    result = pytester.runpytest_subprocess(
        "--model", "n=recorded:after.sums.jsonl", "--samples", "4", "--baseline", "base.json",
        "--gate", "-v", *workers,
    )  # fmt: skip
    assert result.ret == REGRESSED
    assert result.parseoutcomes()["broken"] == 12
    shown = result.stdout.str()
    assert "flaky" not in shown.lower()
    assert "questions: 12 fell, at least 11 of them really worse with 95 % confidence" in shown
    assert "(4/4 → 1/4, -75, wrong)" in shown


def test_what_ok_means_and_what_stands_against_it(pytester, gated, monkeypatch):
    def long_winded(prompt, seed):
        return "Hm. " * 2 + right(prompt, seed)

    summary = pytester.path / "job.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    files = ("--junitxml", "j.xml", "--summary-json", "s.json", "--markdown", "m.md")
    generous = ("--token-margin", "2", "--token-mde", "9")
    result = gated(*WIDE, *generous, *files, candidate=long_winded)
    assert result.ret == OK
    badge = "a drop of 30 points is excluded"
    result.stdout.fnmatch_lines(
        ["gate: OK", f"  {badge}", "  warning: tokens rose by 100 % as seen*"]
    )
    gate = json.loads((pytester.path / "s.json").read_text())["runs"][0]["comparison"]["gate"]
    assert gate["badge"] == f"OK: {badge}"
    assert "drop of the pass rate by 30 points in sums" in gate["meaning"]
    assert [warning["kind"] for warning in gate["warnings"]] == ["costs"]
    for file in ("m.md", "job.md"):
        text = (pytester.path / file).read_text()
        assert f"**⚠️ gate: ok: {badge}, with 1 warning** (n)" in text
    xml = (pytester.path / "j.xml").read_text()
    assert f'<property name="gate of n" value="OK: {badge}, with 1 warning" />' in xml
    assert '<property name="gate of n, warning" value="tokens rose by 100 %' in xml
    assert xml.count("<testcase ") == 12


def test_single_flips_do_not_decide(gated):
    def one_flip(prompt, seed):
        return wrong(prompt, seed) if "4 + 4" in prompt else add(prompt, seed)

    result = gated(*WIDE, baseline=add, candidate=one_flip)
    assert result.ret == OK
    result.stdout.fnmatch_lines(["*1 broken*"])


def test_last_failed_selects_what_failed_under_the_gate(pytester, gated):
    gated(baseline=add, candidate=add)
    result = gated("--lf", "--allow-missing", candidate=add)
    assert "6 expected failure" in result.stdout.str()
    result.stdout.fnmatch_lines(["*run-last-failure: rerun previous 6 failures*"])


@pytest.mark.parametrize("selection", [("-k", "not q11"), ("--limit", "6")])
def test_a_part_of_the_questions_is_not_ok_unless_allowed(gated, selection):
    about_passes = ("--mde", "0.5", "--token-margin", "off")
    result = gated(*about_passes, *selection)
    assert result.ret == UNDECIDED
    result.stdout.fnmatch_lines(["gate: UNDECIDED", "*without a verdict in the candidate*"])
    assert gated(*about_passes, *selection, "--allow-missing").ret == OK


def test_questions_that_the_baseline_lacks_are_not_ok_unless_allowed(pytester, gated):
    with FaultServer(answer=right) as before:
        saving = ("--model", f"m={before.url}", "--save-baseline", "base.json", "--limit", "6")
        pytester.runpytest_inprocess(*saving).assert_outcomes(passed=6, deselected=6)
    result = gated("--mde", "0.5", candidate=wrong, baseline=right)
    assert "6 not in baseline" in result.stdout.str()
    assert result.ret == REGRESSED
    assert gated("--mde", "0.5").ret == UNDECIDED
    assert gated("--mde", "0.5", "--token-margin", "off", "--allow-missing").ret == OK


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_engine_errors_are_infrastructure(gated, workers):
    dying = ("--max-retries", "0", "--concurrency", "1")
    result = gated(*WIDE, *dying, *workers, dead_after=8, subprocess=bool(workers))
    assert result.ret == INFRASTRUCTURE
    result.stdout.fnmatch_lines(["gate: UNDECIDED", "*without a verdict in the candidate*"])


def test_a_regression_is_one_whatever_else_failed(gated):
    dying = ("--max-retries", "0", "--concurrency", "1")
    result = gated(*dying, candidate=wrong, dead_after=11)
    assert result.ret == REGRESSED


def test_an_unreachable_server_is_infrastructure(pytester, gated):
    gated()
    result = pytester.runpytest_inprocess(
        "--model", "n=http://127.0.0.1:9", "--baseline", "base.json", "--gate"
    )
    assert result.ret == INFRASTRUCTURE
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    "body", ["def test_other(): assert 0", "def test_other(model): assert not model.name"]
)
def test_other_failures_are_failures(pytester, gated, body):
    pytester.makepyfile(test_other=body)
    result = gated(*WIDE)
    assert result.ret == REGRESSED
    result.stdout.fnmatch_lines(["gate: OK"])
    assert result.parseoutcomes()["failed"] == 1


def test_a_test_with_reasons_of_its_own_is_a_failure(pytester, gated):
    gated()
    pytester.makepyfile(test_sums=suite() + "    assert question.id != 'q4'\n")
    result = gated(*WIDE)
    assert result.ret == REGRESSED
    assert result.parseoutcomes()["failed"] == 1


def test_a_session_stopped_at_a_failure_decides_nothing(gated):
    result = gated("-x", "--allow-missing", candidate=add)
    assert result.ret == UNDECIDED
    result.stdout.fnmatch_lines(["*the session stopped before all tests had run*"])


def test_usage_errors_stay_usage_errors(gated):
    gated()
    assert gated("--max-tokens", "32").ret == pytest.ExitCode.USAGE_ERROR
    nothing = gated("-k", "nothing")
    assert nothing.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_usage_error_under_xdist_is_one_too(gated):
    gated()
    result = gated("--max-tokens", "32", "-n", "2", subprocess=True)
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_the_decision_is_in_the_summary(pytester, gated):
    gated("--summary-json", "s.json", "--margin", "0.02", candidate=wrong)
    gate = json.loads((pytester.path / "s.json").read_text())["runs"][0]["comparison"]["gate"]
    assert gate["outcome"] == "regressed"
    assert gate["settings"]["margin"] == 0.02
    assert {check["what"] for check in gate["checks"]} >= {"pass rate", "truncation", "looping"}


def test_costs_are_gated_too(gated):
    def long_winded(prompt, seed):
        return "Hm. " * 60 + right(prompt, seed)

    result = gated(*WIDE, candidate=long_winded)
    assert result.ret == REGRESSED
    result.stdout.fnmatch_lines(["*tokens: rose by*"])
    assert gated(*WIDE, "--token-margin", "off", candidate=long_winded).ret == OK


def test_several_models_take_the_worst_decision(pytester, gated):
    gated()
    with FaultServer(answer=right) as good, FaultServer(answer=wrong) as bad:
        models = ("--model", f"good={good.url}", "--model", f"bad={bad.url}")
        result = pytester.runpytest_inprocess(*models, "--baseline", "base.json", "--gate", *WIDE)
    assert result.ret == REGRESSED
    result.stdout.fnmatch_lines(["gate: OK", "gate: REGRESSED"])


@pytest.mark.parametrize("options", [(), ("--early-stop",)])
def test_what_cannot_be_told_is_said_before_anything_is_generated(gated, options):
    result = gated(*WIDE, *options, "-q", baseline=wrong)
    lines = result.stdout.lines
    said = [
        i for i, line in enumerate(lines) if "the gate cannot tell: the baseline passes" in line
    ]
    tested = [i for i, line in enumerate(lines) if "[100%]" in line]
    assert said[0] < tested[0]
    assert "0 of 12 of sums" in "".join(lines[said[0] : said[0] + 2])
    assert result.asked == 12
