"""What manifests have in common and where they differ: nothing is lost, all of it is bounded."""

from __future__ import annotations

import json

from attacks import ATTACKS
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.reports.html.settings import settings

NAMES = st.sampled_from(["model", "size", "suites", "a", "b", "c"])
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["x", "y", ""])
OBJECTS = st.recursive(
    LEAVES | st.lists(LEAVES, max_size=2),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
MANIFESTS = st.dictionaries(NAMES, OBJECTS, max_size=4)


def paths(found):
    return [" ".join(row["path"]) for row in found["differ"]]


def test_two_runs_are_told_apart_by_the_fields_that_differ():
    one = {"model": {"name": "a", "engine": "vllm"}, "temperature": 0.6, "seed": 0}
    two = {"model": {"name": "b", "engine": "vllm", "dtype": "bfloat16"}, "temperature": 0.6}
    found = settings([one, two])
    assert found["same"] == {"model": {"engine": "vllm"}, "temperature": 0.6}
    assert found["same_count"] == 2
    assert found["differ"] == [
        {"path": ["model", "name"], "values": ["a", "b"]},
        {"path": ["model", "dtype"], "values": [None, "bfloat16"]},
        {"path": ["seed"], "values": ["0", None]},
    ]


def test_what_is_equal_to_python_is_no_less_a_difference():
    found = settings([{"a": 1, "b": None}, {"a": 1.0, "b": False}, {"a": True}])
    assert [row["values"] for row in found["differ"]] == [
        ["1", "1", "true"],
        ["none", "false", None],
    ]


def test_suites_that_differ_alike_are_one_row():
    def run(name, budget):
        options = ["--model", name, "--samples=2"]
        suites = {suite: {"options": options, "max_tokens": 64} for suite in ("aime", "folio")}
        suites["folio"]["max_tokens"] = budget
        return {"suites": suites}

    found = settings([run("a", 64), run("b", 128)])
    assert found["differ"] == [
        {
            "path": ["suites", "aime, folio", "options"],
            "values": ["--model a --samples=2", "--model b --samples=2"],
        },
        {"path": ["suites", "folio", "max_tokens"], "values": ["64", "128"]},
    ]
    assert found["same"] == {"suites": {"aime": {"max_tokens": 64}}}


def test_the_model_comes_first_and_the_suites_last():
    one = {"suites": {"s": {"a": 1}}, "environment": {"x": 1}, "seed": 1, "model": {"name": "a"}}
    two = {"suites": {"s": {"a": 2}}, "environment": {"x": 2}, "seed": 2, "model": {"name": "b"}}
    assert paths(settings([one, two])) == ["model name", "seed", "suites s a", "environment x"]


def test_one_run_has_all_of_its_manifest():
    manifest = {"model": {"name": "a", "files": {}}, "selection": {"s": {"questions": ["q1"]}}}
    found = settings([manifest])
    assert found["same"] == manifest
    assert found["differ"] == []


def nested(depth):
    value = "end"
    for _ in range(depth):
        value = {"in": [value]} if depth % 2 else {"in": value}
    return value


def test_enormous_and_hostile_manifests_are_bounded():
    wide = {f"k{n}": n for n in range(3000)}
    other = {f"k{n}": -n - 1 for n in range(3000)}
    hostile = {attack: {attack: [attack, {attack: attack}]} for attack in ATTACKS}
    one = {"wide": wide, "hostile": hostile, "deep": nested(60), "text": "x" * 10**6}
    two = {"wide": other, "hostile": {}, "deep": nested(61), "text": "y" * 10**6}
    one["selection"] = {"s": {"questions": [f"q{n}" for n in range(5000)]}}
    two["selection"] = {"s": {"questions": [f"q{n}" for n in range(5001)]}}
    found = settings([one, two])
    assert found["left_out"] == 2500
    assert len(found["differ"]) < 1000
    assert all(len(text or "") < 2100 for row in found["differ"] for text in row["values"])
    # Control characters and overrides are written out.
    said = json.dumps(found, ensure_ascii=False)
    assert len(said) < 2_000_000
    assert not any(character in said for character in "\x1b\x07\u202e\u2066")


@given(st.lists(MANIFESTS, min_size=1, max_size=4))
def test_every_field_is_either_common_or_a_difference(manifests):
    found = settings(manifests)
    assert found["left_out"] == 0
    if all(one == manifests[0] and repr(one) == repr(manifests[0]) for one in manifests):
        assert found["differ"] == []
        assert found["same"] == manifests[0]
    else:
        assert found["differ"] or any(repr(one) != repr(manifests[0]) for one in manifests)
    for row in found["differ"]:
        assert len(row["values"]) == len(manifests)
        assert len({repr(value) for value in row["values"]}) > 1 or "1" in row["values"]

    def in_all(common, places):
        for name, value in common.items():
            within = [place[name] for place in places]
            if isinstance(value, dict) and not all(repr(one) == repr(value) for one in within):
                in_all(value, within)
            else:
                assert all(one == value for one in within)

    in_all(found["same"], manifests)
