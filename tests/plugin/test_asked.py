"""A run that other sessions have joined: what was asked last is what is shown and compared."""

import json
from pathlib import Path

import pytest
from fault_server import FaultServer
from few_draws import few_draws
from reading import index_of
from sums import add, right, suite

from lrmtest.cli import main
from lrmtest.options.exit_codes import OK
from lrmtest.runs.formats.baseline import read_baseline
from lrmtest.runs.store import Store

STORE = Path("reports") / "lrmtest.sqlite"
JOINED = "left out here: other, third (24 questions); 12 further samples (--whole-run: all of it)"


@pytest.fixture
def ask(pytester, monkeypatch):
    """Three suites of twelve questions, of which every second is answered wrongly."""
    monkeypatch.chdir(pytester.path)
    for name in ("sums", "other", "third"):
        (pytester.path / f"test_{name}.py").write_text(suite(name))
    with FaultServer(answer=add) as server, FaultServer(answer=right) as good:

        def run(*args, name="m"):
            url = good.url if name == "good" else server.url
            return pytester.runpytest_inprocess(
                "-p", "no:cacheprovider", "--model", f"{name}={url}", *args
            )

        run.server = server
        yield run


@pytest.fixture
def joined(ask):
    """A run with three suites at two samples, of which the last session asked one at one."""
    ask("--samples", "2").assert_outcomes(passed=18, failed=18)
    generated = ask.server.chats
    ask("test_sums.py").assert_outcomes(passed=6, failed=6)
    assert ask.server.chats == generated, "it goes on with the same run"
    return ask


def the_run():
    with Store(STORE, create=False) as store:
        (head,) = store.runs()
        return store.record(head)


def test_a_record_is_what_was_asked_last(joined):
    run = the_run()
    assert run.suites == ("sums",)
    assert len(run.samples) == 12
    assert (run.manifest.suite("sums").samples, run.manifest.suite("sums").questions) == (1, 12)
    assert list(run.manifest.suites) == ["sums"]
    assert run.lacking == ()
    with Store(STORE, create=False) as store:
        assert len(store.record(run, {}).samples) == 72


def test_fewer_questions_and_own_prompts(ask, pytester):
    ask().assert_outcomes(passed=18, failed=18)
    ask("test_sums.py", "-k", "q1 or q2").assert_outcomes(passed=2, failed=2, deselected=8)
    assert the_run().outcomes.keys() == {("sums", n) for n in ("q1", "q10", "q11", "q2")}
    ask("test_other.py", "--limit", "3").assert_outcomes(passed=2, failed=1, deselected=9)
    assert the_run().outcomes.keys() == {("other", f"q{n}") for n in range(3)}
    # A session of a test's own prompts alone selects nothing.
    pytester.makepyfile(test_own="def test_own(model):\n    assert model.generate('now').text")
    ask("test_own.py").assert_outcomes(passed=1)
    assert the_run().outcomes.keys() == {("other", f"q{n}") for n in range(3)}


def test_a_question_that_a_test_asks_for_itself_is_selected_too(ask, pytester):
    ask("test_sums.py")
    text = suite("sums").replace(
        "    attempt = model.solve(question)\n",
        "    if question.id == 'q0':\n"
        "        more = lrmtest.Question('new', 'sums', {'sum': '7 + 7'}, ('14',), 'integer')\n"
        "        model.solve(more)\n"
        "    attempt = model.solve(question)\n",
    )
    (pytester.path / "test_sums.py").write_text(text)
    ask("test_sums.py", "--limit", "2")
    assert the_run().outcomes.keys() == {("sums", "q0"), ("sums", "q1"), ("sums", "new")}


@pytest.mark.parametrize(
    "command",
    [
        ("show", "last"),
        ("baseline", "last", "-o", "base.json"),
        ("report", "last", "-o", "report.html"),
        ("compute", "last"),
        ("triage", "last"),
        ("plan", "--baseline", "last"),
        ("export", "last", "run.jsonl"),
        ("export", "last", "run.eval"),
    ],
)
def test_commands_speak_of_what_was_asked_and_name_the_rest(joined, capsys, monkeypatch, command):
    few_draws(monkeypatch)
    capsys.readouterr()
    assert main(list(command)) == 0
    told = capsys.readouterr()
    assert JOINED in told.err
    for name in ("other", "third"):
        assert name not in told.out
    if command[0] == "baseline":
        assert read_baseline(Path("base.json")).suites == ("sums",)
        assert "third" not in Path("base.json").read_text()
    if command[0] == "report":
        index = index_of(Path("report.html").read_text())
        assert "third" not in json.dumps(index)
    if command[-1] == "run.jsonl":
        lines = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
        assert sum("output" in line for line in lines) == 12
        assert {line.get("suite", "sums") for line in lines} == {"sums"}
    if command[-1] != "run.eval":
        assert main([*command, "--whole-run"]) == 0
        told = capsys.readouterr()
        assert "left out" not in told.err


def test_the_whole_run_is_there_where_it_is_asked_for(joined, capsys):
    assert main(["show", "last", "--whole-run"]) == 0
    assert "third" in capsys.readouterr().out
    assert main(["export", "last", "run.jsonl", "--whole-run"]) == 0
    assert "72 completions" in capsys.readouterr().out
    assert main(["runs"]) == 0
    shown = capsys.readouterr().out
    assert "sums, and others" in shown.replace("\n", " ")
    assert main(["show", "last", "q3"]) == 0, "the question of the suite that was asked"


def test_a_baseline_is_compared_on_what_is_asked(joined):
    gate = ("--baseline", "last:m", "--gate", "--mde", "0.3")
    result = joined("test_sums.py", *gate, name="n")
    assert result.ret == OK
    result.stdout.fnmatch_lines(["n: of m-* not compared, since it was not asked for: other, thi*"])
    result.stdout.no_fnmatch_line("*third  *")


def test_a_baseline_has_all_that_the_candidate_asks(joined):
    """What it has stored serves, whatever its last session asked."""
    result = joined("--baseline", "last:m", name="n")
    result.stdout.fnmatch_lines(["*not compared*: 36 further samples", "third *12 *"])
    comparison = result.stdout.str().partition(" comparison ")[2]
    assert "third" in comparison
    assert "without a verdict" not in comparison


def test_what_the_baselines_session_asked_is_missing_where_it_is_not(ask):
    ask()
    gate = ("--baseline", "last:m", "--gate", "--mde", "0.3")
    result = ask("test_sums.py", "--limit", "6", *gate, name="n")
    assert result.ret != OK
    result.stdout.fnmatch_lines(["6 questions of the baseline without a verdict in the candidate*"])


def test_two_runs_in_the_store(joined, capsys):
    joined("test_sums.py", name="good")
    assert main(["compare", "last:good", "last:m"]) == 0
    told = capsys.readouterr()
    assert "third" not in told.out
    assert "other, third (24 questions)" in told.err
    assert "+50.0" in told.out


def test_a_saved_baseline_and_the_sessions_own_reports(joined):
    files = ("--save-baseline", "b.json", "--html", "h.html", "--summary-json", "s.json")
    joined("test_sums.py", *files)
    assert read_baseline(Path("b.json")).suites == ("sums",)
    assert list(read_baseline(Path("b.json")).manifest.suites) == ["sums"]
    assert "third" not in json.dumps(index_of(Path("h.html").read_text()))
    (run,) = json.loads(Path("s.json").read_text())["runs"]
    assert list(run["manifest"]["suites"]) == ["sums"]


def test_an_interrupted_session_lacks_what_it_asked_for(ask, capsys):
    """What others have stored makes up for nothing, and lacks nothing of it."""
    ask("test_sums.py", "--limit", "4")
    ask("test_other.py", "-x", "--maxfail", "1")
    assert the_run().lacking
    assert main(["baseline", "last", "-o", "b.json"]) == 2
    assert "is incomplete" in capsys.readouterr().err
    ask("test_sums.py", "--limit", "4")
    assert the_run().lacking == ()


def test_workers_select_as_one_process_does(joined, pytester):
    url = joined.server.url
    pytester.runpytest_subprocess("-n", "2", "--model", f"m={url}", "test_other.py", "--limit", "5")
    assert the_run().outcomes.keys() == {("other", f"q{n}") for n in range(5)}
