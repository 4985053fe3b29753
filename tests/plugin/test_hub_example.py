"""The example of docs/suites.md, out of a hub of one's own: in sessions, as a user runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fault_server import FaultServer
from stand_in_hub import environment, running_hub

from lrmtest.cli import main
from lrmtest.options.exit_codes import REGRESSED
from lrmtest.runs.store import Store

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "hub" / "test_word_problems.py"
PAGE = (ROOT / "docs" / "suites.md").read_text()
COMMIT = "cc7b047b6e5bb11b4f1af84efc572db110a51b3c"
OTHER = "e" * 40
FILE = ("openai/gsm8k", "main/test-00000-of-00001.parquet")
QUESTIONS = 60
EARLY = ("--early-stop", "--mde", "0.05")  # so narrow that no look says ok

OWN_GRADER = '''
def near(question, text):
    """Within 5 % is right."""
    said = "".join(filter(str.isdigit, text)) or None
    correct = said is not None and abs(int(said) - int(question.expected)) < 0.05 * int(said)
    return lrmtest.Grade(said, correct=correct, score=float(correct))


WORD_PROBLEMS ='''


def rows():
    return [
        {
            "question": f"Ann has {n} boxes of {n} pens each. How many pens has she?",
            "answer": f"She has {n} * {n} = <<{n}*{n}={n * n}>>{n * n:,} pens.\n#### {n * n:,}",
        }
        for n in range(11, 11 + QUESTIONS)
    ]


def right(prompt, seed):
    number = re.search(r"has (\d+) boxes", prompt)
    return f"So \\boxed{{{int(number[1]) ** 2}}}" if number else "Well."  # of the self-test


def wrong(prompt, seed):
    return "So \\boxed{7}"


@pytest.fixture
def start(pytester, monkeypatch, tmp_path):
    """Run the example, or a change of it, against a server, with a hub that has the dataset."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    out = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(rows()), out)
    monkeypatch.delenv("LRMTEST_DATA_DIR", raising=False)
    with running_hub() as hub:
        hub.files[FILE] = out.getvalue().to_pybytes()
        hub.files["openai/gsm8k", "socratic/test-00000-of-00001.parquet"] = b""
        hub.commits |= {COMMIT, OTHER}
        for name, value in environment(hub, tmp_path / "hf").items():
            monkeypatch.setenv(name, value)

        def run(server, *options, change=lambda text: text):
            (pytester.path / "test_it.py").write_text(change(EXAMPLE.read_text()))
            arguments = ("-p", "no:cacheprovider", "--model", f"n={server.url}")
            return pytester.runpytest_subprocess(*arguments, "--concurrency", "4", *options)

        run.hub = hub
        yield run


def test_the_page_has_the_example():
    code = EXAMPLE.read_text().partition('"""\n\n')[2]
    assert code in PAGE


def test_the_example_runs_and_another_revision_is_another_run(start, pytester):
    with FaultServer(answer=right) as server:
        start(server, "--limit", "3").assert_outcomes(passed=3)
        chats, asked = server.chats, len(start.hub.requests)
        start(server, "-n", "2", "--limit", "3").assert_outcomes(passed=3)
        # Nothing is generated or fetched again.
        assert server.chats == chats
        assert all("/api/" in path for _, path in start.hub.requests[asked:])
        result = start(server, "--limit", "3", change=lambda text: text.replace(COMMIT, OTHER))
        result.assert_outcomes(passed=3)
    with Store(pytester.path / "reports" / "lrmtest.sqlite") as store:
        sources = [run.manifest.suite("word-problems").source for run in store.runs()]
    assert {source.revision for source in sources} == {COMMIT, OTHER}
    assert {source.name for source in sources} == {"openai/gsm8k"}
    assert len(sources) == 2


def test_it_is_gated_early_with_a_grader_of_its_own(start):
    def change(text):
        text = text.replace("\nWORD_PROBLEMS =", OWN_GRADER)
        return text.replace('kind="integer"', "grader=near")

    with FaultServer(answer=right) as server:
        result = start(server, "--save-baseline", "base.json", change=change)
        result.assert_outcomes(passed=QUESTIONS)
    gate = ("--baseline", "base.json", "--gate", *EARLY)
    with FaultServer(answer=wrong, enough=40) as server:
        result = start(server, *gate, change=change)
        assert server.chats < QUESTIONS
    assert result.ret == REGRESSED, result.stdout.str()
    assert "stopped when decided" in result.stdout.str()


def test_a_column_that_is_not_there_ends_the_session_with_those_that_are(start):
    with FaultServer(answer=right) as server:
        result = start(
            server, change=lambda text: text.replace('question="question"', 'question="problem"')
        )
        assert server.chats == 0
    result.stdout.fnmatch_lines(["*has no column 'problem'*", "*there are question, answer*"])
    assert "Traceback" not in result.stdout.str()


def test_it_is_listed(start, pytester, monkeypatch, capsys):
    (pytester.path / "test_it.py").write_text(EXAMPLE.read_text())
    monkeypatch.chdir(pytester.path)
    assert main(["suites", "--json"]) == 0
    (row,) = [r for r in json.loads(capsys.readouterr().out) if r["name"] == "word-problems"]
    assert row["sources"][0]["dataset"] == "openai/gsm8k"
    assert row["sources"][0]["revision"] == COMMIT
    assert row["missing"] == "only running its test file tells answer"
    assert row["run"] == ["pytest test_it.py --model NAME"]
