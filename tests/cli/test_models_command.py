"""`lrmtest models`: a list by words, and all of one card."""

from __future__ import annotations

import pytest

from lrmtest.cli import main


@pytest.fixture
def models(monkeypatch, tmp_path, capsys):
    """Runs the command in an empty folder, wide enough for every column."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words):
        code = main(["models", *words])
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_a_list_by_words(models):
    code, out = models("gpt-oss", "llamacpp")
    assert code == 0
    assert "gpt-oss-20b-gguf" in out
    assert "gpt-oss-20b-high" not in out
    assert "qwen3-8b" not in out
    code, out = models("no-such-model")
    assert code != 0
    assert "no model card has 'no-such-model' in it" in out


def test_all_of_one_card(models):
    code, out = models("gpt-oss-20b-high")
    assert code == 0
    for part in (
        "6cee5e81ee83917806bbde320786a8fb61efebee",
        "model*.safetensors",
        '"reasoning_effort": "high"',
        "temperature 1, top-p 1",
        "harmony",
        "families/gpt_oss.toml",
        "made from",
    ):
        assert part in out
    assert "not pinned" not in out
    _, out = models("exaone-deep-2.4b-q4_k_m")
    assert "not pinned" in out


def test_a_card_of_ones_own(models, tmp_path):
    text = '[models.mine]\nnote = "mi\\\\n"\nparent = "qwen3-8b"\ncheckpoint = { path = "gone" }\n'
    (tmp_path / "mine.toml").write_text(text.replace("mi\\\\n", "mine [b]"))
    code, out = models("mine", "--cards", "mine.toml")
    assert code == 0
    assert "mine [b]" in out
    assert "mine.toml" in out
    assert "nothing at its path" in out
    assert '{"top_k": 20, "min_p": 0}' in out
