"""`--gate --read`: an ok without a generated token, and the gates that go on where it is not."""

import json
from collections import Counter

import pytest
from fault_server import FaultServer
from reading import index_of
from sums import right, save_passing_baseline, suite, wrong

from lrmtest.analysis.certificate import certify
from lrmtest.analysis.trace_weights import TraceWeight
from lrmtest.cli import main
from lrmtest.options.exit_codes import CANNOT_TELL, OK, REGRESSED, UNDECIDED
from lrmtest.plugin.session import LrmtestSession
from lrmtest.runs.store import STORE_NAME, Store

QUESTIONS = 60


@pytest.fixture
def base(pytester):
    """A suite, and the baseline of a model that passes all of it."""
    save_passing_baseline(pytester, QUESTIONS)


@pytest.fixture
def reading(monkeypatch):
    """Says what reading finds; what is read and how is for other tests."""
    levels = []

    def finds(weight, samples=1):
        def read(session, plan, baseline, gate, level):
            levels.append(level)
            outcomes = baseline.outcomes
            weights = {
                (key, index): TraceWeight(weight, 0.01)
                for key, one in outcomes.items()
                for index in one.samples
            }
            asked = [(one.suite, one.question_id) for one in plan.questions]
            return certify(outcomes, asked, weights, gate, level=level)

        monkeypatch.setattr(LrmtestSession, "_read", read)
        return levels

    return finds


@pytest.fixture
def start(pytester, base):
    def run(server, *options, baseline="base.json"):
        arguments = ("-p", "no:cacheprovider", "--model", f"n={server.url}", "--gate", "--read")
        return pytester.runpytest_inprocess(*arguments, "--baseline", baseline, *options)

    return run


def asked(server):
    """How many completions were asked for, the self-test's left out."""
    return sum(body["max_tokens"] not in (32, 48) for body in server.bodies)


@pytest.mark.parametrize("more", [(), ("--early-stop",), ("-n", "2")])
def test_what_is_certified_is_ok_and_generates_nothing(start, reading, pytester, more):
    levels = reading(1.0)
    files = ("--summary-json", "s.json", "--html", "r.html", "--markdown", "s.md")
    with FaultServer(answer=wrong) as server:
        result = start(server, "-rs", *more, *files, "--junitxml", "j.xml")
        assert asked(server) == 0
    assert result.ret == OK
    # None is passed without a sample.
    assert Counter(result.parseoutcomes()) == {"skipped": QUESTIONS}
    result.stdout.fnmatch_lines(
        [
            "*n: read: 60 traces of 60 questions; total variation per trace (S) 0.01",
            "*n: certified: a drop of 10 points is excluded by reading",
            "*n: certified by reading, nothing was generated*",
            "gate: OK",
            "  a drop of 10 points is excluded by reading, nothing was generated",
        ]
    )
    text = result.stdout.str()
    assert "neither made nor chosen with these traces" in " ".join(text.split())
    assert "not generated: certified by reading" in text
    assert "without a verdict" not in text
    assert "Traceback" not in text
    assert levels == [pytest.approx(0.1)]
    [run] = json.loads((pytester.path / "s.json").read_text())["runs"]
    gate = run["comparison"]["gate"]
    assert gate["outcome"] == "ok"
    assert all(check["outcome"] == "ok" for check in gate["checks"])
    assert run["comparison"]["certificate"]["certified"]
    assert run["comparison"]["certificate"]["assumptions"]
    assert "excluded by reading" in (pytester.path / "s.md").read_text()
    assert "excluded by reading" in (pytester.path / "j.xml").read_text()
    assert (pytester.path / "r.html").exists()


def test_the_same_command_decides_the_same_again(start, reading):
    levels = reading(1.0)
    with FaultServer(answer=right) as server:
        assert start(server).ret == OK
        assert start(server).ret == OK
        assert asked(server) == 0
    # The same traces are the same reading, at the same level.
    assert levels == [pytest.approx(0.1)] * 2


def test_what_reading_cannot_settle_is_generated_and_decided_by_the_gate(start, reading):
    reading(0.0)
    with FaultServer(answer=wrong) as server:
        result = start(server)
        assert asked(server) == QUESTIONS
    assert result.ret == REGRESSED
    result.stdout.fnmatch_lines(["*n: reading cannot settle it: pass rate is not settled*"])


def test_the_gate_has_what_reading_left_of_the_power_and_all_of_alpha(start, reading, pytester):
    reading(0.0)
    with FaultServer(answer=right) as server:
        assert start(server, "--one-look", "--summary-json", "s.json").ret == OK
    [run] = json.loads((pytester.path / "s.json").read_text())["runs"]
    look = run["comparison"]["gate"]["settings"]["look"]
    assert look["share"] == 1
    assert look["unread"] == 0.5


def test_nothing_is_read_where_all_samples_are_there(start, reading):
    levels = reading(0.0)
    with FaultServer(answer=right) as server:
        assert start(server).ret == OK
        assert len(levels) == 1
        assert start(server).ret == OK
        assert asked(server) == QUESTIONS
    assert len(levels) == 1


def test_a_claim_that_reading_has_excluded_counts_for_the_gate(start, reading, pytester):
    # Sixty questions cannot exclude a rise of 3 points of what is truncated; reading cannot either.
    reading(0.99)
    options = ("--mde", "0.03", "--token-margin", "off")
    with FaultServer(answer=right) as server:
        result = start(server, *options)
    assert result.ret == UNDECIDED


def test_what_reading_has_excluded_is_not_waited_for(pytester, monkeypatch):
    """Of passes alone reading knows that they stay: it excludes a drop, and no rise of loops."""

    def half(prompt, seed):
        return right(prompt, seed) if seed % 2 else wrong(prompt, seed)

    def read(session, plan, baseline, gate, level):
        weights = {
            (key, index): TraceWeight(float(sample.passed), 0.01)
            for key, one in baseline.outcomes.items()
            for index, sample in one.samples.items()
        }
        asked = [(one.suite, one.question_id) for one in plan.questions]
        return certify(baseline.outcomes, asked, weights, gate, level=level)

    monkeypatch.setattr(LrmtestSession, "_read", read)
    pytester.makepyfile(test_sums=suite(questions=40))
    more = ("-p", "no:cacheprovider", "--concurrency", "4", "--samples", "8", "--seed")
    with FaultServer(answer=half) as server:
        saving = ("--model", f"m={server.url}", "--save-baseline", "base.json")
        pytester.runpytest_inprocess(*more, "1", *saving)
    gated = ("--gate", "--baseline", "base.json", "--early-stop", "--token-margin", "off")
    looked_at = {}
    for options in ((), ("--read",)):
        with FaultServer(answer=half, enough=200) as server:
            asking = ("--model", f"n={server.url}", "--fresh-run", "--summary-json", "s.json")
            pytester.runpytest_inprocess(*more, "2", *gated, *asking, *options)
        [run] = json.loads((pytester.path / "s.json").read_text())["runs"]
        looked_at[options] = run["comparison"]["early_stop"]["looked_at"]
    assert looked_at["--read",] < looked_at[()]
    checks = {check["what"]: check for check in run["comparison"]["gate"]["checks"]}
    assert {what: check["outcome"] for what, check in checks.items()} == dict.fromkeys(checks, "ok")
    # What reading found of it, from all of the baseline's traces.
    assert checks["pass rate"]["worsening"] == 0


def test_commands_on_the_stored_run_know_its_certificate(start, reading, pytester, capfd):
    reading(1.0)
    with FaultServer(answer=right) as server:
        assert start(server).ret == OK
    capfd.readouterr()
    assert main(["compare", "last:n", "base.json", "--gate"]) == OK
    printed = " ".join(capfd.readouterr().out.split())
    assert "gate: OK a drop of 10 points is excluded by reading, nothing was generated" in printed
    assert "neither made nor chosen with these traces" in printed
    assert main(["compare", "last:n", "base.json"]) == OK
    assert main(["report", "last:n", "--baseline", "base.json", "-o", "r.html"]) == OK
    assert "excluded by reading" in json.dumps(index_of((pytester.path / "r.html").read_text()))
    # No look was taken at what was not generated.
    with Store(pytester.path / "reports" / STORE_NAME) as store:
        [looks] = store.run("last:n").manifest.looks.values()
    assert looks.count is None
    assert looks.unread == 0.5


def test_a_certificate_of_other_settings_is_told_of_and_does_not_count(start, reading, capfd):
    reading(1.0)
    with FaultServer(answer=right) as server:
        assert start(server).ret == OK
    capfd.readouterr()
    assert main(["compare", "last:n", "base.json", "--gate", "--mde", "0.05"]) == CANNOT_TELL
    captured = capfd.readouterr()
    assert "read by a gate with other settings, so not counted: certified" in captured.err
    assert "gate: CANNOT TELL" in captured.out


def test_samples_that_are_generated_later_decide_and_reading_has_spent_its_part(
    start, reading, pytester, capfd
):
    reading(1.0)
    with FaultServer(answer=wrong) as server:
        assert start(server).ret == OK
        generating = ("-p", "no:cacheprovider", "--model", f"n={server.url}", "--gate")
        more = ("--baseline", "base.json", "--summary-json", "s.json")
        assert pytester.runpytest_inprocess(*generating, *more).ret == REGRESSED
    [run] = json.loads((pytester.path / "s.json").read_text())["runs"]
    assert run["comparison"]["gate"]["settings"]["look"]["unread"] == 0.5
    assert main(["compare", "last:n", "base.json", "--gate"]) == REGRESSED


def test_what_reading_left_open_is_told_later_too(start, reading, capfd):
    reading(0.0)
    with FaultServer(answer=wrong) as server:
        assert start(server).ret == REGRESSED
    capfd.readouterr()
    assert main(["compare", "last:n", "base.json", "--gate"]) == REGRESSED
    assert "reading cannot settle it: pass rate is not settled" in " ".join(
        capfd.readouterr().out.split()
    )


@pytest.fixture
def shared(pytester, monkeypatch):
    """Gate a model that draws with the baseline's random numbers, of four samples to its two."""
    for place in ("model_comparison", "early_stop"):
        monkeypatch.setattr(f"lrmtest.plugin.gating.{place}.same_draws", lambda *_: True)
    pytester.makepyfile(test_sums=suite(questions=40))
    more = ("-p", "no:cacheprovider", "--concurrency", "2")

    def gate(server, *options):
        return pytester.runpytest_inprocess(
            *(*more, "--samples", "2", "--model", f"n={server.url}", "--baseline", "base.json"),
            *("--gate", "--read", "--token-margin", "off", "--summary-json", "s.json", *options),
        )

    with FaultServer(answer=right) as server:
        saving = ("--model", f"m={server.url}", "--samples", "4", "--save-baseline", "base.json")
        pytester.runpytest_inprocess(*more, *saving)
    return gate


def early_stop(path):
    [run] = json.loads((path / "s.json").read_text())["runs"]
    return run["comparison"]["early_stop"]


def looks_of(path):
    with Store(path / "reports" / STORE_NAME) as store:
        [looks] = store.run("last:n").manifest.looks.values()
    return looks


def test_stakes_come_from_traces_on_which_nothing_is_bet(shared, reading, pytester):
    """Nothing is certified, since weights are 0.9, and hardly any pairs are said to part."""
    reading(0.9)
    files = ("--markdown", "s.md", "--html", "r.html")
    with FaultServer(answer=right, enough=60) as server:
        result = shared(server, "--early-stop", *files)
        stopped = asked(server)
        assert result.ret == OK
        assert shared(server, "--early-stop").ret == OK
        # The same command reads the store, has the same order, and decides the same again.
        assert asked(server) == stopped < 80
    shown = " ".join(result.stdout.str().split())
    assert (
        "n: stakes by reading 80 traces on which nothing is bet: 1 % of pairs of samples are "
        "expected to part" in shown
    )
    assert "Stakes by reading 80 traces" in shown
    assert early_stop(pytester.path)["foreseen_by"] == 80
    assert "stakes by reading 80 traces" in (pytester.path / "s.md").read_text()
    looks = looks_of(pytester.path)
    assert looks.order.startswith("read:")
    assert looks.looking == 0.5


def test_a_run_that_was_looked_at_so_is_read_again_when_all_is_there(shared, reading, pytester):
    levels = reading(0.9)
    with FaultServer(answer=right) as server:
        assert shared(server, "--early-stop").ret == OK
        before = looks_of(pytester.path)
        assert shared(server).ret == OK  # generates the rest
        all_there = asked(server)
        assert all_there >= 80  # and what was in flight when it stopped, again
        assert shared(server, "--early-stop").ret == OK
        assert asked(server) == all_there
    after = looks_of(pytester.path)
    # No second part is reserved for looks that are the same, nor another one for reading.
    assert (after.order, after.looking, after.reading) == (
        before.order,
        before.looking,
        before.reading,
    )
    assert levels == [pytest.approx(0.1)] * 3


def test_reading_needs_a_gate(pytester, base):
    result = pytester.runpytest_inprocess("--model", "m=http://127.0.0.1:9", "--read")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--read needs --gate*"])
    result = pytester.runpytest_inprocess(
        "--model", "m=http://127.0.0.1:9", "--gate", "--baseline", "base.json", "--read-traces", "x"
    )
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--read-traces needs --read*"])


def test_traces_that_can_certify_nobody_are_not_read_and_nothing_is_spent(pytester):
    """Of a server that tells ids and no end tokens: not one of its traces is whole."""
    pytester.makepyfile(test_sums=suite(questions=40))
    more = ("-p", "no:cacheprovider", "--temperature", "1", "--top-p", "1")
    told = {"answer": right, "owner": "llamacpp", "context_length": 4096, "slots": 4}
    with FaultServer(**told) as server:
        server.tells_tokens = True
        saving = ("--save-baseline", "base.json", "--save-traces", "base.traces")
        pytester.runpytest_inprocess(*more, "--model", f"m={server.url}", *saving)
    with FaultServer(**told) as server:
        gated = ("--gate", "--read", "--baseline", "base.json", "--summary-json", "s.json")
        asking = ("--model", f"n={server.url}", "--seed", "2", "--one-look")
        result = pytester.runpytest_inprocess(*more, *asking, *gated)
        assert asked(server) == 40
        assert server.paths["/completion"] == 0
    assert result.ret == OK
    result.stdout.fnmatch_lines(
        [
            "*n: not read: 40 traces of 40 questions",
            "*n: reading cannot settle it: none of 40 traces that ended by themselves tells its "
            "end token*",
        ]
    )
    [run] = json.loads((pytester.path / "s.json").read_text())["runs"]
    look = run["comparison"]["gate"]["settings"]["look"]
    assert (look["share"], look["unread"]) == (1, 1)
