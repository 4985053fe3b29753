"""The example of docs/triage.md: its commands say what the page says they say."""

from __future__ import annotations

import shutil
from pathlib import Path

from lrmtest.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "triage.md").read_text()
SUITES_PAGE = (ROOT / "docs" / "suites.md").read_text()


def test_the_example_says_what_its_pages_say(pytester, capsys):
    shutil.copytree(ROOT / "docs" / "examples" / "changes", pytester.path, dirs_exist_ok=True)
    parent = "pytest --model parent=recorded:parent.jsonl --samples 5 --save-baseline base.json"
    candidate = "pytest --model candidate=recorded:candidate.jsonl --samples 5 --baseline base.json"
    for command in (parent, candidate):
        assert command in PAGE
    pytester.runpytest_inprocess(*parent.split()[1:]).assert_outcomes(passed=20)
    result = pytester.runpytest_inprocess(*candidate.split()[1:])
    result.assert_outcomes(passed=2, failed=18)
    for line in (
        "E   AssertionError: it was to add without carrying",
        "E   assert 'carry' not in 'First I carry the one.'",
        "2 of 5 samples correct, expected 43: 3 wrong",
    ):
        assert line in SUITES_PAGE
        assert line.removeprefix("E   ") in result.stdout.str()
    capsys.readouterr()
    words = "lrmtest triage last:candidate --baseline base.json"
    assert words in PAGE
    assert main(words.split()[1:]) == 0
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    start = PAGE.index("since the baseline: 18 broken")
    told = PAGE[start : PAGE.index("```", start)].strip().splitlines()
    at = shown.index(told[0])
    assert shown[at : at + len(told)] == told
