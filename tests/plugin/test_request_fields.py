"""Request fields from option, configuration and card: what is sent, kept, compared and refused."""

import html
import json

import pytest
from fault_server import FaultServer, Picky
from sums import SUITE, right

from lrmtest.runs.store import Store

CARD = """
[models.{name}]
checkpoint.url = "{url}"
engine = "openai"
request = {{ top_k = 20, chat_template_kwargs = {{ enable_thinking = true, budget = 5 }} }}
"""
THINKING_OFF = 'chat_template_kwargs={"enable_thinking": false}'


@pytest.fixture
def ask(pytester):
    """Ask the models of the given names; the bodies that each one's server got, by name."""
    pytester.makepyfile(test_sums=SUITE)

    def run(*options, names=("m",), refuse=None, plain=()):
        servers = {name: Picky(refuse or {}, answer=right) for name in names}
        try:
            urls = {name: server.__enter__().url for name, server in servers.items()}
            text = "".join(CARD.format(name=name, url=url) for name, url in urls.items())
            (pytester.path / "cards.toml").write_text(text)
            models = [f"{name}={urls[name]}" if name in plain else name for name in names]
            arguments = [word for model in models for word in ("--model", model)]
            run.result = pytester.runpytest_inprocess(
                *("-p", "no:cacheprovider", "--cards", "cards.toml"), *arguments, *options
            )
            run.output = run.result.stdout.str() + run.result.stderr.str()
            return {name: server.bodies for name, server in servers.items()}
        finally:
            for server in servers.values():
                server.__exit__()

    return run


def stored(pytester, model="m"):
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        return [store.record(run) for run in store.runs() if run.manifest.model.name == model]


def test_a_cards_table_is_sent_and_an_option_is_merged_into_it(ask, pytester):
    bodies = ask("--request-field", THINKING_OFF, "--request-field", "top_k=null")["m"]
    assert len(bodies) == 12
    for body in bodies:
        assert body["chat_template_kwargs"] == {"enable_thinking": False, "budget": 5}
        assert "top_k" not in body
    (record,) = stored(pytester)
    assert record.manifest.model.request == {
        "chat_template_kwargs": {"enable_thinking": False, "budget": 5}
    }
    options = record.manifest.suites["sums"].options
    assert f"--request-field={THINKING_OFF}" in options


def test_an_option_for_one_of_several_models(ask):
    bodies = ask("--request-field", "b:top_k=3", "--request-field", "min_p=0.1", names=("a", "b"))
    assert {body["top_k"] for body in bodies["a"]} == {20}
    assert {body["top_k"] for body in bodies["b"]} == {3}
    assert {body["min_p"] for one in bodies.values() for body in one} == {0.1}


def test_a_setting_of_the_configuration_file(ask, pytester):
    pytester.makeini(
        '[pytest]\nlrmtest_request_field =\n    min_p=0.2\n    reasoning_effort="low"\n'
    )
    for body in ask()["m"]:
        assert (body["min_p"], body["reasoning_effort"]) == (0.2, "low")
    for body in ask("--lrmtest-request-field", "min_p=0.3")["m"]:
        assert body["min_p"] == 0.3
        assert "reasoning_effort" not in body


def test_workers_send_the_same(ask, pytester):
    pytester.plugins = ["xdist"]
    bodies = ask("-n", "2", "--request-field", "top_k=7")["m"]
    assert {body["top_k"] for body in bodies} == {7}
    assert len(bodies) == 12


def test_another_value_is_another_run_and_is_told_first(ask, pytester):
    with FaultServer(answer=right) as server:

        def again(*options):
            return pytester.runpytest_inprocess(
                "-p", "no:cacheprovider", "--model", f"m={server.url}", *options
            )

        again("--request-field", "min_p=0.1")
        asked = server.chats
        again("--request-field", "min_p=0.1")
        assert server.chats == asked
        first = stored(pytester)[0].run_id
        again("--request-field", "min_p=0.2", "--baseline", first, "--markdown", "s.md")
        assert server.chats == 2 * asked
        result = again("--baseline", first, "--summary-json", "s.json")
    lines = result.stdout.lines
    told = [line for line in lines if "request fields differ: min_p=0.1 against none" in line]
    assert len(told) == 1
    differing = [line for line in lines if " differ: " in line]
    assert differing[0] == told[0]
    summary = json.loads((pytester.path / "s.json").read_text())
    names = [one["name"] for one in summary["runs"][0]["comparison"]["told_differences"]]
    assert names == ["request-fields"]
    markdown = html.unescape((pytester.path / "s.md").read_text())
    assert "request fields differ: min_p=0.1 against min_p=0.2" in markdown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--request-field", "temperature=1"], "--temperature sets it"),
        (["--request-field", "reasoning_effort=low"], "in quotes"),
        (["--request-field", "other:top_k=1"], "no model of this session is called 'other'"),
        (["--request-field", 'x="sk-abcdefgh12345678"'], "seems to hold a key"),
    ],
)
def test_what_cannot_be_meant_ends_the_session(ask, options, words):
    assert ask(*options) == {"m": []}
    assert ask.result.ret != 0
    assert words in ask.output
    assert "abcdefgh12345678" not in ask.output
    assert "Traceback" not in ask.output


def test_a_recording_can_carry_none(pytester):
    pytester.makepyfile(test_sums=SUITE)
    (pytester.path / "r.jsonl").write_text('{"suite": "sums", "id": "0", "output": "1"}\n')
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "--model", "r=recorded:r.jsonl", "--request-field", "top_k=1"
    )
    output = result.stdout.str() + result.stderr.str()
    assert result.ret != 0
    assert "nothing is asked of a recording" in output


REFUSED = {"error": {"message": "Unsupported parameter", "param": "temperature"}}
NO_SEED = {"error": {"message": "Unrecognized request argument supplied: seed"}}
LIMIT = {
    "error": {
        "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead.",
        "param": "max_tokens",
        "code": "unsupported_parameter",
    }
}


def test_what_a_server_refused_is_in_the_manifest_and_in_every_summary(ask, pytester):
    refuse = {"temperature": REFUSED, "seed": NO_SEED, "max_tokens": LIMIT}
    bodies = ask(
        *("--markdown", "s.md", "--summary-json", "s.json", "--html", "s.html"), refuse=refuse
    )["m"]
    ask.result.assert_outcomes(passed=12)
    assert len(bodies) == 12 + len(refuse)
    (record,) = stored(pytester)
    details = record.manifest.engine.details
    assert sorted(details["left_out"]) == ["seed", "temperature"]
    assert details["renamed"] == {"max_tokens": "max_completion_tokens"}
    none = "was sent, since the server takes none"
    temperature = f"no temperature {none}: sampled with its own, not with 0.6 as asked"
    seed = f"no seed {none}: samples are not reproducible"
    terminal = " ".join(ask.output.split())
    assert f"m: {temperature}" in terminal
    assert f"m: {seed}" in terminal
    assert "max_tokens sent as max_completion_tokens" in terminal
    markdown = html.unescape((pytester.path / "s.md").read_text())
    assert temperature in markdown
    assert seed in markdown
    summary = json.loads((pytester.path / "s.json").read_text())
    assert summary["runs"][0]["warnings"] == [temperature, seed]


def test_a_field_that_the_server_refuses_is_an_error_of_every_question(ask):
    words = {"error": {"message": "Unknown parameter: 'reasoning_effort'."}}
    bodies = ask("--request-field", 'reasoning_effort="low"', refuse={"reasoning_effort": words})[
        "m"
    ]
    ask.result.assert_outcomes(errors=12)
    assert len(bodies) == 1
    assert "does not take the request field reasoning_effort" in ask.output


def test_a_command_to_ask_again_has_the_fields_of_its_model_alone(ask, pytester):
    ask("--request-field", "b:top_k=3", "--request-field", "min_p=0.1", names=("a", "b"))
    fields = {}
    for name in ("a", "b"):
        (record,) = stored(pytester, name)
        options = record.manifest.suites["sums"].options
        fields[name] = [word for word in options if word.startswith("--request-field")]
    assert fields["a"] == ["--request-field=min_p=0.1"]
    assert fields["b"] == ["--request-field=b:top_k=3", "--request-field=min_p=0.1"]
