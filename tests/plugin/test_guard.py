"""Exit statuses of sessions in which something fails that says nothing of the model."""

from __future__ import annotations

import pytest

from lrmtest.options.exit_codes import INFRASTRUCTURE
from lrmtest.plugin.ending import finish, html, summary


@pytest.fixture
def passing(pytester):
    pytester.makepyfile("def test_passes():\n    assert True\n")


@pytest.mark.parametrize(
    ("module", "name"),
    [(finish, "finish"), (summary, "write_summary_json"), (html, "write_html")],
)
def test_a_bug_at_the_end_is_no_failed_test(pytester, passing, monkeypatch, module, name):
    def broken(session):
        raise OverflowError("::error ::int too large")

    monkeypatch.setattr(module, name, broken)
    result = pytester.runpytest_inprocess("--limit", "5")  # an option, so that lrmtest is at work
    assert result.ret == INFRASTRUCTURE
    text = result.stdout.str()
    assert "This is a bug in lrmtest" in text
    assert "OverflowError" in text
    assert "\n::error" not in text


def test_a_bug_in_the_summary_is_no_failed_test(pytester, passing, monkeypatch):
    def broken(reporter, session):
        raise ZeroDivisionError

    monkeypatch.setattr(summary, "print_summary", broken)
    result = pytester.runpytest_inprocess("--limit", "5")
    assert result.ret == INFRASTRUCTURE
    result.stdout.fnmatch_lines(["*1 passed*"])


@pytest.mark.parametrize("tokens", ["1" + "0" * 400, "NaN", "[]", '"'])
@pytest.mark.parametrize("gated", [True, False])
def test_a_baseline_that_cannot_be_read_is_no_regression(pytester, passing, tokens, gated):
    (pytester.path / "base.json").write_text(
        '{"format": "lrmtest-baseline", "version": 1, "run": "r", "model": "m", "created": "",'
        '"tokens_estimated": false, "manifest": {"suites": {"s": {}}}, "questions": [{"suite": "s",'
        f'"id": "q", "passes": 1, "samples": [["pass", {tokens}, ""]]}}]}}'
    )
    options = ["--gate"] if gated else []
    result = pytester.runpytest_subprocess(
        "-p", "no:hypothesispytest", "--model", "tiny-lrm", "--baseline", "base.json", *options
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str() + result.stdout.str()
    assert "base.json" in said
    assert "Traceback" not in said


def test_what_a_grader_raises_is_an_error_and_no_failure(pytester):
    pytester.makepyfile(
        test_q="""
        import lrmtest
        from lrmtest.suites import Suite
        from lrmtest.questions import Question, QuestionSet, Source

        def broken(question, text):
            return 1 / 0

        q = QuestionSet((Question("a", "s", {"x": "1"}, ("1",), "integer"),), Source("inline", "s"))
        S = Suite("s", lambda options: q, "{x}", 16, broken)

        @lrmtest.suite(S)
        def test_s(question, model):
            assert model.solve(question).passed
        """
    )
    (pytester.path / "r.jsonl").write_text('{"question": "a", "output": "1"}\n')
    result = pytester.runpytest_subprocess(
        *("-p", "no:hypothesispytest", "--model", "m=recorded:r.jsonl")
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*"])
