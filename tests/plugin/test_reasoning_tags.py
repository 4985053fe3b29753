"""A run of outputs in other tags than `<think>`: verdicts, and what the summary and reports say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fault_server import FaultServer
from sums import SUITE, add

from lrmtest.cli.main import main
from lrmtest.runs.store import Store

GUESS = "The answer is {0}. Or is it?"


@pytest.fixture
def recorded(pytester):
    """Run the suite on recorded outputs, one for each of its first questions."""

    def run(*lines, args=()):
        pytester.makepyfile(test_sums=SUITE)
        path = pytester.path / "m.sums.jsonl"
        rows = [
            {"question": f"q{n}", "finish_reason": "stop", **line} for n, line in enumerate(lines)
        ]
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return pytester.runpytest_inprocess(
            "-p", "no:cacheprovider", "--model", "m=recorded:m.sums.jsonl", *args
        )

    return run


def test_a_guess_between_tags_does_not_pass(recorded):
    harmony = "<|channel|>analysis<|message|>The answer is 0.<|end|>"
    final = "<|start|>assistant<|channel|>final<|message|>"
    done = recorded(
        {"output": f"{harmony}{final}I cannot say."},
        {"output": f"{harmony}{final}The answer is 2."},
        {"output": "[THINK]The answer is 4.[/THINK]I cannot say."},
        {"output": "[THINK]The answer is 5.[/THINK]The answer is 6."},
        {"output": harmony.replace("0", "8")},
        args=["--summary-json", "s.json"],
    )
    done.assert_outcomes(passed=2, failed=3, deselected=7)
    done.stdout.fnmatch_lines(["m: reasoning tags seen: *", "m: reasoning is marked in several *"])
    (run,) = json.loads(Path("s.json").read_text())["runs"]
    assert run["manifest"]["reasoning"]["known_by"] == "texts"
    assert len(run["warnings"]) == 1


def test_reasoning_that_came_apart(recorded):
    done = recorded(
        {"output": "I cannot say.", "reasoning_content": "The answer is 0. </think> Or not?"},
        {"output": "The answer is 2.", "reasoning": "The answer is 7. <think>"},
        {
            "output": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "It is 4. [/THINK]"}]},
                {"type": "text", "text": "I cannot say."},
            ]
        },
        {"output": {"role": "assistant", "thinking": "It is 5.", "content": "The answer is 6."}},
    )
    done.assert_outcomes(passed=2, failed=2, deselected=8)


def test_unknown_tags_are_a_warning_in_every_report(recorded, pytester, capsys):
    lines = [{"output": f"<musing>{GUESS.format(2 * n)}</musing>I cannot say."} for n in range(3)]
    done = recorded(*lines)
    done.assert_outcomes(failed=3, deselected=9)
    done.stdout.fnmatch_lines(["m: 3 of 3 texts begin with <musing>, which is no *"])
    capsys.readouterr()
    assert main(["show", "last"]) == 0
    assert "begin with <musing>" in capsys.readouterr().out
    assert main(["regrade", "last"]) == 0
    assert "0 verdicts changed" in capsys.readouterr().out


def test_a_prompt_that_opened_the_reasoning(recorded, pytester, capsys):
    recorded({"output": "Hm, so we", "finish_reason": "length"})
    with Store(pytester.path / "reports" / "lrmtest.sqlite") as store:
        (run,) = store.runs()
        reasoning = replace(run.manifest.reasoning, prefilled=True)
        store.note(run.run_id, replace(run.manifest, reasoning=reasoning))
    capsys.readouterr()
    assert main(["regrade", "last"]) == 0
    assert "truncated (None) -> unclosed (None)" in capsys.readouterr().out


def test_tags_that_the_user_names(recorded):
    done = recorded(
        {"output": "((The answer is 5.))The answer is 0."},
        {"output": "((The answer is 2.))I cannot say."},
        args=["--reasoning-tags", "(( ))", "--summary-json", "s.json"],
    )
    done.assert_outcomes(passed=1, failed=1, deselected=10)
    done.stdout.fnmatch_lines(["m: reasoning tags (( ... )) (by its option)"])


def test_tags_that_cannot_be(recorded):
    done = recorded({"output": "0"}, args=["--reasoning-tags", "nonsense"])
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*--reasoning-tags 'nonsense': neither an opening *"])


# The template that an endpoint tells

R1 = "{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}"
PREFILLED = R1 + "{% if add_generation_prompt %}<think>\\n{% endif %}"
HARMONY = "<|start|>assistant<|channel|>analysis<|message|>{{ t }}<|channel|>final<|message|>"


@pytest.fixture
def served(pytester):
    """Run the suite on an endpoint with a chat template; the manifest's section on reasoning."""
    pytester.makepyfile(test_sums=SUITE)

    def run(template, *args, owner="llamacpp", answer=add, workers=0):
        begin = pytester.runpytest_subprocess if workers else pytester.runpytest_inprocess
        with FaultServer(answer=answer, owner=owner) as server:
            server.chat_template = template
            shared = ("-n", str(workers)) if workers else ()
            done = begin("-p", "no:cacheprovider", *shared, "--model", f"m={server.url}", *args)
        with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
            return done, store.runs()[0].manifest.reasoning

    return run


@pytest.mark.parametrize("owner", ["llamacpp", "vllm"])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_endpoints_template_tells_its_tags(served, owner, workers):
    done, section = served(PREFILLED, owner=owner, workers=workers)
    done.assert_outcomes(passed=6, failed=6)
    assert (section.tags, section.known_by, section.prefilled) == (
        ("think",),
        "chat template",
        True,
    )
    assert "(by its chat template)" in " ".join(" ".join(done.outlines).split())


def test_an_endpoints_template_is_known_before_anything_is_graded(served):
    """A wrong guess in reasoning that the template opened and nobody closed is no answer."""

    def unclosed(prompt, seed):
        return add(prompt, seed).replace("</think>", "")

    def classes(template, *args):
        done, _ = served(template, *args, "--summary-json", "s.json", answer=unclosed)
        done.assert_outcomes(passed=6, failed=6)
        (run,) = json.loads(Path("s.json").read_text())["runs"]
        return {name: count for name, count in run["suites"][0]["failures"].items() if count}

    assert classes("{{ messages }}") == {"wrong": 6}
    assert classes(PREFILLED, "--fresh-run") == {"unclosed": 6}


def test_the_users_word_comes_before_an_endpoints_template(served):
    _, section = served(HARMONY)
    assert (section.tags, section.known_by) == (("harmony",), "chat template")
    _, section = served(HARMONY, "--reasoning-tags", "think", "--fresh-run")
    assert (section.known_by, section.prefilled) == ("option", None)
    _, section = served(PREFILLED, "--reasoning-tags", "think", "--fresh-run")
    assert (section.known_by, section.prefilled) == ("option", True)


@pytest.mark.parametrize(
    "template",
    [
        None,
        3,
        ["<think></think>"],
        {"default": R1},
        "",
        "x" * 3_000_000 + R1,
        "\ud800",
        "<think" * 9,
    ],
    ids=["null", "number", "list", "object", "empty", "long", "half a character", "unended"],
)
def test_a_template_of_no_use_is_none(served, template):
    done, section = served(template)
    done.assert_outcomes(passed=6, failed=6)
    assert section.known_by == "texts"


def test_what_an_endpoint_told_is_kept_when_it_is_gone(served, pytester):
    _, before = served(PREFILLED)
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        url = store.runs()[0].manifest.model.to_json()["endpoint"]
    done = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "--model", f"m={url}", "--reuse-unverified"
    )
    done.assert_outcomes(passed=6, failed=6)
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        (run,) = store.runs()
        assert run.manifest.reasoning.to_json() == before.to_json()
