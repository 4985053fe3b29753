"""`lrmtest compute` on real recorded outputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lrmtest.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reports(data_dir, tmp_path_factory):
    """A store with the recorded outputs of the paper's 4-bit model on two suites."""
    folder = tmp_path_factory.mktemp("reports")
    recorded = data_dir / "recorded"
    suites = ("suites/aime", "suites/temporal")
    options = ("--model", f"awq=recorded:{recorded}", "--reports-dir", str(folder))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *suites, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert "lrmtest.sqlite" in done.stdout, done.stdout + done.stderr
    return folder


@pytest.mark.data
def test_what_tokens_bought(reports, capsys):
    assert main(["compute", "last", "--reports-dir", str(reports)]) == 0
    shown = capsys.readouterr().out
    assert "is the shorter one right?" in shown
    assert "aime, budget" in shown
    assert "temporal, budget" in shown
    assert "~: tokens estimated from text length" in " ".join(shown.split())

    assert main(["compute", "last", "--suite", "aime", "--budget", "8192", "--budget", "4096",
                 "--reports-dir", str(reports)]) == 0  # fmt: skip
    shown = capsys.readouterr().out
    assert "temporal" not in shown
    assert shown.index("4,096") < shown.index("8,192")


@pytest.mark.data
def test_a_baselines_file_has_all_but_the_reasoning_share(reports, tmp_path, capsys):
    file = str(tmp_path / "awq.json")
    assert main(["baseline", "last", "-o", file, "--reports-dir", str(reports)]) == 0
    capsys.readouterr()
    assert main(["compute", file, "--reports-dir", str(reports)]) == 0
    from_file = capsys.readouterr().out
    assert main(["compute", "last", "--reports-dir", str(reports)]) == 0
    from_store = capsys.readouterr().out
    different = [
        (one, other)
        for one, other in zip(from_file.split("\n"), from_store.split("\n"), strict=True)
        if one.split() != other.split()
    ]
    # The two suites' lines of the costs' table, which may change the rule's width.
    assert all("–" in one or set(one) <= {"─"} or "share" in one for one, _ in different)
    assert sum("–" in one for one, _ in different) == 2


@pytest.mark.data
def test_mistakes(reports, capsys):
    options = ["--reports-dir", str(reports)]
    assert main(["compute", "last", "--suite", "folio", *options]) == 2
    assert "it asked aime, temporal" in capsys.readouterr().err
    assert main(["compute", "last", "--baseline", "last", *options]) == 2
    assert "compared with itself" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["compute", "last", "--budget", "-5", *options])
    assert "is not a number of tokens" in capsys.readouterr().err
