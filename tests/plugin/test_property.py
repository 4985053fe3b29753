"""Property mode: a search for the smallest failing question, against real HTTP servers."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import adding
import pytest
from adding import SMALLEST, SUITE, answering, long_and_large, numbers_in
from fault_server import FaultServer
from processes import wait_for
from temporal_solver import feasible_letters

from lrmtest.runs.store import Store

TEMPORAL = """
import lrmtest

@lrmtest.suite("fresh-temporal")
def test_temporal(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
"""


def never(numbers):
    return False


@pytest.fixture
def search(pytester):
    """Run a suite in property mode, as a user would."""
    pytester.makepyfile(test_adding=SUITE)

    def run(server, *args, name="m"):
        return pytester.runpytest_inprocess(
            "-p", "no:cacheprovider", "--property", "--model", f"{name}={server.url}", *args
        )

    return run


def kept(pytester):
    """The failing questions that are kept, by file name."""
    folder = pytester.path / "reports" / "failing"
    return {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}


def prompts(server):
    return [body["messages"][-1]["content"] for body in server.bodies]


def test_the_smallest_failing_question_is_found_shown_and_kept(search, pytester):
    with FaultServer(answer=answering(), delay=0.01) as server:
        result = search(server)
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*test_adding[[]property[]]*",
            "expected 17, wrong: 18 after * tokens",
            "question   * + * + * + *",
            "its prompt:",
            "  | What is * + * + * + *[?]",
            "smallest   adding-*: 5 draws of sum 19, *",
            "first      adding-*, before it was made smaller",
            "search     * questions in * rounds, * failed, * completions, * generated now, *",
            "minimal    it passes when any one draw is made 0, half as large or one less, and*",
            "again      asked once more, it fails again",
            "*/reports/failing/adding-d1-m.json*",
            "*= smallest failing questions =*",
            "*test_adding[[]property[]]: the smallest that fails: adding-*: 5 draws of sum 19*",
        ]
    )
    for said_once in ("expected 17, wrong: 18 after", "answer     wrong"):
        assert result.stdout.str().partition("short test")[0].count(said_once) == 1
    assert "Traceback" not in result.stdout.str()
    assert "pass rate" not in result.stdout.str()
    (example,) = kept(pytester).values()
    assert (len(example["draws"]), sum(example["draws"])) == SMALLEST
    asked = numbers_in(example["question"]["material"]["sum"])
    assert sorted(asked) == [0, 0, 0, 17]
    assert server.chats < 150


def test_questions_are_asked_many_at_a_time(search):
    with FaultServer(answer=answering(), together=16) as server:
        search(server)
        assert server.most_in_flight == 16
    with FaultServer(answer=answering(), together=5) as server:
        search(server, "--concurrency", "5")
        assert server.most_in_flight == 5


def test_temporal_sequences_with_four_sightings_are_too_many(pytester):
    def answer(prompt, seed):
        (letter,), seen = feasible_letters(prompt)
        return f"({letter})" if len(seen) < 4 else "It was never possible."

    pytester.makepyfile(test_temporal=TEMPORAL)
    with FaultServer(answer=answer) as server:
        result = pytester.runpytest_inprocess("--property", "--model", f"m={server.url}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["answer     no-answer: *", "smallest   *: 22 draws of sum 1, *"])
    (example,) = kept(pytester).values()
    assert example["draws"] == [1, *[0] * 21]
    assert example["question"]["material"]["story"].count(" saw ") == 4


def test_the_same_command_generates_nothing_again(search, pytester):
    with FaultServer(answer=answering()) as server:
        search(server)
        asked, before = server.chats, kept(pytester)["adding-d1-m.json"]
        result = search(server)
        assert server.chats == asked
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["search     *, 0 generated now, *"])
    assert kept(pytester)["adding-d1-m.json"]["draws"] == before["draws"]


def test_what_failed_is_asked_first_next_time_also_with_another_model(search, pytester):
    with FaultServer(answer=answering()) as server:
        search(server)
    (example,) = kept(pytester).values()
    prompt = f"What is {example['question']['material']['sum']}?"
    with FaultServer(answer=answering()) as again:
        search(again, "--concurrency", "1")
        assert prompts(again)[0] == prompt
    with FaultServer(answer=answering()) as other:
        search(other, "--concurrency", "1", name="other").assert_outcomes(failed=1)
        assert prompts(other)[0] == prompt
    assert set(kept(pytester)) == {"adding-d1-m.json", "adding-d1-other.json"}


def test_what_does_not_fail_any_more_is_forgotten(search, pytester):
    with FaultServer(answer=answering()) as server:
        search(server)
    with FaultServer(answer=answering(never)) as mended:
        search(mended, "--generations", "40").assert_outcomes(passed=1)
    assert kept(pytester) == {}


def test_no_failing_question_passes_with_what_follows(search, pytester):
    with FaultServer(answer=answering(never)) as server:
        result = search(server, "--generations", "100", "-v")
        assert server.chats == 99  # one is kept back to ask the result again
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*test_adding[[]property[]] PASSED*",
            "*: none of 99 questions fails; * were drawn as the suite draws its own, of which less "
            "than * % can fail (confidence 95%); 99 questions in 7 rounds, 0 failed, *",
        ]
    )


@pytest.mark.parametrize("allowed", [2, 19, 40])
def test_no_more_completions_are_asked_for_than_allowed(search, pytester, allowed):
    with FaultServer(answer=answering()) as server:
        search(server, "--generations", str(allowed))
        assert server.chats <= allowed


def test_a_search_that_was_cut_short_says_so_and_goes_on(search, pytester):
    with FaultServer(answer=answering()) as server:
        result = search(server, "--generations", "30")
        result.stdout.fnmatch_lines(["minimal    not yet: *", "*not the smallest yet that fails*"])
        asked = server.chats
        search(server).stdout.fnmatch_lines(["smallest   *: 5 draws of sum 19, *"])
        assert server.chats > asked


def test_against_another_model(search, pytester):
    def larger(numbers):
        return len(numbers) >= 4 and max(numbers) >= 17 and 0 in numbers

    with (
        FaultServer(answer=answering()) as small,
        FaultServer(answer=answering(larger)) as big,
    ):
        args = ("--against", f"big={big.url}")
        result = search(small, *args)
        asked = small.chats, big.chats
        assert asked[1] < asked[0]  # only what fails is asked of it
        search(small, *args)
        assert (small.chats, big.chats) == asked
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "with big: expected 20, correct: 20*",
            "*the smallest that fails here and passes with big*",
        ]
    )
    (example,) = kept(pytester).values()
    # Two more numbers than two, three of them 1 and one 17: no 0, which is too hard for big.
    assert (len(example["draws"]), sum(example["draws"])) == (5, 2 + 3 + 17)
    assert example["against"] == "big"
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        assert {run.model for run in store.runs()} == {"m", "big"}


def test_it_passes_when_both_models_fail_the_same(search):
    with FaultServer(answer=answering()) as one, FaultServer(answer=answering()) as other:
        result = search(one, "--against", f"big={other.url}", "--generations", "64")
        assert one.chats + other.chats <= 64
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*none of * questions fails here and passes with big*"])


def test_several_samples_and_the_threshold(search, pytester):
    turns = {}

    def every_other(prompt, seed):
        turns[prompt] = turns.get(prompt, 0) + 1
        return answering(long_and_large if turns[prompt] % 2 else never)(prompt, seed)

    args = ("--samples", "2", "--concurrency", "1", "--temperature", "0.5")
    with FaultServer(answer=every_other) as server:
        search(server, *args, "--generations", "40").assert_outcomes(passed=1)
        result = search(server, *args, "--pass-threshold", "0.75")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["1 of 2 samples correct, *", "smallest   *: 5 draws of sum 19, *"])
    assert {body["temperature"] for body in server.bodies} == {0.5}


def test_it_is_greedy_unless_told_otherwise(search):
    with FaultServer(answer=answering()) as server:
        search(server)
    assert {body["temperature"] for body in server.bodies} == {0.0}


def test_a_result_that_does_not_fail_again_is_called_flaky(search):
    first = set()

    def once(prompt, seed):
        fails = prompt not in first
        first.add(prompt)
        return answering(long_and_large if fails else never)(prompt, seed)

    with FaultServer(answer=once) as server:
        result = search(server)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["again      asked once more, it does not fail: flaky"])


def test_a_test_may_demand_more_than_the_right_answer(search, pytester):
    pytester.makepyfile(
        test_adding=SUITE.replace(
            "assert attempt.passed, attempt.explain()",
            "tokens = attempt.completion.completion_tokens\n"
            '    assert tokens < 10, f"{tokens} tokens"',
        )
    )

    def wordy(prompt, seed):
        return "well, " * sum(numbers_in(prompt)) + "that is it"

    with FaultServer(answer=wordy) as server:
        result = search(server)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["10 tokens", "expected 6, no-answer: *", "question   * + *"])
    assert "assert 10 < 10" not in result.stdout.str()
    (example,) = kept(pytester).values()
    assert sum(numbers_in(example["question"]["material"]["sum"])) == 6


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("assert len(attempt.answer) < 3, attempt.explain()", "assert * < 3"),
        ("raise ValueError('mine')", "ValueError: mine"),
    ],
)
def test_a_tests_own_failure_is_told(search, pytester, body, words):
    text = SUITE.replace("assert attempt.passed, attempt.explain()", body)
    pytester.makepyfile(test_adding=text)
    with FaultServer(answer=answering(never)) as server:
        result = search(server)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([words, "question   * + *"])


def test_other_fixtures_are_handed_on_and_skips_are_no_failures(search, pytester):
    pytester.makepyfile(
        test_adding=SUITE.replace("(question, model)", "(question, tmp_path, model, odd)").replace(
            "attempt =", 'assert tmp_path.is_dir() and odd == "odd"\n    attempt ='
        )
        + """
import pytest

@pytest.fixture
def odd():
    return "odd"

@lrmtest.suite(ADDING)
def test_skipping(question, model):
    pytest.skip("not today")
"""
    )
    with FaultServer(answer=answering()) as server:
        result = search(server, "--generations", "90")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*none of 0 questions fails; *got no verdict"])


def test_an_engine_error_is_no_failure(search, pytester):
    # Few, since five failures in a row mean that the server is gone.
    with FaultServer(answer=answering(never), faults=["500"], every=10) as server:
        result = search(server, "--max-retries", "0", "--generations", "60")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*none of * questions fails; *questions got no verdict"])


def test_a_server_that_dies_makes_an_error_and_the_search_goes_on_later(search, pytester):
    with FaultServer(answer=answering(), dead_after=40) as dying:
        result = search(dying, "--max-retries", "0")
    result.assert_outcomes(errors=1)
    assert "Traceback" not in result.stdout.str()
    assert len(kept(pytester)) == 1
    with FaultServer(answer=answering()) as server:
        search(server).stdout.fnmatch_lines(["smallest   *: 5 draws of sum 19, *"])


def test_a_model_that_cannot_be_reached_is_an_error(search):
    class Nowhere:
        url = "http://127.0.0.1:9/v1"

    # It is asked for its model before any test, as with questions that are planned.
    result = search(Nowhere, "--max-retries", "0")
    assert result.ret != 0
    text = result.stdout.str() + result.stderr.str()
    assert "does not tell its models" in text
    assert "Traceback" not in text


def test_interrupted_it_keeps_what_arrived(pytester):
    pytester.makepyfile(test_adding=SUITE)
    with FaultServer(answer=answering(), enough=40) as server:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--property"),
                *("--model", f"m={server.url}", "--concurrency", "4"),
            ],
            cwd=pytester.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(Path(adding.__file__).parent)},
        )
        failing = pytester.path / "reports" / "failing"
        wait_for(lambda: server.waiting and any(failing.glob("*.json")))
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        assert len(store.keys(store.run("last").run_id)) >= 4
    assert len(kept(pytester)) == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_under_xdist_the_same_is_found(search, pytester, workers):
    with FaultServer(answer=answering()) as small, FaultServer(answer=answering(never)) as big:
        result = search(small, "--against", f"big={big.url}", "-n", workers)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "smallest   *: 5 draws of sum 19, *",
            "*: the smallest that fails here and passes with big*",
        ]
    )


def test_several_models_and_junit_files(search, pytester):
    with FaultServer(answer=answering()) as bad, FaultServer(answer=answering(never)) as good:
        result = search(
            bad, "--model", f"good={good.url}", "--generations", "150", "--junitxml", "junit.xml"
        )
    result.assert_outcomes(failed=1, passed=1)
    text = (pytester.path / "junit.xml").read_text()
    assert 'name="search" value="the smallest that fails: adding-' in text
    assert 'name="search" value="none of 149 questions fails' in text


def test_suites_with_fixed_questions_have_nothing_to_search(pytester):
    pytester.makepyfile(
        """
        import lrmtest

        @lrmtest.suite("aime")
        def test_aime(question, model):
            raise AssertionError

        def test_plain():
            pass
        """
    )
    with FaultServer() as server:
        result = pytester.runpytest_inprocess("--property", "--model", f"m={server.url}", "-rs")
        assert server.chats == 0
    result.assert_outcomes(skipped=1, passed=1)
    result.stdout.fnmatch_lines(["*the questions of suite aime are fixed*"])


def test_the_difficulty_is_in_the_id_and_the_file(pytester):
    pytester.makepyfile(test_temporal=TEMPORAL)
    with FaultServer(answer=lambda prompt, seed: "No idea.") as server:
        result = pytester.runpytest_inprocess(
            "--property", "--fresh-difficulty", "3", "--model", f"m={server.url}"
        )
    result.stdout.fnmatch_lines(["*test_temporal[[]property-d3[]]*", "smallest   temporal-d3-*"])
    assert set(kept(pytester)) == {"fresh-temporal-d3-m.json"}


def test_its_questions_are_in_the_store_and_in_no_pass_rate(search, pytester):
    with FaultServer(answer=answering()) as server:
        search(server)
    (example,) = kept(pytester).values()
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        run = store.run("last")
        assert store.sample_records(run) == []
        assert not any("verdict" in each for each in store.lacking(run))
        assert store.question(run.run_id, "", example["question"]["id"]) is not None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--against", "x"), "--against needs --property"),
        (("--generations", "9"), "--generations needs --property"),
        (("--property", "--baseline", "last"), "--property and --baseline"),
        (("--property", "--triage", "failed"), "--property and --triage"),
        (("--property", "--html", "x.html"), "--property and --html"),
        (("--property", "--generations", "1"), "--generations 1 is not enough"),
        (("--property", "--samples", "3", "--generations", "5"), "allow at least 6"),
        (("--property", "--against", "m=http://127.0.0.1:9/v1"), "a model under test itself"),
        (("--property", "--against", "recorded:x.jsonl"), "is a recording"),
    ],
)
def test_what_cannot_be_meant_is_refused(pytester, args, message):
    pytester.makepyfile(test_adding=SUITE)
    (pytester.path / "x.jsonl").write_text("")
    result = pytester.runpytest_inprocess("--model", "m=http://127.0.0.1:9/v1", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()


def test_a_damaged_example_is_named(search, pytester):
    folder = pytester.path / "reports" / "failing"
    folder.mkdir(parents=True)
    (folder / "adding-d1-m.json").write_text('{"lrmtest": ')
    with FaultServer(answer=answering()) as server:
        result = search(server)
        assert server.chats == 0
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*adding-d1-m.json cannot be read*", "*move the file away*"])


def test_hypothesis_own_seed_option_changes_nothing(search, pytester):
    with FaultServer(answer=answering()) as server:
        search(server, "--hypothesis-seed", "7").assert_outcomes(failed=1)
        asked = server.chats
        search(server)
        assert server.chats == asked


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_a_real_model(pytester):
    pytester.makepyfile(test_logic=TEMPORAL.replace("temporal", "logic"))
    # It was trained on difficulty 1, and can that.
    args = ("--property", "--fresh-difficulty", "2", "--model", "tiny-lrm", "--engine", "llamacpp")
    result = pytester.runpytest_subprocess(*args)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["expected *", "smallest   logic-*", "first      logic-*"])
    (example,) = kept(pytester).values()
    assert example["question"]["kind"] == "label"
    again = pytester.runpytest_subprocess(*args)
    again.stdout.fnmatch_lines(["search     *, 0 generated now, *"])
