"""`lrmtest noise`, with an endpoint whose answers to some questions change from run to run."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from fault_server import FaultServer
from sums import right, suite

from lrmtest.cli import main
from lrmtest.runs.noise import NOISE_NAME, read_noise

QUESTIONS = ("--suite", "test_sums.py")


def noisy():
    """Another text for 2 + 2 at every asking, another verdict for 3 + 3 too."""
    asked = Counter()

    def answer(prompt, seed):
        numbers = re.search(r"(\d+) \+", prompt)
        if numbers is None or numbers[1] not in "23":
            return right(prompt, seed)
        asked[prompt] += 1
        if numbers[1] == "2":
            return f"{'so ' * (asked[prompt] % 2)}{right(prompt, seed)}"
        return right(prompt, seed) if asked[prompt] % 2 else "\\boxed{999}"

    return answer


@pytest.fixture
def here(pytester, monkeypatch):
    pytester.makepyfile(test_sums=suite())
    return pytester


def test_it_is_measured_kept_and_said_of_later_runs(here, capfd):
    with FaultServer(answer=noisy()) as server:
        model = f"n={server.url}"
        assert main(["noise", model, *QUESTIONS, "--concurrency", "4"]) == 0
        printed = " ".join(capfd.readouterr().out.split())
        assert "n at temperature 0, 12 questions asked 2 times (4, 2 at once)" in printed
        assert re.search(r"text 16\.7 % \[4\.\d %, 44\.\d %\]", printed)
        assert re.search(r"verdict 8\.3 %", printed)
        (noise,) = read_noise(here.path / "reports" / NOISE_NAME).values()
        assert (noise.questions, noise.suites, noise.max_tokens) == (12, ("sums",), 64)
        # The repeats are in a store of their own: `last` is still a run of the user's.
        assert not (here.path / "reports" / "lrmtest.sqlite").exists()
        session = ("--temperature", "0", "-p", "no:cacheprovider", "--model", model)
        here.runpytest_inprocess(*session, "--save-baseline", "base.json")
        manifest = json.loads((here.path / "base.json").read_text())["manifest"]
        assert manifest["noise"]["questions"] == 12
        capfd.readouterr()
        gate = ("--baseline", "base.json", "--gate", "--seed", "1", "--summary-json", "s.json")
        result = here.runpytest_inprocess(*session, *gate)
    text = " ".join(result.stdout.str().split())
    assert "the engine's noise: 17 % of texts and 8.3 % of verdicts differed" in text
    assert "temperature 0: a question has one text, and chance is the engine's noise" in text
    assert "interval of the engine's noise alone" in text
    assert "samples per question in both runs" not in text
    compared = json.loads((here.path / "s.json").read_text())["runs"][0]["comparison"]
    assert compared["total"]["failed"]["interval"]["method"] == "engine-noise"
    assert compared["noise"][0]["questions"] == compared["noise"][1]["questions"] == 12


def test_what_was_not_measured_is_told_with_the_command(here):
    with FaultServer(answer=right) as server:
        session = ("--temperature", "0", "-p", "no:cacheprovider", "--model", f"n={server.url}")
        here.runpytest_inprocess(*session, "--save-baseline", "base.json")
        gate = ("--baseline", "base.json", "--gate", "--seed", "1", "--summary-json", "s.json")
        result = here.runpytest_inprocess(*session, *gate)
    text = " ".join(result.stdout.str().split())
    assert "not measured, lrmtest noise n --suite SUITE" in text
    assert "no interval: the engine's noise was not measured" in text
    compared = json.loads((here.path / "s.json").read_text())["runs"][0]["comparison"]
    assert compared["noise"] == [None, None]


def test_mistakes_are_told(here, capfd):
    assert main(["noise", "recorded:x.jsonl", *QUESTIONS]) != 0
    assert main(["noise", "tiny-lrm", "--suite", "nothing"]) == 2
    assert "there is no suite 'nothing' here" in capfd.readouterr().err
    (here.path / "reports").mkdir()
    (here.path / "reports" / NOISE_NAME).write_text("{}")
    with FaultServer(answer=right) as server:
        result = here.runpytest_inprocess("--temperature", "0", "--model", f"n={server.url}")
    assert result.ret not in (0, 1)
    assert "not a noise file" in result.stdout.str() + result.stderr.str()
