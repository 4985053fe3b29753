"""The counting script, on a package of known shape, and on this checkout."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FILES = {
    "lrmtest/__init__.py": '"""What it is."""\n',
    "lrmtest/errors.py": '"""Errors."""\n\n\nclass Plan:\n    """A plan."""\n',
    "lrmtest/models/__init__.py": '"""Models."""\n',
    "lrmtest/models/engines/__init__.py": 'kind = "vllm"\nfound = kind == "vllm"\n',
    "lrmtest/models/card.py": (
        "from lrmtest.models import fetch\n"
        'SERVED = ("vllm", "openai")\n'
        "class Card:\n"
        '    engine: str = "transformers"\n'
        "def served(card):\n"
        '    return card.engine in SERVED or "x" in card.engine\n'
    ),
    "lrmtest/models/fetch.py": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    from lrmtest.models.card import Card\n"
        "def fetch(desk, given):\n"
        '    return desk.engine == "recorded"\n'
    ),
    "lrmtest/runs/__init__.py": '"""Runs."""\n',
    "lrmtest/runs/run.py": (
        "from lrmtest.errors import Plan as Other\n"
        "class Record:\n"
        "    run_id: str\n"
        "    manifest: dict[str, object]\n"
        "class Shown:\n"
        "    record: Record\n"
        "    @property\n"
        "    def run_id(self):\n"
        "        return self.record.run_id\n"
        "class Making:\n"
        "    def __init__(self, manifest):\n"
        "        self.manifest = manifest\n"
        "class Rate:\n"
        "    records: list[Record]\n"
        "class Plan: ...\n"
        "def temperature(record, other):\n"
        '    suites = record.manifest.get("suites")\n'
        "    for name, suite in suites.items():\n"
        '        print(suite["samples"], name, other["samples"])\n'
        '    return record.manifest["model"]["name"]\n'
    ),
    "tests/test_it.py": "x = 1\n",
}


@pytest.fixture(scope="module")
def house():
    spec = importlib.util.spec_from_file_location("house", ROOT / "tools" / "house.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["house"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["house"]


@pytest.fixture(scope="module")
def sources(house, tmp_path_factory):
    checkout = tmp_path_factory.mktemp("checkout")
    for name, text in FILES.items():
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {source.path: source for source in house.read_sources(checkout, "lrmtest")}


def test_classes_with_a_manifest_and_those_that_wrap_one_are_shapes_of_a_run(house, sources):
    assert house.shapes_of_a_run(sources.values()) == ["Making", "Record", "Shown"]


def test_keys_are_followed_from_section_to_section(house, sources):
    read = house.manifest_reads(sources["lrmtest/runs/run.py"])
    assert sorted(read) == ["model", "name", "samples", "suites"]


def test_engine_names_may_be_compared_in_the_engines_room_only(house, sources):
    assert house.engine_comparisons(sources.values()) == [
        "lrmtest/models/card.py:4",
        "lrmtest/models/card.py:6",
        "lrmtest/models/fetch.py:5",
    ]


def test_words_are_parts_of_names(house, sources):
    names = house.names_given(sources["lrmtest/models/fetch.py"])
    assert {"fetch", "desk", "given"} <= names
    assert house.has_word("GateWatch", "watch")
    assert house.has_word("_asked_by", "asked")
    assert house.has_word("no_failure", "no_failure")
    assert not house.has_word("watchdog", "watch")


@pytest.mark.parametrize(
    ("arrows", "expected"),
    [
        ([], []),
        ([("a", "b"), ("b", "c"), ("a", "c")], []),
        ([("a", "b"), ("b", "a"), ("c", "a")], [("a", "b")]),
        ([("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("e", "d")], [tuple("abc"), tuple("de")]),
    ],
)
def test_circles(house, arrows, expected):
    assert house.circles(arrows) == expected


def test_this_checkout_is_counted(house, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["house.py", str(ROOT)])
    house.main()
    out = capsys.readouterr().out
    assert "| shapes of a run " in out
    assert "| lrmtest/runs/ " in out
