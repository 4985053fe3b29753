"""`lrmtest merge`: runs of several places, as a user takes them together."""

import pytest
from fault_server import FaultServer
from sums import SUITE, add

from lrmtest.cli import main
from lrmtest.runs.store import STORE_NAME, Store


@pytest.fixture
def lrmtest(pytester, capfd):
    def run(*words):
        code = main(list(map(str, words)))
        streams = capfd.readouterr()
        return code, streams.out, streams.err

    return run


def asked(pytester, server, folder, *args):
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "--model", f"m={server.url}", "--reports-dir", folder, *args
    )
    return result.parseoutcomes()


def test_halves_that_two_servers_of_a_model_made_are_one_run(pytester, lrmtest):
    pytester.makepyfile(test_sums=SUITE)
    with FaultServer(answer=add, owner="vllm") as server:
        asked(pytester, server, "one", "-k", "q1 or q2 or q3")  # five, q10 and q11 among them
        asked(pytester, server, "two", "-k", "not q1 and not q2")  # eight
        code, out, err = lrmtest("merge", "all", "one", "two")
        assert (code, err) == (0, "")
        assert "one: m-" in out
        assert ": 5 completions" in out
        assert "7 completions joined m-" in out
        assert ", 1 were there" in out
        with Store(pytester.path / "all" / STORE_NAME, create=False) as store:
            (run,) = store.runs()
            assert len(store.keys(run.run_id)) == 12
        # What was merged is continued by the command that made it: nothing is asked anew.
        chats = server.chats
        assert asked(pytester, server, "all") == {"passed": 6, "failed": 6}
        assert server.chats == chats


def test_an_exported_run_is_merged_and_conflicts_are_named(pytester, lrmtest):
    pytester.makepyfile(test_sums=SUITE)
    with FaultServer(answer=add, owner="vllm") as server:
        asked(pytester, server, "one")
        server.answer = lambda prompt, seed: add(prompt, seed) + " "
        asked(pytester, server, "two")
    assert lrmtest("export", "last", "two.jsonl", "--reports-dir", "two")[0] == 0
    code, out, err = lrmtest("merge", "one", "two.jsonl")
    assert (code, err) == (0, "")
    assert "0 completions joined m-" in out
    assert "12 samples with another text there, which stays: sums q" in out
    assert "and 2 more" in out


def test_mistakes_are_told(pytester, lrmtest):
    pytester.mkdir("one")
    for words, said in (
        (("merge", "one", "gone"), "there is nothing at gone"),
        (("merge", "one", "one"), "merged with itself"),
        (("merge", "new", "one"), "one"),
    ):
        code, _, err = lrmtest(*words)
        assert code not in (0, 1)
        assert said in err
        assert "Traceback" not in err
