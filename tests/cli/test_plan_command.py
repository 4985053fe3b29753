"""`lrmtest plan`, as a user gives it."""

from __future__ import annotations

import re

import pytest
from few_draws import few_draws
from made_runs import run_of

from lrmtest.cli import main
from lrmtest.runs.formats.baseline import write_baseline
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcomes = {
        (suite, f"q{number}"): QuestionOutcome(
            suite, f"q{number}", {0: SampleOutcome(None if number % 3 else "wrong", 1000)}
        )
        for suite, questions in (("aime", 30), ("folio", 20))
        for number in range(questions)
    }
    manifest = {"suites": {"aime": {}, "folio": {}}}
    write_baseline(tmp_path / "base.json", run_of("b-1", outcomes, model="b", manifest=manifest))


@pytest.fixture
def few(monkeypatch):
    few_draws(monkeypatch)


def fixed_row(text):
    row = next(line for line in text.splitlines() if line.startswith("fixed"))
    return re.split(r"\s{2,}", row)[1:]


def test_samples_tokens_and_time(base, capsys):
    options = ["--suite", "aime", "--mde", "0.1", "--tokens-per-second", "100"]
    assert main(["plan", "--baseline", "base.json", *options]) == 0
    out = capsys.readouterr().out
    assert "aime, 30 questions, baseline b-1: to find a drop of 10 points" in " ".join(out.split())
    samples, completions, tokens, time = fixed_row(out)
    assert int(completions) == 30 * int(samples)
    assert tokens == f"{30 * int(samples)}k" if int(samples) > 3 else tokens
    assert "min" in time
    assert "sequential, equal model" in out


@pytest.mark.usefixtures("few")
def test_a_smaller_drop_needs_more(base, capsys):
    found = []
    for mde in ("0.3", "0.2", "0.1"):
        main(["plan", "--baseline", "base.json", "--suite", "aime", "--mde", mde])
        found.append(int(fixed_row(capsys.readouterr().out)[0]))
    assert found[0] < found[1] < found[2]


@pytest.mark.usefixtures("few")
def test_all_suites_without_a_rate(base, capsys):
    assert main(["plan", "--baseline", "base.json", "--mde", "0.2"]) == 0
    out = capsys.readouterr().out
    assert "all suites, 50 questions" in out
    assert fixed_row(out)[-1] == "–"
    assert "--tokens-per-second" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--suite", "musique"], "it asked aime, folio"),
        (["--mde", "0.9"], "choose a smaller --mde"),
        (["--margin", "0.9", "--mde", "0.2"], "leaves nothing to decide"),
    ],
)
def test_mistakes_are_messages(base, capsys, options, said):
    assert main(["plan", "--baseline", "base.json", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_mde_of_zero_is_a_message(base, capsys):
    assert main(["plan", "--baseline", "base.json", "--mde", "0"]) == 2
    assert "leaves nothing to decide" in capsys.readouterr().err


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("temperature", [0, 0.6])
def test_samples_at_temperature_0_are_said_to_buy_nothing(base, tmp_path, capsys, temperature):
    text = (tmp_path / "base.json").read_text()
    text = text.replace('"manifest": {', f'"manifest": {{"temperature": {temperature},', 1)
    (tmp_path / "base.json").write_text(text)
    assert main(["plan", "--baseline", "base.json", "--suite", "aime", "--mde", "0.2"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert ("copies of one another" in told) == (temperature == 0)


@pytest.mark.usefixtures("few")
def test_what_drafts_would_save_follows_from_the_total_variation(base, capsys):
    def said(variation):
        options = ["--suite", "aime", "--mde", "0.1", "--variation", variation]
        assert main(["plan", "--baseline", "base.json", *options]) == 0
        out = capsys.readouterr().out
        drafts = r"Drafts \(--drafts\), at a total variation of .*?(?= Samples of each)"
        return re.search(drafts, " ".join(out.split()))[0], fixed_row(out)

    near, fixed = said("0.01")
    assert "at most 2 % of its tokens are generated" in near
    samples = int(re.search(r"at most 2 % can differ: (\d+) samples? each", near)[1])
    assert samples < int(fixed[0])
    assert "nothing follows from that alone" in said("0.7")[0]
