"""Finding the Python that has llmcompressor."""

import sys

import pytest

import lrmtest.compress.llmcompressor.environment as finding
from lrmtest.compress.llmcompressor.environment import VARIABLE, find_llmcompressor
from lrmtest.errors import ModelError


def environment(place, version):
    """A virtual environment's folder, as far as it is looked at."""
    python = place / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{f'echo {version}' if version else 'exit 1'}\n")
    python.chmod(0o755)
    return python


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home folder with nothing in it, and a Python of one's own that has no llmcompressor."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    own = environment(tmp_path / "own", "")
    monkeypatch.setattr(finding.sys, "executable", str(own))
    return tmp_path / "home"


def test_there_is_none():
    with pytest.raises(ModelError, match="none on this machine") as missing:
        find_llmcompressor()
    assert "python3 -m venv ~/.lrmtest-llmcompressor &&" in missing.value.hint
    assert "pip install llmcompressor==" in missing.value.hint


def test_the_default_place(home):
    python = environment(home / ".lrmtest-llmcompressor", "0.14.0.1")
    found = find_llmcompressor()
    assert (found.python, found.version) == (python, "0.14.0.1")


def test_this_python_comes_first(home, tmp_path, monkeypatch):
    environment(home / ".lrmtest-llmcompressor", "0.14.0")
    own = environment(tmp_path / "other", "1.2.0")
    monkeypatch.setattr(finding.sys, "executable", str(own))
    assert find_llmcompressor().python == own


@pytest.mark.parametrize("named", ["elsewhere", "elsewhere/bin/python", "link"])
def test_the_variable_comes_before_all(home, tmp_path, monkeypatch, named):
    environment(home / ".lrmtest-llmcompressor", "0.14.0")
    python = environment(tmp_path / "elsewhere", "0.15.0")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv(VARIABLE, str(tmp_path / named))
    found = find_llmcompressor()
    assert found.python.resolve() == python
    assert found.version == "0.15.0"


def test_a_link_to_python_is_kept(tmp_path, monkeypatch):
    """What lies behind it has none of the environment's packages."""
    python = environment(tmp_path / "base", "0.14.0")
    link = tmp_path / "env" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(python)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "env"))
    assert find_llmcompressor().python == link


@pytest.mark.parametrize(
    ("version", "message"), [("", "not installed there"), ("0.9.0.2", r"0\.14 is the oldest")]
)
def test_the_variable_names_one_that_will_not_do(tmp_path, monkeypatch, version, message):
    python = environment(tmp_path / "elsewhere", version)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    with pytest.raises(ModelError, match=message) as refused:
        find_llmcompressor()
    assert refused.value.hint.startswith(f"{python} -m pip install")


def test_the_variable_names_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(ModelError, match="no Python is there"):
        find_llmcompressor()


def test_one_that_does_not_run(tmp_path, monkeypatch):
    environment(tmp_path / "elsewhere", "1.0").chmod(0o644)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    with pytest.raises(ModelError, match="does not run"):
        find_llmcompressor()


def test_a_real_python_without_it(monkeypatch, tmp_path):
    # Not by way of the fixture's stand-in: the question itself is asked of a real interpreter.
    (tmp_path / "python").symlink_to(sys.base_exec_prefix + "/bin/python3")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "python"))
    with pytest.raises(ModelError, match="not installed there"):
        find_llmcompressor()
