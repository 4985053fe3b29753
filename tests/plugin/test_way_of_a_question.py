"""The way of one question, from collection to summary, against a real HTTP server."""

import json

import pytest
from fault_server import FAULTS, FaultServer
from sums import right, suite

from lrmtest.runs.store import Store


def store_of(pytester):
    return Store(pytester.path / "reports" / "lrmtest.sqlite", create=False)


def test_passes_failures_and_the_table(run):
    result = run()
    result.assert_outcomes(passed=6, failed=6)
    result.stdout.fnmatch_lines(
        ["*expected 2, wrong: 3*", "*50.0 %*", "*sums*", "run m-* in *lrmtest.sqlite*"]
    )
    assert "Traceback" not in result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_everything_selected_is_in_flight_at_once(pytester):
    pytester.makepyfile(test_sums=suite())
    with FaultServer(answer=right, together=12) as slow:
        pytester.runpytest_inprocess("--model", f"m={slow.url}").assert_outcomes(passed=12)
        assert slow.most_in_flight == 12


def test_the_same_command_generates_nothing_again(run, server):
    run()
    asked = server.chats
    result = run()
    result.assert_outcomes(passed=6, failed=6)
    result.stdout.fnmatch_lines(["*12 of 12 completions reused*"])
    assert server.chats == asked == 12


def test_a_larger_selection_generates_the_difference(run, server):
    run("--limit", "3").assert_outcomes(passed=2, failed=1, deselected=9)
    run().assert_outcomes(passed=6, failed=6)
    assert server.chats == 12


@pytest.mark.parametrize(
    "change",
    [
        ("--seed", "1"),
        ("--temperature", "0"),
        ("--top-p", "0.5"),
        ("--max-tokens", "32"),
        ("--fresh-run",),
        ("--prompt-file", "sums=prompt.txt"),
    ],
)
def test_whatever_changes_an_outcome_generates_anew(run, server, pytester, change):
    (pytester.path / "prompt.txt").write_text("Please add {sum}.")
    run()
    run(*change).assert_outcomes(passed=6, failed=6)
    assert server.chats == 24


def test_more_samples_generate_the_difference(run, server):
    run()
    run("--samples", "3").assert_outcomes(passed=6, failed=6)
    assert server.chats == 36
    assert len({body["seed"] for body in server.bodies}) == 36


def test_samples_of_a_question_are_one_test_with_a_threshold(pytester):
    pytester.makepyfile(test_sums=suite())
    turns = {}

    def every_other(prompt, seed):
        turns[prompt] = turns.get(prompt, 0) + 1
        return right(prompt, seed) if turns[prompt] % 2 else "\\boxed{999}"

    with FaultServer(answer=every_other) as server:
        args = ("--model", f"m={server.url}", "--samples", "4", "--concurrency", "1")
        pytester.runpytest_inprocess(*args).assert_outcomes(passed=12)
        strict = pytester.runpytest_inprocess(*args, "--pass-threshold", "0.75")
        strict.assert_outcomes(failed=12)
        strict.stdout.fnmatch_lines(["*2 of 4 samples correct*"])


def test_selection_by_id_marker_and_keyword(run, server, pytester):
    run("-k", "q3").assert_outcomes(failed=1, deselected=11)
    result = pytester.runpytest_inprocess(
        "--model", f"m={server.url}", "test_sums.py::test_sums[q4]"
    )
    result.assert_outcomes(passed=1)
    assert server.chats == 2


def test_last_failed_runs_the_failures_and_generates_nothing(run, server):
    run("cached").assert_outcomes(passed=6, failed=6)
    run("--lf").assert_outcomes(failed=6)
    run("--lf", "--limit", "2").assert_outcomes(failed=2, deselected=4)
    assert server.chats == 12


def test_maxfail_stops_and_keeps_what_arrived(run, server, pytester):
    result = run("--maxfail", "2")
    result.assert_outcomes(failed=2, passed=result.parseoutcomes().get("passed", 0))
    result.stdout.fnmatch_lines(["*stopping after 2 failures*"])
    kept = sum(1 for _ in store_of(pytester).completions(store_of(pytester).run("last").run_id))
    asked = server.chats
    run().assert_outcomes(passed=6, failed=6)
    assert server.chats - asked == 12 - kept


def test_junit_files_have_every_question(run, pytester):
    run("--junitxml", "junit.xml")
    text = (pytester.path / "junit.xml").read_text()
    assert 'tests="12"' in text
    assert 'failures="6"' in text
    assert "expected 2, wrong: 3" in text


def test_several_models_are_in_the_ids_and_side_by_side(pytester):
    pytester.makepyfile(test_sums=suite())
    with FaultServer(answer=right) as good, FaultServer(answer=lambda p, s: "no idea") as bad:
        result = pytester.runpytest_inprocess(
            "--model", f"good={good.url}", "--model", f"bad={bad.url}", "-v"
        )
    result.assert_outcomes(passed=12, failed=12)
    result.stdout.fnmatch_lines(
        ["*test_sums[[]q0-good[]] PASSED*", "*test_sums[[]q0-bad[]] FAILED*"]
    )
    assert good.chats == bad.chats == 12


def test_fixtures_of_every_scope_are_set_up_and_torn_down_properly(pytester, server):
    pytester.makepyfile(
        test_a=suite("a") + SCOPED,
        test_b=suite("b") + SCOPED,
        test_c="def test_plain():\n    pass\n",
    )
    result = pytester.runpytest_inprocess("--model", f"m={server.url}")
    result.assert_outcomes(passed=13, failed=12)


def test_a_test_may_build_its_own_prompt(pytester, server):
    pytester.makepyfile(
        """
        def test_echo(model):
            first = model.generate("hello there")
            assert "hello there" in first.text
            again = model.generate("hello there")
            assert again.seed != first.seed

        def test_conversation(model):
            said = model.generate([("system", "be brief"), ("user", "now")], max_tokens=7)
            assert said.finish_reason == "stop"
        """
    )
    args = ("--model", f"m={server.url}")
    pytester.runpytest_inprocess(*args).assert_outcomes(passed=2)
    assert server.chats == 3
    assert server.bodies[-1]["max_tokens"] == 7
    pytester.runpytest_inprocess(*args).assert_outcomes(passed=2)
    assert server.chats == 3


def test_a_question_can_be_asked_in_other_words(pytester, server):
    pytester.makepyfile(
        test_sums=suite().replace(
            "model.solve(question)", 'model.solve(question, prompt="Tell me: {sum} =")'
        )
    )
    pytester.runpytest_inprocess("--model", f"m={server.url}", "--limit", "1").assert_outcomes(
        passed=1, deselected=11
    )
    assert server.bodies[-1]["messages"][-1]["content"] == "Tell me: 0 + 0 ="


def test_waiting_for_the_engine_counts_against_no_test_timeout(pytester):
    pytester.makepyfile(test_sums=suite())
    with FaultServer(answer=right, delay=4) as slow:
        result = pytester.runpytest_inprocess("--model", f"m={slow.url}", "--timeout", "3")
    result.assert_outcomes(passed=12)


def test_injected_faults_change_no_verdict(pytester, run, server):
    clean = run("--summary-json", "clean.json")
    with FaultServer(answer=server.answer, faults=FAULTS) as faulty:
        result = run("--summary-json", "faulty.json", "--request-timeout", "4", url=faulty.url)
        assert sum(faulty.injected.values()) == 4
    assert result.parseoutcomes() == clean.parseoutcomes()
    suites = [
        json.loads((pytester.path / name).read_text())["runs"][0]["suites"]
        for name in ("clean.json", "faulty.json")
    ]
    assert suites[0] == suites[1]


def test_a_server_that_dies_makes_errors_and_the_run_resumes(pytester, run, server):
    with FaultServer(answer=server.answer, dead_after=5) as dying:
        url = dying.url
        result = run("--max-retries", "1", "--concurrency", "1", url=url)
    outcomes = result.parseoutcomes()
    assert outcomes["errors"] >= 6
    assert outcomes.get("passed", 0) + outcomes.get("failed", 0) == 12 - outcomes["errors"]
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*interrupted: the same command continues it*"])
    assert len(store_of(pytester).errors(store_of(pytester).run("last").run_id)) >= 6


def test_an_unreachable_server_is_a_message_and_not_a_traceback(run):
    result = run(url="http://127.0.0.1:9")
    assert result.ret != 0
    text = result.stdout.str() + result.stderr.str()
    assert "127.0.0.1:9" in text
    assert "Traceback" not in text


def test_an_unknown_model_is_refused_with_a_guess(pytester):
    pytester.makepyfile("def test_it(model): pass")
    result = pytester.runpytest_inprocess("--model", "smollm2-135")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*smollm2-135m*"])


def test_a_suite_without_a_model_says_how_to_name_one(pytester):
    pytester.makepyfile(test_sums=suite())
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*needs a model*", "*--model*"])


def test_an_unknown_suite_is_one_clear_collection_error(pytester):
    pytester.makepyfile(
        """
        import lrmtest

        @lrmtest.suite("temporel")
        def test_it(question, model):
            pass
        """
    )
    result = pytester.runpytest_inprocess("--model", "smollm2-135m")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*there is no suite 'temporel'*", "*did you mean temporal*"])
    assert "Traceback" not in result.stdout.str()


def test_two_prompts_for_one_question_are_refused(pytester, server):
    pytester.makepyfile(
        test_sums=suite()
        + """
@lrmtest.suite(SUMS, prompt="Add {sum}!")
def test_again(question, model):
    pass
"""
    )
    result = pytester.runpytest_inprocess("--model", f"m={server.url}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*different prompts*"])
    assert server.chats == 0


def test_hostile_output_does_not_reach_the_terminal(pytester):
    pytester.makepyfile(test_sums=suite())
    nasty = "\x1b[2J\x1b]0;owned\x07\x00 <script>alert(1)</script> [red]x[/red] \u202e\ud800"
    with FaultServer(answer=lambda p, s: nasty) as server:
        result = pytester.runpytest_inprocess("--model", f"m={server.url}")
    result.assert_outcomes(failed=12)
    output = result.stdout.str()
    for dangerous in ("\x1b[2J", "\x1b]0", "\x07", "\x00", "\u202e"):
        assert dangerous not in output


def test_a_store_that_cannot_be_written_stops_the_run_with_a_message(pytester, server):
    pytester.makepyfile(test_sums=suite())
    blocked = pytester.path / "blocked"
    blocked.write_text("a file, not a folder")
    result = pytester.runpytest_inprocess(
        "--model", f"m={server.url}", "--reports-dir", str(blocked / "reports")
    )
    assert result.ret != 0
    text = result.stdout.str() + result.stderr.str()
    assert "cannot open the store" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_fixtures_may_build_on_the_model_and_stand_in_its_place(pytester, run, workers):
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def model(model, request):
            assert request.node.name.startswith("test_")
            yield model

        @pytest.fixture
        def solve(model):
            return model.solve
        """
    )
    text = suite()
    again = text[text.index("@lrmtest") :].replace("test_sums(", "test_request(request, ")
    text = text.replace("(question, model)", "(question, solve)").replace("model.solve", "solve")
    pytester.makepyfile(test_sums=text + again)
    run(*workers, "--junitxml=junit.xml").assert_outcomes(passed=12, failed=12)
    assert (pytester.path / "junit.xml").read_text().count('name="passes"') == 24


def test_what_a_test_was_given_goes_with_it(pytester):
    pytester.makeconftest(
        """
        import gc

        def pytest_sessionfinish():
            alive = [one for one in gc.get_objects() if type(one).__name__ == "Attempt"]
            print(f"attempts alive: {len(alive)}")
        """
    )
    pytester.makepyfile(test_sums=suite())
    with FaultServer(answer=right) as server:
        result = pytester.runpytest_subprocess("-s", "--model", f"m={server.url}")
    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(["*attempts alive: 0"])


def test_other_users_of_pytest_notice_nothing(pytester):
    pytester.makepyfile("def test_plain(): pass")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    assert "lrmtest" not in result.stdout.str().partition("collected 1 item")[2]
    assert not (pytester.path / "reports").exists()


SCOPED = """
import pytest

@pytest.fixture(scope="module", autouse=True)
def module_wide():
    yield

@pytest.fixture(scope="session", autouse=True)
def session_wide():
    yield
"""
