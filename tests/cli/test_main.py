"""Exit statuses of the commands, and what they print of hostile texts."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from lrmtest.cli import main
from lrmtest.cli import runs as runs_command
from lrmtest.errors import (
    DataError,
    EngineError,
    MachineryError,
    ModelError,
    StoreError,
    UsageError,
)
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.questions import Question
from lrmtest.questions.place import Place
from lrmtest.reports.log_commands import disarmed
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.store import STORE_NAME, Store

HOSTILE = (
    "::error ::a\n  ::add-mask::b\n\t::stop-commands::c\r::set-output name=x::y\n"
    "##vso[task.setvariable variable=x]y ##[group]z ##VSO[task.complete]\n"
    "##teamcity[buildProblem description='x'] section_start:1:x\r\x1b[0K"
    "\x1b]0;title\x07\x1b[2J\x07\u202eabc\u2066\x9b31m\u2028::error ::d\x00"
)
OBEYED = re.compile(
    r"^\s*::|##(?:vso|teamcity)?\[|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]",
    re.MULTILINE | re.IGNORECASE,
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    with Store(tmp_path / "reports" / STORE_NAME) as store:
        for run in ("run-1", "run-2"):
            manifest = {"suites": {HOSTILE: {"max_tokens": 64}}, "seed": 0}
            store.add_run(run, HOSTILE, run, Manifest.from_json(manifest))
            question = Question("q1", HOSTILE, {"problem": HOSTILE}, (HOSTILE,), "integer")
            store.add_questions(run, [(HOSTILE, "q1", question, [("user", HOSTILE)])])
            texts = ("<think>" + HOSTILE + run + "</think>" + HOSTILE, HOSTILE * 100)
            for sample, text in enumerate(texts):
                place = Place(f"k{sample}", HOSTILE, "q1", sample)
                store.add_completion(run, place, Completion(text, "stop", 5, 7, 3))
                verdict = Verdict(run == "run-1", 0.0, HOSTILE, "wrong", False, HOSTILE)
                store.set_verdicts(run, [(place.key, verdict)])
            store.add_error(run, Place("k2", HOSTILE, "q1", 2), HOSTILE, 3)
            store.finish_run(run)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["runs"],
        ["runs", "--json"],
        ["runs", "--csv"],
        ["show", "run-1", "--json"],
        ["show", "run-1", "--csv"],
        ["show", "run-1", "q1", "--json"],
        ["compare", "run-2", "run-1", "--json"],
        ["compare", "run-2", "run-1", "--csv"],
        ["show", "run-1"],
        ["show", "run-1", "q1"],
        ["show", "run-1", "q1", "--full"],
        ["triage", "run-2"],
        ["triage", "run-2", "--baseline", "run-1"],
        ["triage", "run-2", "q1", "--baseline", "run-1"],
        ["triage", "run-2", "q1", "--baseline", "run-1", "--full"],
        ["triage", "run-2", "--ids"],
        ["triage", "run-2", "--rerun"],
        ["compare", "run-2", "run-1"],
        ["compare", "run-2", "run-1", "--gate"],
        ["compute", "run-1"],
        ["knowledge", "run-1"],
        ["plan", "--baseline", "run-1"],
        ["regrade", "run-1"],
        ["show", "run-1", HOSTILE],
        ["show", HOSTILE],
        ["compare", HOSTILE, "run-1"],
        ["show", "run-1", "q1", "--suite", HOSTILE],
        ["baseline", "run-1", "-o", "base.json", "--allow-incomplete"],
        ["export", "run-1", "out.jsonl"],
        ["report", "run-1", "-o", "x.html"],
    ],
)
def test_nothing_that_is_printed_can_act(here, capsys, words):
    main(words)
    said = capsys.readouterr()
    assert OBEYED.findall(said.out + "\n" + said.err) == []
    assert said.out + said.err
    assert "Traceback" not in said.err


def test_what_is_disarmed_can_still_be_read():
    assert disarmed("::error ::x") == r"\::error ::x"
    assert disarmed("a ::b\n  ::c") == "a ::b\n  \\::c"
    assert disarmed("see ##vso[x] and ## heading") == r"see #\#vso[x] and ## heading"
    assert disarmed("\x1b[1m::error::x") == "\x1b[1m\\::error::x"
    assert OBEYED.findall(disarmed("##" * 1000 + "[" + "\n::" * 1000)) == []


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (UsageError("u"), 2),
        (DataError("d"), 11),
        (StoreError("s"), 11),
        (ModelError("m"), 2),
        (MachineryError("m"), 11),
        (EngineError("e"), 11),
        (KeyboardInterrupt(), 130),
        (OverflowError("int too large to convert to float"), 11),
        (MemoryError(), 11),
        (RecursionError("deep"), 11),
        (AssertionError(HOSTILE), 11),
    ],
)
def test_what_fails_has_an_exit_status_that_is_no_verdict(monkeypatch, capsys, raised, code):
    def broken(arguments):
        raise raised

    monkeypatch.setattr(runs_command, "_runs", broken)
    assert main(["runs"]) == code
    said = capsys.readouterr().err
    bug = not isinstance(raised, UsageError | DataError | StoreError | ModelError | EngineError)
    if bug and code == 11:
        assert "This is a bug in lrmtest" in said
        assert "Traceback" in said
    assert OBEYED.findall(said) == []


@pytest.mark.parametrize(
    "tokens", ["1" + "0" * 400, "1e999", "NaN", "-1", "true", '"9"', "9" * 5000, str(1 << 53)]
)
def test_a_baseline_with_absurd_tokens_is_no_regression(here, capsys, tokens):
    main(["baseline", "run-1", "-o", "base.json", "--allow-incomplete"])
    text = (here / "base.json").read_text()
    assert '["pass", 7, ' in text
    (here / "base.json").write_text(text.replace('["pass", 7, ', f'["pass", {tokens}, '))
    assert main(["compare", "run-2", "base.json", "--gate"]) == 11
    assert "base.json" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 99999, b"\xff\xfe{}", b"\x00", b"[]"])
def test_a_file_that_is_no_baseline_is_no_regression(here, capsys, content):
    (here / "base.json").write_bytes(content)
    assert main(["compare", "run-2", "base.json", "--gate"]) == 11
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_is_gone_is_told_by_the_exit_status(here):
    command = f"{sys.executable} -m lrmtest show run-1 q1 --full"
    script = f"set -o pipefail; {command} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 141)  # 0 when it had written all before
    assert "Traceback" not in done.stderr


def test_json_that_a_shell_reads_is_as_it_was(here, capsys):
    main(["export", "run-1", "out.jsonl"])
    lines = [json.loads(line) for line in (here / "out.jsonl").read_text().splitlines()]
    assert any(line.get("output", "").startswith("<think>::error") for line in lines)
