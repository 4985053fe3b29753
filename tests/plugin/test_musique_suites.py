"""MuSiQue in all its contexts, from the suites' files to `lrmtest knowledge`, on real questions.

Outputs are scripted, so that it is known what must come out.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import prepared
import pytest

from lrmtest.cli import main
from lrmtest.questions import DataOptions
from lrmtest.suites import SUITES

ROOT = Path(__file__).parents[2]
CONTEXTS = ("musique", "musique-open", "musique-gold", "musique-hops", "musique-hops-gold")


def script(folder, data_dir, passes):
    """Outputs for every question of every context; `passes` says of number and hop which is right.

    Returns how many outputs there are.
    """
    folder.mkdir()
    options = DataOptions(data_dir)
    numbers = {q.id: n for n, q in enumerate(SUITES["musique"].load(options).questions)}
    count = 0
    for suite in CONTEXTS:
        lines = []
        for question in SUITES[suite].load(options).questions:
            question_id, _, hop = question.id.partition("-hop")
            right = passes(suite, numbers[question_id], int(hop or 0))
            answer = question.expected if right else "Nobody in particular"
            output = f"Let me see.\n</think>\n\nAnswer: {answer}"
            lines.append(json.dumps({"question": question.id, "output": output}))
        (folder / f"scripted.{suite}.jsonl").write_text("\n".join(lines))
        count += len(lines)
    return count


@pytest.fixture(autouse=True)
def forked(monkeypatch):
    prepared.forks(monkeypatch)


def ask(model, reports, *files):
    options = ("--model", model, "--reports-dir", str(reports))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.data
def test_from_the_suites_to_what_is_known(data_dir, tmp_path, capsys):
    def before(suite, number, hop):
        # 20 questions with an unknown first hop, 10 that are not composed at all, 5 distracted.
        if suite == "musique-hops":
            return number >= 20 or hop != 1
        if suite == "musique":
            return number >= 30
        if suite == "musique-open":
            return not 20 <= number < 35
        return suite == "musique-hops-gold" or not 20 <= number < 30

    def after(suite, number, hop):
        # Another 40 lose their second hop, and nothing else changes.
        lost = 40 <= number < 80
        if suite in ("musique", "musique-hops") and lost:
            return suite == "musique-hops" and hop != 2
        return before(suite, number, hop)

    count = script(tmp_path / "before", data_dir, before)
    script(tmp_path / "after", data_dir, after)
    files = ("suites/musique/test_musique.py", "suites/musique/contexts.py")
    for name in ("before", "after"):
        done = ask(f"{name}=recorded:{tmp_path / name}", tmp_path, *files)
        assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
        asked = re.search(r"(\d+) failed, (\d+) passed", done.stdout)
        assert int(asked[1]) + int(asked[2]) == count
    reports = ["--reports-dir", str(tmp_path)]

    assert main(["knowledge", "before", "--ids", *reports]) == 0
    shown = capsys.readouterr().out
    for kind, number in (("composed", 70), ("not composed", 10), ("not known", 20)):
        assert any(
            line.startswith(kind + " ") and f" {number} " in line for line in shown.split("\n")
        ), shown
    assert "distracted" in shown
    assert re.search("from memory, not known: [^:]* 2hop__151750_141308 ", " ".join(shown.split()))

    assert main(["knowledge", "after", "--baseline", "before", *reports]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "after against before, 100 questions" in shown
    assert "more knowledge was lost than reasoning" in shown


@pytest.mark.data
def test_a_closed_book_run_says_what_it_lacks(data_dir, tmp_path, capsys):
    recorded = data_dir / "recorded" / "r1-distill-llama-8b-awq-4bit.musique.jsonl"
    ask(f"recorded:{recorded}", tmp_path, "suites/musique")
    assert main(["knowledge", "last", "--reports-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "did not ask its questions in every context" in error
    assert "pytest suites/musique/*.py" in error
    assert main(["knowledge", "nothing", "--reports-dir", str(tmp_path)]) == 2
    assert "no run is called 'nothing'" in capsys.readouterr().err
