"""`--html`: the session's runs as one file."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import zlib

from sums import SUITE

from lrmtest.options.exit_codes import INFRASTRUCTURE


def index_of(path):
    """What a report says, its texts left out."""
    held = re.search(r'id="index">([A-Za-z0-9+/=]+)</script>', path.read_text(encoding="ascii"))
    return json.loads(zlib.decompress(base64.b64decode(held.group(1))))


def texts_of(path):
    found = re.findall(r'id="chunk-\d+">([A-Za-z0-9+/=]+)</script>', path.read_text())
    return [
        text for chunk in found for text in json.loads(zlib.decompress(base64.b64decode(chunk)))
    ]


def test_a_session_is_written(run, pytester):
    result = run("--html", "out/report.html", "--samples", "2")
    result.assert_outcomes(passed=6, failed=6)
    path = pytester.path / "out" / "report.html"
    report = index_of(path)
    [only] = report["runs"]
    assert only["model"] == "m"
    assert only["lacking"] == []
    assert only["suites"]["sums"]["questions"] == 12
    assert only["suites"]["sums"]["rate"]["value"] == 0.5
    texts = texts_of(path)
    assert len(texts) == 12
    samples = [sample for text in texts for sample in text["runs"][0]["samples"]]
    # All verdicts had reached the store.
    assert sorted(sample["result"] for sample in samples) == ["correct"] * 12 + ["wrong"] * 12
    [command] = texts[0]["runs"][0]["commands"]
    assert command.startswith("pytest 'test_sums.py::test_sums[")
    assert "--samples 2" in command


def test_only_what_this_session_asked(run, pytester):
    run()
    run("--html", "report.html", "--limit", "3")
    report = index_of(pytester.path / "report.html")
    assert len(report["questions"]["id"]) == 3


def test_with_a_baseline_and_a_gate(run, pytester):
    run("--save-baseline", "base.json")
    run("--seed", "1", "--html", "report.html", "--baseline", "base.json", "--gate")
    report = index_of(pytester.path / "report.html")
    assert [one["baseline"] for one in report["runs"]] == [True, False]
    # The run that the file stands for is in the store, with its texts.
    assert [one["texts"] for one in report["runs"]] == [True, True]
    [comparison] = report["comparisons"]
    assert comparison["run"] == 1
    assert comparison["figures"]["gate"]["outcome"] in ("ok", "undecided")
    assert comparison["change_counts"]["sums"]["unchanged"] == 12


def test_under_xdist(pytester, server):
    pytester.makepyfile(test_sums=SUITE)
    result = pytester.runpytest_subprocess(
        "-n", "2", "--model", f"m={server.url}", "--html", "report.html"
    )
    result.assert_outcomes(passed=6, failed=6)
    path = pytester.path / "report.html"
    assert index_of(path)["runs"][0]["suites"]["sums"]["rate"]["value"] == 0.5
    samples = [sample for text in texts_of(path) for sample in text["runs"][0]["samples"]]
    assert all("result" in sample for sample in samples)


def test_a_file_that_cannot_be_written_is_an_error(run, pytester):
    (pytester.path / "taken").write_text("a file")
    result = run("--html", "taken/report.html")
    assert result.ret == INFRASTRUCTURE
    result.stdout.fnmatch_lines(["*the report cannot be written*"])


def test_no_model_no_report(pytester):
    pytester.makepyfile("def test_nothing(): pass")
    pytester.runpytest_inprocess("--html", "report.html").assert_outcomes(passed=1)
    assert not (pytester.path / "report.html").exists()


def test_beside_pytest_html(pytester, server):
    """Where pytest-html is installed, --html is its option, and ours has the longer name."""
    pytester.makepyfile(test_sums=SUITE)
    (pytester.path / "pytest_html.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--html', dest='their_html')\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "pytest_html", "--model", f"m={server.url}"),
            *("--html=theirs.html", "--lrmtest-html=ours.html"),
        ],
        cwd=pytester.path,
        env={**os.environ, "PYTHONPATH": str(pytester.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert (pytester.path / "ours.html").exists()
    assert not (pytester.path / "theirs.html").exists()


def test_what_the_model_costs_is_known_from_its_card(run, pytester):
    (pytester.path / "cards.toml").write_text(
        "[models.m]\nparameters = 8\ncompression = { method = 'awq', bits_per_weight = 4 }\n"
    )
    run("--cards", "cards.toml", "--html", "report.html", "--limit", "2")
    [only] = index_of(pytester.path / "report.html")["runs"]
    assert only["method"] == "awq"
    assert only["costs"]["bits_per_weight"] == 4
    assert only["costs"]["parameters"] == 8
    assert only["costs"]["disk_gb"] == 4
    assert only["costs"]["memory_gb"] > 4
