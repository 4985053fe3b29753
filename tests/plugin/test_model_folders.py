"""Folders that are no models, and those whose card asks for more than it may."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import lrmtest.models

TINY = Path(lrmtest.models.__file__).parent / "tiny_lrm"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 5\n"


def adapter(folder):
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')


def pointer(folder):
    shutil.copytree(TINY, folder)
    (folder / "model.safetensors").write_text(POINTER)


def cut(folder):
    shutil.copytree(TINY, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def index(folder):
    shutil.copytree(TINY, folder)
    names = {"weight_map": {"a": "../../etc/passwd"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(names))


def broken(folder):
    shutil.copytree(TINY, folder)
    (folder / "config.json").write_text('{"a": ')


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["plain", "xdist"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (adapter, "adapter"),
        (pointer, "git-LFS pointer"),
        (cut, "truncated"),
        (index, "outside of its folder"),
        (broken, "not valid JSON"),
        (Path.mkdir, "holds no model"),
    ],
)
def test_a_folder_that_is_no_model_is_told_without_a_traceback(pytester, make, words, workers):
    pytester.makepyfile("def test_it(model): pass")
    make(pytester.path / "folder")
    result = pytester.runpytest_inprocess("--model=./folder", *workers)
    said = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in said
    assert "INTERNALERROR" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("more", [("-q",), (), ("-n", "1")], ids=["quiet", "plain", "xdist"])
def test_what_a_folders_card_asked_for_in_vain_is_told_once(pytester, more):
    pytester.makepyfile("def test_it(): pass")
    folder = pytester.path / "folder"
    shutil.copytree(TINY, folder)
    (folder / "lrmtest-card.toml").write_text(
        'name = "theirs"\nengine_args = ["--trust-remote-code", "--host", "0.0.0.0"]\n'
    )
    result = pytester.runpytest_inprocess("--model=./folder", *more)
    result.assert_outcomes(passed=1)
    said = [line for line in result.outlines if "--trust-remote-code" in line]
    assert len(said) == 1
    assert "came with the model, so it is read as data" in said[0]
