"""Settings that a suite or a test gives itself: each is kept, refused, or told to be replaced."""

import pytest
from fault_server import FaultServer
from sums import SUITE, right

import lrmtest
from lrmtest.errors import UsageError
from lrmtest.suites import suite_named

JSONL = """
import lrmtest
from pathlib import Path

SUMS = lrmtest.suite_from_jsonl(
    Path(__file__).with_name("sums.jsonl"), name="sums", kind="integer", prompt="What is {sum}?"OWN
)

@lrmtest.suite(SUMSMARK)
def test_sums(question, model):
    assert model.solve(question).passed
"""
PLAIN = """
def test_own(model):
    assert model.generate("What is 1 + 1?"OWN).text
"""
CARD = '[models.m]\ncheckpoint.url = "URL"\nengine = "openai"\nCARD'


@pytest.fixture
def budgets(pytester):
    """Run a test file, and tell the budgets that the server was asked for."""

    def run(text, *options, card="max_tokens = 700", failing=False):
        pytester.makepyfile(test_file=text)
        (pytester.path / "sums.jsonl").write_text('{"id": "a", "answer": "4", "sum": "2 + 2"}\n')
        with FaultServer(answer=right) as server:
            text = CARD.replace("URL", server.url).replace("CARD", card)
            (pytester.path / "cards.toml").write_text(text)
            arguments = ("-p", "no:cacheprovider", "--cards", "cards.toml", "--model", "m")
            run.result = pytester.runpytest_inprocess(*arguments, *options)
            if not failing:
                assert run.result.ret == 0
            return {body["max_tokens"] for body in server.bodies}

    return run


def jsonl(own="", mark=""):
    return JSONL.replace("OWN", own and f",\n    {own}").replace("MARK", mark and f", {mark}")


def plain(own=""):
    return PLAIN.replace("OWN", own and f", {own}")


@pytest.mark.parametrize(
    ("text", "card", "options", "budget"),
    [
        # Nobody says anything of their own: the card's, else the usual one.
        (jsonl(), "max_tokens = 700", (), 700),
        (jsonl(), "", (), 16384),
        (plain(), "max_tokens = 700", (), 700),
        (plain(), "", (), 1024),
        # One's own goes before the card's.
        (jsonl("max_tokens=50"), "max_tokens = 700", (), 50),
        (jsonl("max_tokens=16384"), "max_tokens = 700", (), 16384),
        (jsonl("", "max_tokens=60"), "max_tokens = 700", (), 60),
        (jsonl("max_tokens=50", "max_tokens=60"), "max_tokens = 700", (), 60),
        (SUITE, "max_tokens = 700", (), 64),
        (plain("max_tokens=40"), "max_tokens = 700", (), 40),
        # The command's goes before all.
        (jsonl("max_tokens=50"), "max_tokens = 700", ("--max-tokens", "30"), 30),
        (jsonl("", "max_tokens=60"), "", ("--max-tokens", "30"), 30),
        (plain("max_tokens=40"), "", ("--max-tokens", "30"), 30),
    ],
)
def test_whose_budget_counts(budgets, text, card, options, budget):
    assert budgets(text, *options, card=card) == {budget}


def test_that_a_budget_of_ones_own_is_replaced_is_told(budgets):
    budgets(jsonl("max_tokens=50"), "-q", "--max-tokens", "30")
    budgets.result.stdout.fnmatch_lines(["--max-tokens 30 goes before the 50 of suite sums's own"])
    budgets(jsonl(), "--max-tokens", "30", "--fresh-run")
    budgets.result.stdout.no_fnmatch_line("*goes before*")


def test_that_a_prompt_of_ones_own_is_replaced_is_told(budgets, pytester):
    (pytester.path / "prompt.txt").write_text("Now: what is {sum}?")
    budgets(jsonl(), "--prompt-file", "prompt.txt")
    budgets.result.stdout.fnmatch_lines(
        ["--prompt-file prompt.txt goes before the prompt of suite sums's own"]
    )
    budgets(jsonl(), "--prompt-file", "sums=prompt.txt", "--fresh-run")
    budgets.result.stdout.no_fnmatch_line("*goes before*")


def test_a_prompt_on_the_test_is_kept(pytester):
    pytester.makepyfile(test_file=jsonl("", 'prompt="Say {sum}."'))
    (pytester.path / "sums.jsonl").write_text('{"id": "a", "answer": "4", "sum": "2 + 2"}\n')
    with FaultServer(answer=right) as server:
        pytester.runpytest_inprocess("--model", f"m={server.url}").assert_outcomes(passed=1)
        assert [body["messages"][-1]["content"] for body in server.bodies] == ["Say 2 + 2."]


@pytest.mark.parametrize(
    "text",
    [
        jsonl("max_tokens=0"),
        jsonl("max_tokens=2.5"),
        jsonl("max_tokens=True"),
        jsonl("", "max_tokens=-1"),
        jsonl("", 'max_tokens="many"'),
        plain("max_tokens=0"),
        plain('max_tokens="many"'),
    ],
)
def test_a_budget_that_is_none_is_refused(budgets, text):
    assert budgets(text, failing=True) == set()
    assert budgets.result.ret != 0
    budgets.result.stdout.fnmatch_lines(["*max_tokens=* is no number of tokens*"])


@pytest.mark.parametrize("name", ["temperature", "top_p", "system_prompt", "samples", "seed"])
def test_what_belongs_to_a_run_cannot_be_given_to_a_suite(name):
    """It is refused, and so never ignored: the whole run has one of each."""
    with pytest.raises(TypeError, match=name):
        lrmtest.suite("aime", **{name: 1})
    with pytest.raises(TypeError, match=name):
        lrmtest.suite_from_jsonl("x.jsonl", name="x", prompt="{a}", **{name: 1})


def test_the_suites_that_come_with_lrmtest_leave_it_to_the_card():
    aime = suite_named("aime")
    assert not aime.has_own_budget
    assert lrmtest.Suite("mine", aime.load, "{problem}", 32768).has_own_budget
    with pytest.raises(UsageError, match="max_tokens=0"):
        lrmtest.Suite("mine", aime.load, "{problem}", 0)


@pytest.mark.parametrize("options", [("--temperature", "0"), ()])
def test_what_samples_at_temperature_0_cost_for_nothing(budgets, options):
    card = "temperature = 0.0" if not options else "temperature = 0.6"
    budgets(jsonl(), *options, "--samples", "4", "-q", card=card)
    budgets.result.stdout.fnmatch_lines(
        [
            "m: at temperature 0 the 4 samples of a question are copies of one another, but for "
            "the engine's noise: 4 times the tokens, and 3 completions that say nothing new; "
            "--samples 1 tells as much"
        ]
    )
    budgets(jsonl(), "--samples", "4", "--temperature", "0.6", "--fresh-run")
    budgets.result.stdout.no_fnmatch_line("*copies of one another*")
    budgets(jsonl(), "--samples", "1", "--temperature", "0", "--fresh-run")
    budgets.result.stdout.no_fnmatch_line("*copies of one another*")
