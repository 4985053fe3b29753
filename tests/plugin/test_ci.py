"""What a session tells a continuous integration service."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from fault_server import FaultServer
from sums import SUITE, add, right

from lrmtest.options.exit_codes import INFRASTRUCTURE


@pytest.fixture
def github(pytester, monkeypatch):
    """Run as GitHub Actions does; returns the job's summary file."""
    summary = pytester.path / "step-summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path))
    return summary


def obeyed(lines):
    """The workflow commands that GitHub's runner would obey."""
    found, word = [], None
    for line in (line.strip() for line in lines):
        if word is not None:
            word = None if line == f"::{word}::" else word
        elif line.startswith("::stop-commands::"):
            word = line.removeprefix("::stop-commands::")
        elif line.startswith("::") or "##[" in line:
            found.append(line)
    assert word is None, "commands are never turned on again"
    return found


def test_markdown_is_written(run, pytester):
    result = run("--markdown", "out/summary.md")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = (pytester.path / "out" / "summary.md").read_text()
    assert "| m | sums | 12 | 50.0 % [25.4, 74.6] |" in text
    assert "<summary>6 questions of m failed</summary>" in text
    assert "| test&#95;sums.py&#58;&#58;test&#95;sums&#91;q1&#93; |  | wrong | 0/1 | 3 |" in text
    assert "::" not in result.stdout.str().replace("::test_sums", "").replace("](", "")


def test_a_job_gets_a_summary_and_annotations(run, github):
    result = run("-v", "--markdown", "summary.md")
    assert github.read_text() == (github.parent / "summary.md").read_text()
    commands = obeyed(result.outlines)
    assert len(commands) == 6
    first = "::error file=test_sums.py,line=12,title=m%3A sums q1::wrong; answered 3; 7 tokens"
    assert first in commands


def test_a_second_session_adds_to_the_jobs_summary(run, github):
    github.write_text("before\n")
    run()
    run()
    text = github.read_text()
    assert text.startswith("before\n## lrmtest")
    assert text.count("## lrmtest") == 2


def test_a_summary_that_would_be_refused_is_not_added(run, github):
    github.write_text("x" * 999_990)
    run()
    assert "is too long" in github.read_text()[999_990:]


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_under_a_gate_what_broke_is_annotated(pytester, github, workers):
    pytester.makepyfile(test_sums=SUITE)
    with FaultServer(answer=right) as before:
        pytester.runpytest_inprocess("--model", f"m={before.url}", "--save-baseline", "base.json")
    github.unlink()
    with FaultServer(answer=add) as after:
        start = pytester.runpytest_subprocess if workers else pytester.runpytest_inprocess
        result = start("--model", f"n={after.url}", "--baseline", "base.json", "--gate", *workers)
    commands = obeyed(result.outlines)
    assert commands[0].startswith("::error title=n%3A gate regressed::")
    assert "passed in the baseline, now wrong; answered 3" in "\n".join(commands)
    assert len(commands) == 7
    text = github.read_text()
    assert "**❌ gate: regressed: a drop is established** (n)" in text
    assert "| sums | 12 | 100.0 % | 50.0 % | -50.0 [" in text
    assert "6 questions of n failed, 6 of them passed in the baseline" in text


def test_a_model_cannot_give_the_runner_commands(pytester, github):
    def hostile(prompt, seed):
        lines = ("::error::mine", "  ::add-mask::a", "##[error]x", "::stop-commands::y", "|a|</t>")
        return "\n".join(lines) + "\n\\boxed{::set-env name=x::y%0A::error::z}"

    pytester.makepyfile(test_sums=SUITE)
    with FaultServer(answer=hostile) as server:
        result = pytester.runpytest_inprocess("--model", f"m={server.url}", "-v")
    assert any("::add-mask::a" in line for line in result.outlines)
    commands = obeyed(result.outlines)
    assert len(commands) == 10
    assert all(command.startswith("::error ") for command in commands)
    assert "3 more questions failed" in commands[-1]
    assert re.search(r"</t>|::", github.read_text()) is None


def test_a_test_that_prints_cannot_either(pytester, github):
    pytester.makepyfile("def test_it(model):\n    print('::error::mine')\n    assert False")
    with FaultServer(answer=right) as server:
        result = pytester.runpytest_inprocess("--model", f"m={server.url}", "-s")
    assert obeyed(result.outlines) == []


def test_a_model_that_cannot_be_tested_is_named(pytester, github):
    pytester.makepyfile(test_sums=SUITE)
    dead = "http://127.0.0.1:9/v1"
    result = pytester.runpytest_inprocess("--model", f"m={dead}", "--markdown", "s.md")
    assert result.ret == INFRASTRUCTURE
    (command,) = obeyed(result.outlines)
    assert command.startswith("::error title=m could not be tested::")
    assert "**⚠️ m could not be tested**: " in github.read_text()


def test_sessions_without_a_model_are_left_alone(pytester, github):
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.OK
    assert "::stop-commands" not in result.stdout.str()
    assert not github.exists()


def test_a_summary_that_cannot_be_written_is_an_error(run, pytester):
    (pytester.path / "file").write_text("")
    result = run("--markdown", "file/summary.md")
    assert result.ret == INFRASTRUCTURE
    result.stdout.fnmatch_lines(["ERROR: the summary cannot be written to file/summary.md: *"])


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_junit_files_have_properties(run, pytester, server, workers):
    pytester.makepyfile(test_sums=SUITE)
    start = pytester.runpytest_subprocess if workers else pytester.runpytest_inprocess
    start("--model", f"m={server.url}", "--samples", "2", "--junitxml", "j.xml", *workers)
    cases = ElementTree.parse(pytester.path / "j.xml").findall(".//testcase")
    properties = {
        case.get("name"): {each.get("name"): each.get("value") for each in case.iter("property")}
        for case in cases
    }
    assert len(properties) == 12
    assert properties["test_sums[q1]"] == {
        "model": "m",
        "suite": "sums",
        "question": "q1",
        "passes": "0/2",
        "failure": "wrong, wrong",
        "answer": "3, 3",
        "reasoning_tokens": "5, 5",
        "answer_tokens": "2, 2",
        "tokens_estimated": "false",
    }
    assert properties["test_sums[q2]"]["failure"] == "passed, passed"


def test_junit_files_stay_readable_whatever_a_model_says(pytester):
    def hostile(prompt, seed):
        return "\\boxed{\x00\x1b[31m]]></x>\ud800\uffff" + "9" * 5000 + "}"

    pytester.makepyfile(test_sums=SUITE)
    with FaultServer(answer=hostile) as server:
        pytester.runpytest_inprocess("--model", f"m={server.url}", "--junitxml", "j.xml")
    cases = ElementTree.parse(pytester.path / "j.xml").findall(".//testcase")
    assert len(cases) == 12
    for case in cases:
        for each in case.iter("property"):
            assert len(each.get("value")) < 400


def test_an_engine_error_is_a_property(pytester):
    pytester.makepyfile(test_sums=SUITE)
    with FaultServer(answer=right, mode="filtered") as server:
        pytester.runpytest_inprocess(
            "--model", f"m={server.url}", "--junitxml", "j.xml", "--limit", "1"
        )
    (case,) = ElementTree.parse(pytester.path / "j.xml").findall(".//testcase")
    properties = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert "failure" not in properties
    assert "filter" in properties["engine_error"]
