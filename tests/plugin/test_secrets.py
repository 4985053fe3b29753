"""No secret of a URL, a key or an argument is in anything that a session prints or writes."""

from __future__ import annotations

import sqlite3

import pytest
from fault_server import FaultServer
from sums import SUITE, right

URL_SECRET, KEY = "SECRETPASS3333", "lrm-SECRETKEY1111"
FILES = ("--html=r.html", "--markdown=r.md", "--summary-json=r.json", "--junitxml=r.xml")


def everything(folder):
    """The text of all files that a session has left, of the store each value."""
    texts = {}
    for path in folder.rglob("*"):
        if path.is_file():
            texts[path.name] = path.read_bytes().decode("utf-8", "replace")
    for store in folder.rglob("*.sqlite"):
        with sqlite3.connect(store) as db:
            texts["dump"] = "\n".join(db.iterdump())
    return texts


def answer(prompt, seed):
    """Right, and with the key that the server was sent."""
    return f"{right(prompt, seed)} {KEY}"


@pytest.mark.parametrize("mode", ["", "unauthorized"])
def test_a_session_keeps_and_prints_no_secret(pytester, monkeypatch, mode):
    monkeypatch.setenv("LRMTEST_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-SECRETKEY2222")
    pytester.makepyfile(test_sums=SUITE)
    with FaultServer(answer=answer, mode=mode, models=[f"model-{KEY}"]) as server:
        url = server.url.replace("/v1", f"/{URL_SECRET}/v1")
        result = pytester.runpytest_inprocess(
            f"--model=m={url}",
            *FILES,
            "--showlocals",
            "--log-level=DEBUG",
            "-rA",
            "--max-retries=0",
        )
    texts = {"terminal": result.stdout.str() + result.stderr.str(), **everything(pytester.path)}
    for name, text in texts.items():
        if name != "test_sums.py":
            assert "SECRET" not in text, name


@pytest.mark.parametrize(
    "url",
    [
        "https://SECRETPASS3333:x@127.0.0.1:99999/v1",
        "http://127.0.0.1:1/v1?api_key=SECRETPASS3333",
        "http://user:SECRETPASS3333@127.0.0.1:1/v1",
        "sk-SECRETPASS3333",
    ],
)
def test_a_url_that_cannot_be_used(pytester, url):
    pytester.makepyfile(test_sums=SUITE)
    result = pytester.runpytest_inprocess("--model", url)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "SECRET" not in result.stdout.str() + result.stderr.str()


def test_two_hosts_do_not_get_each_others_key(pytester, monkeypatch):
    monkeypatch.setenv("LRMTEST_API_KEY", KEY)
    pytester.makepyfile(test_sums=SUITE)
    with FaultServer(answer=right, key="one") as one, FaultServer(answer=right) as other:
        models = (f"--model=one={one.url}", f"--model=other={other.url}")
        withheld = pytester.runpytest_inprocess(*models, "--max-retries=0", "--tb=short")
        monkeypatch.setenv("LRMTEST_API_KEY_ONE", "one")
        given = pytester.runpytest_inprocess(*models, "--max-retries=0")
    assert KEY not in withheld.stdout.str()
    withheld.stdout.fnmatch_lines(["*LRMTEST_API_KEY is not sent to *LRMTEST_API_KEY_ONE*"])
    withheld.assert_outcomes(passed=12, errors=12)
    given.assert_outcomes(passed=24)
