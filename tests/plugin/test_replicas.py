"""One model behind several endpoints, in a session."""

import pytest
from fault_server import FaultServer
from ports import own_port
from sums import SUITE, add, right


@pytest.fixture
def servers():
    with FaultServer(answer=add, owner="vllm") as one, FaultServer(answer=add, owner="vllm") as two:
        one.models, two.models = ("a",), ("b",)
        one.entry, two.entry = {"root": "/node1/m"}, {"root": "/node2/m"}
        yield one, two


@pytest.fixture
def start(pytester):
    pytester.makepyfile(test_sums=SUITE)

    def run(location, *args):
        return pytester.runpytest_inprocess(
            "-p", "no:cacheprovider", "--model", f"m={location}", *args
        )

    return run


def test_they_share_the_questions_and_are_told_of(start, servers):
    one, two = servers
    where = f"{one.url},{two.url}"
    result = start(where, "--concurrency", "2")
    result.assert_outcomes(passed=6, failed=6)
    said = " ".join(result.stdout.str().split())
    assert f"m: 2 replicas: {one.url} {one.chats} completions" in said
    assert f"; {two.url} {two.chats} completions" in said
    assert one.chats + two.chats == 12
    assert min(one.chats, two.chats) >= 2  # what each had room for at once

    # Who serves it now is no part of what was asked: other replicas of the model continue the run.
    start(f"{two.url},{one.url}").assert_outcomes(passed=6, failed=6)
    with FaultServer(answer=add, owner="vllm") as third:
        start(f"{third.url},{one.url}").assert_outcomes(passed=6, failed=6)
        assert third.chats == 0
    assert one.chats + two.chats == 12


def test_one_of_another_model_is_named_and_its_answers_are_in_nothing(start, servers):
    one, two = servers
    two.answer = right
    two.probe_answer = lambda question, asked: "I am another model altogether"
    result = start(f"{one.url},{two.url}")
    result.assert_outcomes(passed=6, failed=6)
    told = "".join(result.stdout.lines)
    assert f"replica {two.url} is left out for now: it serves another model" in told
    assert two.chats == 0

    # The first that answers may be the wrong one: what was there before says which is right.
    result = start(f"{two.url},{one.url}")
    result.assert_outcomes(passed=6, failed=6)
    assert (one.chats, two.chats) == (12, 0)


def test_none_that_answers_is_a_usage_of_its_own(start):
    with own_port() as one, own_port() as two:
        result = start(f"http://127.0.0.1:{one}/v1,http://127.0.0.1:{two}/v1")
    assert result.ret not in (0, 1)
    said = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in said
    assert "is not an endpoint's URL" not in said


def test_a_file_of_replicas(start, servers, pytester):
    one, two = servers
    file = pytester.path / "up.txt"
    file.write_text(f"# node 1\n{one.url}\nnode2:8000\n{two.url}\n")
    result = start("replicas:up.txt")
    result.assert_outcomes(passed=6, failed=6)
    result.stdout.fnmatch_lines(["*up.txt:3: 'node2:8000' is not an endpoint's URL*passed over*"])
    assert one.chats + two.chats == 12
