"""The last lines of a session: where its run is, and a command that works when it is pasted."""

import re
import shlex
from pathlib import Path

import pytest
from adding import SUITE as ADDING
from adding import answering
from fault_server import FaultServer
from sums import right, suite

from lrmtest.cli import main
from lrmtest.options.exit_codes import REGRESSED

SWITCHED_OFF = ("-qq", "--no-next-steps", "-o lrmtest_no_next_steps=true")


def last_lines(result):
    """The lines behind everything but pytest's own last one."""
    lines = result.stdout.str().splitlines()
    at = next((i for i, line in enumerate(lines) if line.startswith("next: ")), None)
    assert at is not None, result.stdout.str()
    assert len(lines) == at + 2, "only pytest's last line follows"
    return lines[at - 1], lines[at].removeprefix("next: ")


def pasted(command, capsys):
    """What a command prints that a shell would make of the text; a comment behind it is none."""
    words = shlex.split(command, comments=True)
    assert words[0] == "lrmtest"
    capsys.readouterr()
    assert main(words[1:]) == 0
    return capsys.readouterr().out


@pytest.fixture
def session(pytester, monkeypatch):
    """Runs the sums with what answers, in a folder whose name wants quotes."""
    folder = pytester.mkdir("my suites")
    (folder / "test_sums.py").write_text(suite())
    (folder / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(folder)

    def run(answer, *arguments, name="m"):
        with FaultServer(answer=answer) as server:
            return pytester.runpytest_inprocess("--model", f"{name}={server.url}", *arguments)

    return run


def wrong(prompt, seed):
    return "\\boxed{999}"


def test_what_failed_is_triaged(session, capsys):
    where, command = last_lines(session(wrong))
    assert re.match(r"run m-[\w-]+ in reports/lrmtest.sqlite; as HTML: lrmtest report", where)
    assert command == "lrmtest triage last"
    assert "12 failed: 12 wrong" in pasted(command, capsys)


def test_a_report_is_one_command_away(session, capsys):
    where, _ = last_lines(session(right))
    pasted(where.partition("as HTML: ")[2], capsys)
    assert "<html" in Path("report.html").read_text()


def test_what_passed_is_shown(session, capsys):
    _, command = last_lines(session(right))
    assert command == "lrmtest show last"
    assert "q11" in pasted(command, capsys)


def test_an_older_run_that_is_asked_again_is_named(session, pytester):
    with FaultServer(answer=right) as server:
        model = ("--model", f"m={server.url}")
        first, _ = last_lines(pytester.runpytest_inprocess(*model))
        pytester.runpytest_inprocess(*model, "--seed", "1")
        where, command = last_lines(pytester.runpytest_inprocess(*model))
    run_id = re.match(r"run (\S+) in", first)[1]
    assert where.startswith(f"run {run_id} in")
    assert command == f"lrmtest show {run_id}"


def test_what_was_written_is_named(session):
    where, _ = last_lines(session(right, "--html", "a report.html", "--markdown", "a.md"))
    assert where.endswith(" in reports/lrmtest.sqlite, a report.html, a.md")


def test_a_regression_is_triaged_against_its_baseline(session, capsys):
    _, command = last_lines(session(right, "--save-baseline", "the baseline.json"))
    assert command == "lrmtest plan --baseline 'the baseline.json'"
    pasted(command, capsys)
    result = session(wrong, "--baseline", "the baseline.json", "--gate", name="n")
    where, command = last_lines(result)
    assert where.endswith("as HTML: the same command with --html report.html")
    assert command == "lrmtest triage last --baseline 'the baseline.json'"
    assert "12 broken" in pasted(command, capsys)


def test_a_baseline_that_was_last_is_named(session, capsys):
    session(right)
    _, command = last_lines(session(wrong, "--baseline", "last", name="n"))
    assert re.fullmatch(r"lrmtest triage last --baseline m-[\w-]+", command)
    assert "12 broken" in pasted(command, capsys)


def test_what_is_undecided_is_planned(session, capsys):
    session(right, "--save-baseline", "b.json")
    result = session(right, "--baseline", "b.json", "--gate", "--mde", "0.05", name="n")
    _, command = last_lines(result)
    assert command == "lrmtest plan --baseline b.json # what would decide it"
    pasted(command, capsys)


def test_what_was_interrupted_goes_on(session):
    result = session(wrong, "-x")
    said = [line for line in result.stdout.str().splitlines() if line.startswith("next: ")]
    if "interrupted: the same command continues it" in result.stdout.str():
        assert said == ["next: the same command, which generates only what is missing"]
    else:  # all had arrived before the first test failed
        assert said == ["next: lrmtest triage last"]


def test_another_folder_is_named(session, capsys):
    where, command = last_lines(session(wrong, "--reports-dir", "kept here"))
    assert " in kept here/lrmtest.sqlite; " in where
    assert command == "lrmtest triage last --reports-dir 'kept here'"
    assert "12 failed" in pasted(command, capsys)


@pytest.mark.parametrize("words", SWITCHED_OFF)
def test_it_can_be_switched_off(session, words):
    result = session(wrong, *words.split())
    assert "next: " not in result.stdout.str()


@pytest.mark.parametrize("name", ["CI", "BUILD_NUMBER"])
def test_in_ci_too(session, monkeypatch, name):
    monkeypatch.setenv(name, "true")
    last_lines(session(wrong))


def test_under_xdist_too(session, pytester):
    with FaultServer(answer=wrong) as server:
        result = pytester.runpytest_subprocess("--model", f"m={server.url}", "-n", "2")
    where, command = last_lines(result)
    assert where.startswith("run m-")
    assert command == "lrmtest triage last"


def test_of_several_models_the_first_that_failed(session, pytester):
    with FaultServer(answer=right) as one, FaultServer(answer=wrong) as other:
        result = pytester.runpytest_inprocess(
            "--model", f"a={one.url}", "--model", f"b={other.url}"
        )
    where, command = last_lines(result)
    assert re.match(r"runs a-\S+, b-\S+ in ", where)
    assert command.startswith("lrmtest triage ")


GOES_ON = "the same command, which generates only what is missing"
STOPS = {
    "interrupted": "def pytest_runtest_setup(): raise KeyboardInterrupt",
    "made to exit": "import pytest\ndef pytest_runtest_setup(): pytest.exit('no', returncode=11)",
    "a bug of pytest's or a plugin's": "def pytest_runtest_logreport(): raise ValueError('no')",
    "a bug of lrmtest's": """
import lrmtest.plugin.ending.html as html
def write_html(session): raise ValueError("no")
html.write_html = write_html
""",
}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
@pytest.mark.parametrize("how", STOPS)
def test_however_it_was_stopped_the_same_command_goes_on(session, pytester, how, workers):
    Path("conftest.py").write_text(STOPS[how])
    with FaultServer(answer=right) as server:
        result = pytester.runpytest_subprocess("--model", f"m={server.url}", *workers)
    said = result.stdout.str()
    assert result.ret in (2, 3, 11)
    assert said.count("\nnext: ") == 1, said
    assert f"\nnext: {GOES_ON}" in said
    assert re.search(r"^run m-\S+ in reports/lrmtest.sqlite", said, re.MULTILINE)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_engine_errors_are_asked_again(session, pytester, workers):
    with FaultServer(answer=right, dead_after=4) as server:
        dying = ("--max-retries", "0", "--concurrency", "1")
        result = pytester.runpytest_subprocess("--model", f"m={server.url}", *dying, *workers)
    assert last_lines(result)[1] == GOES_ON


def test_with_no_answer_at_all(session, pytester):
    with FaultServer(answer=right, dead_after=0) as server:
        result = pytester.runpytest_inprocess("--model", f"m={server.url}", "--max-retries", "0")
    where, command = last_lines(result)
    assert where.startswith("run m-")
    assert command == GOES_ON


def test_what_is_stopped_early_is_decided(session, capsys):
    session(right, "--save-baseline", "b.json", "--samples", "4")
    gate = ("--baseline", "b.json", "--gate", "--early-stop", "--samples", "4")
    result = session(wrong, *gate, name="n")
    where, command = last_lines(result)
    assert where.startswith("run n-")
    assert result.ret == REGRESSED, "though no question had all of its samples"
    assert command == "lrmtest triage last --baseline b.json"
    assert "broken" in pasted(command, capsys)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_search_shows_the_smallest_or_asks_on(session, pytester, capsys, workers):
    Path("test_sums.py").unlink()
    Path("test_adding.py").write_text(ADDING)
    few = ("--property", "--generations", "40", *workers)
    with FaultServer(answer=answering()) as server:
        failed = pytester.runpytest_inprocess("--model", f"m={server.url}", *few)
    where, command = last_lines(failed)
    assert re.fullmatch(r"run m-\S+ in reports/lrmtest.sqlite", where)
    assert re.fullmatch(r"lrmtest show last adding-\w+", command)
    assert "What is" in pasted(command, capsys)
    with FaultServer(answer=answering(lambda numbers: False)) as server:
        passed = pytester.runpytest_inprocess("--model", f"n={server.url}", *few)
    where, command = last_lines(passed)
    assert where.startswith("run n-")
    assert command == "the same command with --generations 80, which asks on"


def test_a_session_without_a_model_says_nothing(pytester):
    pytester.makepyfile("def test_one(): ...")
    result = pytester.runpytest_inprocess()
    assert "next: " not in result.stdout.str()
    assert "lrmtest.sqlite" not in result.stdout.str()
