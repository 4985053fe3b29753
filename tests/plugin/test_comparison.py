"""`--save-baseline` and `--baseline`, against a real HTTP server."""

import json

import pytest
from fault_server import FaultServer
from sums import right, suite

from lrmtest.runs.formats.baseline import read_baseline


def wrong(prompt, seed):
    return "\\boxed{999}"


@pytest.fixture
def saved(run):
    """A baseline in base.json: even sums right, odd ones wrong."""
    run("--save-baseline", "base.json").assert_outcomes(passed=6, failed=6)


def document(pytester, name="s.json"):
    return json.loads((pytester.path / name).read_text())["runs"][0]["comparison"]


def test_a_baseline_is_saved_and_compared_with(pytester, run, saved):
    baseline = read_baseline(pytester.path / "base.json")
    assert len(baseline.outcomes) == 12
    assert sum(question.passes for question in baseline.outcomes.values()) == 6
    with FaultServer(answer=right) as better:
        result = run("--baseline", "base.json", "--summary-json", "s.json", url=better.url)
    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(
        [
            "*m-* against the baseline m (m-*",
            "by change: *6 fixed*",
            "*50.0 %*100.0 %*+50.0*",
            "  test_sums.py::test_sums?q1?",
        ]
    )
    assert result.ret == 0
    found = document(pytester)
    assert found["total"]["failed"]["worsening"] == pytest.approx(-0.5)
    assert found["baseline"]["run_id"] == baseline.run_id
    assert found["gate"] is None


def test_without_a_baseline_nothing_is_compared(pytester, run):
    result = run("--summary-json", "s.json")
    assert "against the baseline" not in result.stdout.str()
    assert document(pytester) is None


def test_last_is_another_run_even_when_this_one_is_continued(run, server):
    run("--seed", "1")
    for _ in range(2):
        result = run("--baseline", "last")
        result.stdout.fnmatch_lines(["by change: 0 broken, *12 unchanged, *"])
    assert server.chats == 24


def test_a_run_is_not_compared_with_itself(run):
    run()
    result = run("--baseline", "last")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*a run with the very settings of this one does not count*"])


def test_settings_that_differ_are_refused_before_anything_is_generated(run, server, saved):
    asked = server.chats
    result = run("--baseline", "base.json", "--max-tokens", "32", "--temperature", "0")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*temperature: * against 0.0; budget of sums: 64 against 32*"])
    assert server.chats == asked
    options = ("--allow-different", "budget", "--allow-different", "temperature")
    result = run("--baseline", "base.json", "--max-tokens", "32", "--temperature", "0", *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["allowed to differ: budget of sums: 64 against 32"])


@pytest.mark.parametrize(
    ("reference", "said"),
    [("none.json", "cannot read the baseline"), ("last", "no store"), ("base.json", "base.json:")],
)
def test_a_baseline_that_cannot_be_read_is_told(pytester, run, server, reference, said):
    (pytester.path / "base.json").write_text('{\n"format": "lrmtest-base')
    result = run("--baseline", reference)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str() + result.stdout.str()
    assert said in text
    assert "Traceback" not in text
    assert server.chats == 0


def test_a_question_missing_on_one_side_is_named(run, saved):
    result = run("--baseline", "base.json", "--limit", "10", "--seed", "1")
    result.stdout.fnmatch_lines(
        ["2 questions of the baseline without a verdict in the candidate: sums q10*"]
    )


def test_every_model_is_compared(pytester, saved):
    with FaultServer(answer=right) as good, FaultServer(answer=wrong) as bad:
        result = pytester.runpytest_inprocess(
            *("--model", f"good={good.url}", "--model", f"bad={bad.url}"),
            *("--baseline", "base.json"),
        )
    result.stdout.fnmatch_lines(["*good*against the baseline*", "*6 fixed*"])
    result.stdout.fnmatch_lines(["*bad*against the baseline*", "*6 broken*"])
    result.stdout.fnmatch_lines(["  test_sums.py::test_sums?q0-bad?  (wrong)"])


def test_two_models_do_not_fit_one_file(pytester, server):
    pytester.makepyfile(test_sums=suite())
    result = pytester.runpytest_inprocess(
        *("--model", f"a={server.url}", "--model", f"b={server.url}"),
        *("--save-baseline", "base.json"),
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--save-baseline writes one run*"])


def test_engine_errors_make_no_baseline(pytester, run):
    with FaultServer(answer=right, dead_after=5) as dying:
        options = ("--max-retries", "0", "--concurrency", "1")
        result = run("--save-baseline", "base.json", *options, url=dying.url)
    result.stdout.fnmatch_lines(["ERROR: the baseline is not written to base.json*"])
    assert result.ret == 11
    assert not (pytester.path / "base.json").exists()


def test_a_stopped_session_makes_no_baseline(pytester, run):
    result = run("--save-baseline", "base.json", "-x")
    result.stdout.fnmatch_lines(["ERROR: the baseline is not written to base.json*"])
    assert not (pytester.path / "base.json").exists()


@pytest.mark.parametrize(
    "options", [("--gate",), ("--early-stop",), ("--baseline", "b.json", "--early-stop")]
)
def test_options_that_lack_another_are_refused(run, options):
    result = run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*needs --*"])


@pytest.mark.parametrize(
    "options",
    [("--margin", "1"), ("--alpha", "x"), ("--token-margin", "-1"), ("--allow-different", "x")],
)
def test_values_that_cannot_be_meant_are_refused(run, options):
    result = run("--baseline", "b.json", "--gate", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in result.stderr.str()
