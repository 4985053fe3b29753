"""A gate that is repeated with more samples goes on with one test, at its stated error rates."""

import json

import pytest
from fault_server import FaultServer
from sums import right, suite

from lrmtest.options.exit_codes import UNDECIDED


@pytest.fixture
def gated(pytester):
    """Gate the same model again and again, in one store; gives the look that was taken."""
    pytester.makepyfile(test_sums=suite())
    server = FaultServer(answer=right)
    with server:
        saving = ("--model", f"m={server.url}", "--save-baseline", "base.json")
        pytester.runpytest_inprocess(*saving)

        def run(*options, code=UNDECIDED):
            arguments = ("--model", f"n={server.url}", "--baseline", "base.json", "--gate")
            result = pytester.runpytest_inprocess(*arguments, *options, "--summary-json", "s.json")
            assert result.ret == code
            summary = json.loads((pytester.path / "s.json").read_text())
            gate = summary["runs"][0]["comparison"]["gate"]
            run.output = " ".join(result.stdout.str().split())
            return gate["settings"]["look"]

        run.url = server.url
        yield run


def test_more_samples_are_another_look_and_the_same_samples_are_not(gated):
    assert gated()["share"] == pytest.approx(0.8)
    assert "in both goes on with this test, as look 2" in gated.output
    assert gated()["number"] == 1
    second = gated("--samples", "2")
    assert (second["number"], second["share"]) == (2, pytest.approx(0.16))
    assert "Look 2: of its error rates it had 16 % now" in gated.output
    assert gated("--samples", "2")["number"] == 2
    # A run of its own is a test of its own.
    assert gated("--seed", "1")["number"] == 1


def test_looking_early_takes_its_part_once(gated):
    first = gated("--early-stop")
    assert first["looking"] == pytest.approx(0.5)
    assert first["share"] == pytest.approx(0.4)
    second = gated("--early-stop", "--samples", "2")
    assert second["looking"] == pytest.approx(0.5)
    assert second["share"] == pytest.approx(0.08)
    third = gated("--samples", "3")
    assert third["share"] == pytest.approx(0.016)


def test_after_the_only_look_there_is_none(gated):
    only = {"number": 1, "share": 1.0, "looking": 0.0, "left": 0.0, "unread": 1.0}
    assert gated("--one-look") == only
    assert gated("--samples", "2")["share"] == 0
    assert "earlier looks at this run have spent all of its error rates" in gated.output


def test_a_look_can_be_stated_where_no_store_was_kept(gated, pytester):
    assert gated("--look", "3")["share"] == pytest.approx(0.032)
    result = pytester.runpytest_inprocess("--model", "n=x", "--look", "2", "--one-look")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--one-look and --look 2*"])


def test_a_series_shares_alpha(gated):
    gated("--series", "10")
    assert "Series of 10 candidates: 0.5 % of 5 % is this one's." in gated.output
    assert "at most 5 % of series of 10, once or more" in gated.output
    assert "It is candidate 1 of them, as this store counts." in gated.output


def test_one_candidate_too_many_is_refused_before_it_is_asked(gated, pytester):
    gated("--series", "2")
    gated("--series", "2", "--samples", "2")
    assert "It is candidate 1 of them" in gated.output
    gated("--series", "2", "--seed", "1", "--early-stop")
    assert "candidate 2 of them, as this store counts. It is the last" in gated.output
    arguments = ("--model", f"n={gated.url}", "--baseline", "base.json", "--gate")
    result = pytester.runpytest_inprocess(*arguments, "--series", "2", "--seed", "2")
    result.assert_outcomes(passed=0, failed=0)
    text = result.stdout.str() + result.stderr.str()
    assert "this store knows of 2 other candidates of the series against this baseline" in text
    assert "make a new baseline" in text
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    # Those that have their place keep it.
    gated("--series", "2", "--seed", "1", "--samples", "2")
    assert "It is candidate 2 of them" in gated.output
