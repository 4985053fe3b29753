"""What newcomers read is true: names, paths, rooms and checks are those of the source."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml

import lrmtest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PLACES = re.compile(r"(?:lrmtest|tests|suites|tools|docs|benchmarks)/[\w./-]*\w")


def documented():
    return re.findall(r"^::: ([\w.]+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)


def test_every_public_name_is_in_the_reference():
    assert sorted(name for name in documented() if name.count(".") == 1) == sorted(
        f"lrmtest.{name}" for name in lrmtest.__all__
    )


@pytest.mark.parametrize("name", documented())
def test_every_name_in_the_reference_is_there_and_documented(name):
    module, _, attribute = name.rpartition(".")
    assert hasattr(import_module(module), attribute)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_place_that_is_named_is_there(page):
    named = set(PLACES.findall((ROOT / page).read_text()))
    assert not {place for place in named if not (ROOT / place).exists()}


def test_the_picture_has_the_rooms_in_the_order_that_is_checked():
    text = (ROOT / "docs" / "architecture.md").read_text()
    picture = text.partition("```text\n")[2].partition("```")[0].partition(" ---")[0]
    drawn = [line.split()[0] for line in picture.splitlines() if line.strip()]
    (layers,) = (
        contract["layers"]
        for contract in PYPROJECT["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    rooms = [layer.removeprefix("lrmtest.") for layer in layers]
    rooms = [room for room in rooms if (ROOT / "lrmtest" / room).is_dir()]
    assert drawn == rooms


def test_commits_are_checked_with_what_the_check_runs_and_nothing_is_fetched():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    check = (ROOT / "check").read_text()
    for hook in hooks[0]["hooks"]:
        assert hook["language"] == "system"
        assert hook["name"] in check
